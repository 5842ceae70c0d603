"""Entries as ingest hands them to the log, and logs in folders."""

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from probe.collector.log import Entry, Origin, packed
from probe.collector.log.sqlite import Observe, SqliteLog
from probe.wire.identifiers import uuid7

NOON = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
PLACE = Origin(country="TR", asn=9121, name="Türk Telekom", family=4)


def entry(number: int = 0, at: dt.datetime = NOON, **more: Any) -> Entry:
    facts: dict[str, Any] = {
        "received_at": at,
        "probe": f"probe{number % 3}",
        "role": "probe",
        "steward": "Ayşe",
        "place": PLACE,
        "report_id": uuid7(at),
        "body": packed(f'{{"number": {number}, "text": "{"x" * 500}"}}'.encode()),
    }
    return Entry(**facts | more)


@asynccontextmanager
async def opened(folder: Path, *, writable: bool = True, observe: Observe | None = None) -> AsyncIterator[SqliteLog]:
    log = await SqliteLog.open(folder, writable=writable, observe=observe)
    try:
        yield log
    finally:
        await log.aclose()


async def everything(log: SqliteLog, limit: int = 1000) -> list[Entry]:
    found: list[Entry] = []
    while entries := await log.read(found[-1].position if found else 0, limit):
        found += entries
    return found


async def over_days(log: SqliteLog, count: int, a_day: int) -> list[int]:
    """So many days from NOON on, each with entries; their positions."""
    entries = [entry(day * a_day + n, NOON + day * DAY) for day in range(count) for n in range(a_day)]
    return [await log.append(one) for one in entries]


def names(folder: Path, pattern: str) -> list[str]:
    return sorted(path.name for path in folder.glob(pattern))


def bytes_of(folder: Path) -> bytes:
    """Of all files in it together."""
    return b"".join(path.read_bytes() for path in folder.iterdir())
