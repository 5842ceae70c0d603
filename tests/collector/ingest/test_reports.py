import gzip
import io
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import zstandard

from probe.wire.reports import MOST_COMPRESSED, MOST_DECODED, Reported
from tests.collector.ingest.reports import compressed, encoded, report, reported
from tests.collector.ingest.world import Still, World, refusal

MEBIBYTE = 1 << 20


@pytest.mark.parametrize("encoding", ["zstd", "zstd, without its size", "gzip", "identity"])
async def test_a_report_is_kept_as_it_was_sent_however_it_was_compressed(world: World, encoding: str) -> None:
    sent = report()
    document = encoded(sent)
    body = {
        "zstd": lambda: zstandard.compress(document),
        "zstd, without its size": lambda: zstandard.ZstdCompressor(write_content_size=False).compress(document),
        "gzip": lambda: gzip.compress(document),
        "identity": lambda: document,
    }[encoding]()
    answer = await world.send(body, world.token(), encoding.partition(",")[0])
    assert answer.status_code == 202
    assert answer.json() == {"report_id": sent.report_id}
    (entry,) = await world.kept()
    assert entry.document == document
    assert (entry.role, entry.steward, entry.report_id) == ("probe", "Ayşe", sent.report_id)
    assert entry.received_at == world.clock.now()


async def test_a_repeat_gets_the_same_answer_and_counts_once(world: World) -> None:
    token, body = world.token(), compressed(report())
    first = await world.send(body, token, "zstd")
    second = await world.send(body, token, "zstd")
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert len(await world.kept()) == 1


async def test_fields_that_this_version_does_not_know_are_taken_and_kept(world: World) -> None:
    later = {**msgspec.to_builtins(report()), "schema": 7, "weather": {"sky": "blue"}}
    document = msgspec.json.encode(later)
    assert (await world.send(document, world.token())).status_code == 202
    assert (await world.kept())[0].document == document


def changed(**at: Any) -> bytes:
    """A report with values put in by path: `measurements.1.of` is written `measurements__1__of`."""
    document = msgspec.to_builtins(report())
    for path, value in at.items():
        *inner, last = path.split("__")
        spot: Any = document
        for step in inner:
            spot = spot[int(step) if step.isdigit() else step]
        spot[last] = value
    return msgspec.json.encode(document)


def bare() -> Reported:
    """As little as a measurement can be."""
    one = reported()
    measurement = msgspec.structs.replace(one.measurement, steps=(), surroundings=None)
    return msgspec.structs.replace(one, measurement=measurement)


NOT_A_UUID7 = "01890a5d-ac96-474b-bcce-000000000000"
SHAPES = [
    ({"report_id": NOT_A_UUID7}, "$.report_id"),
    ({"report_id": "../../etc/passwd"}, "$.report_id"),
    ({"agent": "probe/1"}, "$.agent"),
    ({"agent__name": "x" * 200}, "$.agent.name"),
    ({"measurements": []}, "$.measurements"),
    ({"measurements": [msgspec.to_builtins(bare())] * 501}, "$.measurements"),
    ({"measurements__1__of": 0}, "$.measurements[1].of"),
    ({"measurements__2__of": "50"}, "$.measurements[2].of"),
    ({"measurements__0__age": -1}, "$.measurements[0].age"),
    ({"measurements__1__round": NOT_A_UUID7}, "$.measurements[1].round"),
    ({"measurements__2__lease": "none"}, "$.measurements[2].lease"),
    ({"measurements__2__verdict__outcome": "fine"}, "$.measurements[2].verdict.outcome"),
    ({"measurements__1__verdict__confidence": 1.5}, "$.measurements[1].verdict.confidence"),
    ({"measurements__1__measurement__endpoint": "x" * 5000}, "$.measurements[1].measurement.endpoint"),
    ({"measurements__1__measurement__platform": "x" * 101}, "$.measurements[1].measurement.platform"),
    ({"measurements__1__measurement__network__asn": 2**40}, "$.measurements[1].measurement.network.asn"),
    ({"measurements__1__measurement__duration": 1e300}, "$.measurements[1].measurement.duration"),
    ({"measurements__0__measurement__steps__3__port": 2**60}, "$.measurements[0].measurement.steps[3].port"),
    ({"measurements__0__measurement__steps__0__step": "ftp"}, "$.measurements[0].measurement.steps[0].step"),
    ({"measurements__1__measurement__started_at": "2026-11-22T06:00:00"}, "$.measurements[1].measurement.started_at"),
    ({"measurements__1__measurement__started_at": "1066-10-14T09:00:00Z"}, "$.measurements[1].measurement.started_at"),
    ({"network__country": "Turkey"}, "$.network.country"),
]


@pytest.mark.parametrize(("change", "path"), SHAPES, ids=[path for _, path in SHAPES])
async def test_the_path_of_a_fault_is_named(world: World, change: dict[str, Any], path: str) -> None:
    answer = await world.send(changed(**change), world.token())
    assert answer.status_code == 422
    assert refusal(answer)[1] == path
    assert await world.kept() == []
    assert world.rejected("invalid") == 1


async def test_two_measurements_with_one_id_are_refused(world: World) -> None:
    twice = reported()
    answer = await world.send(encoded(report(0, measurements=(twice, twice))), world.token())
    assert refusal(answer)[1] == "$.measurements[1].measurement.id"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe", b'{"report_id": "\\ud800"}', b"1" * 5000, b"[" * 100_000],
    ids=lambda body: repr(body[:12]),
)
async def test_what_is_no_report_is_refused_in_one_line(world: World, body: bytes) -> None:
    answer = await world.send(body, world.token())
    assert answer.status_code in {400, 422}
    assert refusal(answer)[0]


async def test_a_document_nested_without_end_is_refused(world: World) -> None:
    for body in (
        b'{"x":' * 200_000,
        b'{"agent":' + b"[" * 1_000_000,
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ):
        assert (await world.send(body, world.token())).status_code in {400, 422}


def lying_frame(claimed: int) -> bytes:
    """A zstd frame whose header claims a size, with a block of a few bytes that unpacks to 128 KiB, many times."""
    header = struct.pack("<IBB", 0xFD2FB528, 0b1100_0000, 0x50) + struct.pack("<Q", claimed)
    block = struct.pack("<I", (131_072 << 3) | (1 << 1))[:3] + b"0"
    return header + block * 200_000


def streamed(content: bytes, window_log: int) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=window_log, write_content_size=False)
    written = io.BytesIO()
    with zstandard.ZstdCompressor(compression_params=parameters).stream_writer(written, closefd=False) as packing:
        packing.write(content)
    return written.getvalue()


BOMBS: dict[str, tuple[str, Callable[[], bytes], int]] = {
    "zstd that says how large it is": ("zstd", lambda: zstandard.compress(bytes(64 * MEBIBYTE)), 413),
    "zstd that does not say": (
        "zstd",
        lambda: zstandard.ZstdCompressor(write_content_size=False).compress(bytes(64 * MEBIBYTE)),
        413,
    ),
    "zstd that lies": ("zstd", lambda: lying_frame(1000), 400),
    "zstd that claims terabytes": ("zstd", lambda: lying_frame(1 << 45), 413),
    "zstd that wants a large window": (
        "zstd",
        lambda: streamed(b"0" * MEBIBYTE, window_log=27),
        413,
    ),
    "gzip": ("gzip", lambda: gzip.compress(bytes(64 * MEBIBYTE), 9), 413),
}


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_costs_nothing(world: World, name: str) -> None:
    encoding, make, status = BOMBS[name]
    body = make()
    assert len(body) < MOST_COMPRESSED
    token = world.token()
    await world.send(b"{}", token)
    tracemalloc.start()
    try:
        answer = await world.send(body, token, encoding)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status_code == status
    assert peak < 3 * MOST_DECODED


@pytest.mark.parametrize("body", [b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfd" + bytes(50), b"PK\x03\x04"])
@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
async def test_broken_compression_is_refused(world: World, encoding: str, body: bytes) -> None:
    answer = await world.send(body, world.token(), encoding)
    assert answer.status_code in {400, 413}
    assert refusal(answer)[0]


async def test_something_behind_the_frame_is_refused(world: World) -> None:
    for encoding, body in (("zstd", compressed(report())), ("gzip", gzip.compress(encoded(report())))):
        assert (await world.send(body + b"more", world.token(), encoding)).status_code == 400
    assert (await world.send(b"", world.token(), "br")).status_code == 415


async def test_a_body_that_is_too_large_is_refused_with_and_without_its_length(world: World) -> None:
    async def pieces() -> Any:
        for _ in range(20):
            yield bytes(100_000)

    assert (await world.send(bytes(MOST_COMPRESSED + 1), world.token())).status_code == 413
    answer = await world.ask("POST", "/reports", world.token(), content=pieces())
    assert answer.status_code == 413


async def test_a_token_that_sends_too_often_is_told_when_to_come_back(world: World, clock: Still) -> None:
    token, other = world.token(), world.token()
    for _ in range(60):
        assert (await world.send(b"{}", token)).status_code == 422
    answer = await world.send(b"{}", token)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert (await world.send(b"{}", other)).status_code == 422
    clock.pass_by(seconds=2)
    assert (await world.send(b"{}", token)).status_code == 422


async def test_a_log_that_takes_nothing_is_a_503_with_a_time(world: World) -> None:
    await world.log.aclose()
    answer = await world.send(compressed(report()), world.token(), "zstd")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert world.rejected("overload") == 1


async def test_other_methods_and_paths_get_json(world: World) -> None:
    assert (await world.ask("GET", "/reports", world.token())).status_code == 405
    assert (await world.ask("DELETE", "/reports", world.token())).json()["error"]
    assert (await world.ask("GET", "/nowhere")).status_code == 404
    assert (await world.ask("GET", "/reports/../reports")).status_code in {404, 405}
