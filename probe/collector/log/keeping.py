"""What becomes of days that are over: sealed, cleaned of an erased probe's reports, removed when too old or too many.

Blocking; one call at a time. Readers and the writer go on meanwhile.
"""

import datetime as dt
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

from probe.collector.log.appender import REPEATS_KNOWN
from probe.collector.log.days import (
    connected,
    days,
    ids_file,
    live_file,
    naming,
    new_ids,
    remove,
    sealed_file,
)
from probe.collector.log.entry import Entry, LogDamaged
from probe.collector.log.reader import LiveDay
from probe.collector.log.sealed import SealedDay, seal

_TOGETHER = 500  # rows that one transaction deletes: ingest waits for no more than that
_EVERYTHING = 1 << 62


def seal_before(folder: Path, day: str) -> list[str]:
    """Seal every day before `day` that is over. Which ones."""
    live = days(folder, "live.sqlite")
    over = [one for one in live[:-1] if one < day]
    for one in over:
        _seal(folder, one)
    return over


def _seal(folder: Path, day: str) -> None:
    live, sealed = live_file(folder, day), sealed_file(folder, day)
    with closing(LiveDay(live)) as open_day:
        if not ids_file(folder, day).exists():
            _write_ids(folder, day)
        if not sealed.exists():
            written = seal(sealed, open_day.read(0, _EVERYTHING), open_day.first)
            _verify(sealed, written)
    remove(live)


def _write_ids(folder: Path, day: str) -> None:
    with new_ids(folder, day) as ids, naming(live_file(folder, day)):
        ids.execute("ATTACH DATABASE ? AS live", (str(live_file(folder, day)),))
        ids.execute("INSERT INTO main.entries SELECT report_id, probe, position FROM live.entries")
        ids.execute("DETACH DATABASE live")


def _verify(sealed: Path, written: int) -> None:
    """The day's file goes only once its sealed one has been read back."""
    with closing(SealedDay(sealed)) as day:
        if sum(1 for _ in day.read(0)) != written:
            raise LogDamaged(f"{sealed}: not all that was written can be read: check the disk")


def erase(folder: Path, probes: Collection[str]) -> bool:
    """Remove all reports of these probes. False where a reader held on to old pages: then once more, later."""
    if not probes:
        return True
    clean = True
    for day in days(folder, "live.sqlite", "ids.sqlite"):
        for path in (live_file(folder, day), ids_file(folder, day)):
            clean = (not path.exists() or _erase_rows(path, probes)) and clean
    for day in days(folder, "sealed"):
        _erase_sealed(sealed_file(folder, day), probes)
    return clean


def _erase_rows(path: Path, probes: Collection[str]) -> bool:
    """Found without a lock, deleted in small transactions; then the write-ahead log, which has them too, is emptied."""
    marks = ", ".join("?" * len(probes))
    with naming(path), closing(connected(path, write=True)) as connection:
        find = f"SELECT report_id, probe FROM entries WHERE probe IN ({marks})"
        found = connection.execute(find, tuple(probes)).fetchall()
        for start in range(0, len(found), _TOGETHER):
            connection.execute("BEGIN IMMEDIATE")
            delete = "DELETE FROM entries WHERE report_id = ? AND probe = ?"
            connection.executemany(delete, found[start : start + _TOGETHER])
            connection.execute("COMMIT")
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] if found else 0
    return not busy


def _erase_sealed(path: Path, probes: Collection[str]) -> None:
    with closing(SealedDay(path)) as day:
        if any(entry.probe in probes for entry in day.read(0)):
            seal(path, _without(day, probes), day.first)


def _without(day: SealedDay, probes: Collection[str]) -> Iterator[Entry]:
    return (entry for entry in day.read(0) if entry.probe not in probes)


def prune(folder: Path, today: str, keep_days: int | None, keep_bytes: int | None) -> list[str]:
    """Remove the oldest sealed days beyond either measure, and ids that no longer tell repeats. Which days went."""
    sealed = days(folder, "sealed")
    oldest = _days_before(today, keep_days) if keep_days is not None else ""
    gone = [day for day in sealed if day < oldest]
    kept = [day for day in sealed if day >= oldest]
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    while keep_bytes is not None and kept and size > keep_bytes:
        size -= sealed_file(folder, kept[0]).stat().st_size
        gone.append(kept.pop(0))
    for day in gone:
        sealed_file(folder, day).unlink()
    for day in days(folder, "ids.sqlite"):
        if day < _days_before(today, REPEATS_KNOWN):
            remove(ids_file(folder, day))
    return gone


def _days_before(day: str, count: int) -> str:
    return (dt.date.fromisoformat(day) - dt.timedelta(days=count)).isoformat()
