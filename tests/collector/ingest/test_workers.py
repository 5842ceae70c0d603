"""Decoding in processes of its own: the same answers, whatever becomes of them."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import zstandard

from probe.collector.ingest_decoding import Here
from probe.collector.ingest_refusals import Refusal
from probe.collector.ingest_workers import Workers
from probe.wire.reports import MOST_COMPRESSED, MOST_DECODED
from tests.collector.ingest.reports import compressed, encoded, report
from tests.collector.ingest.running import children

BODIES = [
    (b"zstd", compressed(report(50))),
    (b"identity", encoded(report(2))),
    (b"identity", b"{}"),
    (b"identity", b"[" * 500_000),
    (b"br", b""),
    (b"gzip", b"no"),
    (b"zstd", zstandard.compress(bytes(MOST_DECODED + 1))),
    (b"identity", b'{"report_id": "\xff"}'),
    (b"zstd", zstandard.ZstdCompressor(write_content_size=False).compress(encoded(report(5)))),
    (b"identity", encoded(report(320))[:MOST_COMPRESSED]),
]


@asynccontextmanager
async def working(count: int = 1) -> AsyncIterator[Workers]:
    workers = Workers(count)
    async with trio.open_nursery() as nursery:
        await nursery.start(workers.run)
        yield workers
        nursery.cancel_scope.cancel()


async def outcome(decoder: Workers | Here, encoding: bytes, body: bytes) -> object:
    try:
        return await decoder.decode(encoding, body)
    except Refusal as refusal:
        return (refusal.status, refusal.reason, refusal.error, refusal.path)


def processes() -> list[int]:
    return [one for one, words in children(os.getpid()).items() if "probe.collector.ingest_worker" in words]


async def test_a_worker_says_what_would_be_said_here() -> None:
    here = Here()
    async with working() as workers:
        for encoding, body in BODIES:
            assert await outcome(workers, encoding, body) == await outcome(here, encoding, body)


@pytest.mark.parametrize("count", [1, 3])
async def test_many_at_once_get_each_their_own_answer(count: int) -> None:
    sent = [report(1) for _ in range(100)]
    answers: dict[str, str] = {}

    async def ask(number: int) -> None:
        decoded = await workers.decode(b"zstd", compressed(sent[number]))
        answers[sent[number].report_id] = decoded.report_id

    async with working(count) as workers, trio.open_nursery() as nursery:
        for number in range(len(sent)):
            nursery.start_soon(ask, number)
    assert answers == {one.report_id: one.report_id for one in sent}


async def test_who_no_longer_waits_spoils_nothing_for_others() -> None:
    large = encoded(report(300))[:MOST_COMPRESSED]
    mine = report(1)
    async with working() as workers:
        for _ in range(5):
            with trio.move_on_after(0.001):
                await outcome(workers, b"identity", large)
        assert (await workers.decode(b"zstd", compressed(mine))).report_id == mine.report_id


async def test_a_process_that_ends_is_started_again_and_who_waited_is_told_to_come_again() -> None:
    async with working() as workers:
        (first,) = processes()
        os.kill(first, signal.SIGSTOP)
        answers: list[object] = []

        async def ask() -> None:
            answers.append(await outcome(workers, b"zstd", BODIES[0][1]))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked(0.05)
            os.kill(first, signal.SIGKILL)
        assert [answer[:2] for answer in answers if isinstance(answer, tuple)] == [(503, "overload")] * 3
        with trio.fail_after(30):
            while isinstance(await outcome(workers, b"zstd", BODIES[0][1]), tuple):  # noqa: ASYNC110
                await trio.sleep(0.1)
        assert first not in processes()


async def test_the_processes_end_with_the_one_that_started_them() -> None:
    async with working(2):
        assert len(processes()) == 2
    assert processes() == []
