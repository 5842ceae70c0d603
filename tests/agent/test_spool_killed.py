"""`kill -9` at any moment: nothing that was durable is lost, or comes under another id."""

import multiprocessing
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.agent import spool_worker
from tests.agent.collector_stand_in import Collector, Trouble, stand_in
from tests.agent.spool_building import folder_in_memory

KILLS = 50
FAILING = Trouble(kind="status", on="/reports")
LATE, HALF = Trouble(kind="cut-after-commit", on="/reports"), Trouble(kind="cut-half-way", on="/reports")
TROUBLES = (None, None, None, LATE, HALF, FAILING)


@pytest.fixture(scope="module")
def forks() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "tests.agent.spool_worker"])
    return context


class Worker:
    """One run of the process."""

    def __init__(self, forks: multiprocessing.context.ForkServerContext, path: Path, collector: Collector) -> None:
        self._forks, self._path, self._base = forks, path, collector.url

    def killed_after(self, seconds: float) -> list[str]:
        """Counted from its first durable measurement. Ids that it told of."""
        read, write = multiprocessing.Pipe(duplex=False)
        process = self._forks.Process(target=_told, args=(str(self._path), self._base, write, True))
        process.start()
        write.close()
        with os.fdopen(os.dup(read.fileno()), "rb") as told:
            first = told.readline()
            process.join(seconds)
            process.kill()
            rest = told.read()
        process.join()
        assert process.exitcode == -9
        process.close()
        read.close()
        return [line.decode() for line in (first + rest).split(b"\n")[:-1]]

    def delivered(self) -> None:
        read, write = multiprocessing.Pipe(duplex=False)
        process = self._forks.Process(target=_told, args=(str(self._path), self._base, write, False))
        process.start()
        process.join(60)
        assert process.exitcode == 0
        process.close()
        read.close()
        write.close()


def _told(path: str, base: str, write: "multiprocessing.connection.Connection", adding: bool) -> None:
    spool_worker.work(path, base, write.fileno(), adding)


@pytest.fixture
def path() -> Iterator[Path]:
    with folder_in_memory() as folder:
        yield folder / "spool.sqlite3"


async def test_nothing_durable_is_lost_or_renamed_by_kills_at_random_moments(
    path: Path, forks: multiprocessing.context.ForkServerContext
) -> None:
    chance, durable = random.Random(50), list[str]()
    async with stand_in() as collector:
        collector.keep = False
        worker = Worker(forks, path, collector)
        for _ in range(KILLS - 1):
            collector.trouble = chance.choice(TROUBLES)
            durable += await trio.to_thread.run_sync(worker.killed_after, chance.uniform(0.0, 0.12))
        collector.trouble = FAILING
        durable += await trio.to_thread.run_sync(worker.killed_after, 0.0)
        collector.trouble = Trouble(kind="cut-after-commit", on="/reports", times=1)
        await trio.to_thread.run_sync(worker.delivered)
        seen = collector.seen
    assert len(durable) > 2 * KILLS
    assert set(durable) <= seen.measurements.keys()
    assert len(seen.measurements) - len(durable) <= KILLS  # durable, and killed before it could be told
    assert [reports for reports in seen.measurements.values() if len(reports) > 1] == []
    assert seen.repeats > 0
