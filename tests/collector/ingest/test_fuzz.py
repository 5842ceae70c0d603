"""Mutated bodies never give a 500, and leave nothing behind in memory.

`PROBE_FUZZ=100000` sends so many; without it a few thousand. A failure names the seed that repeats it.
"""

import os
import resource
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.types import ASGIApp

from tests.collector.ingest.mutations import Body, Mutator
from tests.collector.ingest.reports import encoded, report
from tests.collector.ingest.world import TURKISH, Still, opened_world

COUNT = int(os.environ.get("PROBE_FUZZ", "3000"))
SEED = int(os.environ.get("PROBE_FUZZ_SEED", "20261122"))
EXPECTED = {202, 400, 413, 415, 422}
MOST_GROWTH = 60 << 20  # bytes
_SETTINGS = "limits: {reports_per_minute: 1.0e+9}\n"


async def asked(app: ASGIApp, token: str, body: Body) -> tuple[int, bytes]:
    encoding, raw = body
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-encoding", encoding)]
    headers.append((b"content-length", str(len(raw)).encode()))
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": raw, "more_body": False}]
    answers: list[Any] = []

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/reports",
        "raw_path": b"/api/v1/reports",
        "query_string": b"",
        "headers": headers,
        "client": (TURKISH, 40_000),
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
    }
    await app(scope, receive, send)
    return answers[0]["status"], b"".join(answer["body"] for answer in answers[1:])


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
async def test_no_body_gives_a_500_or_stays_in_memory(tmp_path: Path, clock: Still) -> None:
    mutator = Mutator(SEED, encoded(report(2)))
    statuses: Counter[int] = Counter()
    async with opened_world(tmp_path, clock, _SETTINGS) as world:
        token, before = world.token(), 0
        for number in range(COUNT):
            if number == COUNT // 5:
                before = resident()
            body = mutator.body()
            status, answer = await asked(world.app, token, body)
            assert status in EXPECTED, (SEED, number, status, body)
            assert status == 202 or b"\n" not in msgspec.json.decode(answer)["error"].encode()
            statuses[status] += 1
        grown = resident() - before
        kept = await world.log.read(0, 1)
    assert grown < MOST_GROWTH, f"{grown >> 20} MiB"
    assert statuses[202], "some are still reports"
    assert kept
    assert statuses[400]
    assert statuses[422]
