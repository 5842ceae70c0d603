"""Appends entries to the day's file: many in one transaction, each report of a probe once.

Repeats are known for `REPEATS_KNOWN` days from the files themselves: the current day by its unique index, older ones
by looking into their index, where the range of their ids does not rule them out already.
"""

import datetime as dt
import fcntl
import logging
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from probe.collector.log.bookmarks import Bookmarks
from probe.collector.log.days import connected, create_live, day_of, days, ids_file, live_file, naming, sealed_file
from probe.collector.log.entry import Entry, LogDamaged, LogUnavailable
from probe.collector.log.reader import LiveDay
from probe.collector.log.rows import COLUMNS, key, row
from probe.collector.log.sealed import SealedDay

REPEATS_KNOWN = 30  # days

_INSERT = f"INSERT INTO entries ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (report_id, probe) DO NOTHING"
_FIND = "SELECT position FROM entries WHERE report_id = ? AND probe = ?"
_LOGGER = logging.getLogger(__name__)


class _Older(msgspec.Struct, frozen=True):
    """The ids of an earlier day: `low` and `high` bound them."""

    day: str
    path: Path
    connection: sqlite3.Connection
    low: bytes
    high: bytes


class Appender:
    """One at a time may be open on a folder. Not thread-safe: a single thread calls it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder
        self._day = ""
        self._next = 1
        self._live: sqlite3.Connection | None = None
        self._older: list[_Older] = []
        self._older_of = ""  # the day before which those are
        self._lock = _locked(folder)
        try:
            self._open_newest()
            self._skip_what_was_read()
        except BaseException:
            self.close()
            raise

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """The positions, all durable on return. Raises LogUnavailable and keeps none of them, or LogDamaged."""
        self._turn_to(max(day_of(entry.received_at) for entry in entries))
        if self._older_of != self._day:
            self.refresh_ids()
        before = self._next
        with naming(self._path):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                positions = [self._add(entry) for entry in entries]
                self._connection.execute("COMMIT")
            except BaseException:
                self._next = before
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        return positions

    def checkpoint(self) -> None:
        with naming(self._path):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._close_older()
        if self._live is not None:
            self._live.close()
            self._live = None
        os.close(self._lock)

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._live is None:
            raise sqlite3.ProgrammingError("the log is closed")
        return self._live

    def _add(self, entry: Entry) -> int:
        report = key(entry.report_id)
        for older in self._older:
            if older.low <= report <= older.high and (found := _found(older.connection, report, entry.probe)):
                return found
        if self._connection.execute(_INSERT, row(entry, self._next)).rowcount:
            self._next += 1
            return self._next - 1
        return _found(self._connection, report, entry.probe) or 0

    # --- days ---

    def _open_newest(self) -> None:
        """Continue in the newest file; where the newest day is sealed, behind it."""
        live, sealed = days(self._folder, "live.sqlite"), days(self._folder, "sealed")
        if sealed and (not live or sealed[-1] >= live[-1]):
            with closing(SealedDay(sealed_file(self._folder, sealed[-1]))) as newest:
                self._next = newest.last + 1
            self._day = sealed[-1]
        else:
            for day in live[:-1]:  # the newest may have been made in vain, while one before it grew on
                self._next = max(self._next, _end_of(live_file(self._folder, day)))
            if live:
                self._open(live[-1])
        self.refresh_ids()

    def _skip_what_was_read(self) -> None:
        """No position is given twice, or a reader would take a new report for one that it has."""
        with closing(Bookmarks(self._folder)) as bookmarks:
            furthest = bookmarks.furthest()
        if furthest >= self._next:
            _LOGGER.error("%s: ends at %d, but was read up to %d: some is lost", self._path, self._next - 1, furthest)
            self._next = furthest + 1

    def _turn_to(self, day: str) -> None:
        """Begin a new file. A clock that went back does not: positions grow from file to file."""
        if self._live is not None and day <= self._day:
            return
        day = max(day, self._day)
        while sealed_file(self._folder, day).exists():
            day = (dt.date.fromisoformat(day) + dt.timedelta(days=1)).isoformat()
        create_live(self._folder, day, self._next)
        self._open(day)

    def _open(self, day: str) -> None:
        """In place of the file before it, which goes on to be written where this one cannot be opened."""
        path = live_file(self._folder, day)
        opened = connected(path, write=True)
        try:
            following = _following(opened, path, self._next)
        except BaseException:
            opened.close()
            raise
        self._close_live()
        self._live, self._day, self._path, self._next = opened, day, path, following

    def _close_live(self) -> None:
        if self._live is None:
            return
        try:
            with naming(self._path):
                self._live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except LogUnavailable as fault:  # it stays in the write-ahead log, where readers find it too
            _LOGGER.warning("%s", fault)
        self._live.close()
        self._live = None

    def refresh_ids(self) -> None:
        """Look at the files whose ids are still known anew: those of the last days before the current one."""
        self._close_older()
        if not self._day:
            return
        oldest = (dt.date.fromisoformat(self._day) - dt.timedelta(days=REPEATS_KNOWN)).isoformat()
        for day in days(self._folder, "live.sqlite", "ids.sqlite"):
            if oldest <= day and (day < self._day or self._live is None):
                self._older += _ids_of(self._folder, day)
        self._older_of = self._day

    def _close_older(self) -> None:
        """Until they are looked at again nothing is appended: a repeat would not be known."""
        self._older_of = ""
        for older in self._older:
            older.connection.close()
        self._older = []


def _end_of(path: Path) -> int:
    """The position after its last one; 0 where it cannot be read, which readers tell."""
    try:
        with closing(LiveDay(path)) as day:
            return day.last() + 1
    except LogDamaged as fault:
        _LOGGER.error("%s", fault)  # noqa: TRY400 (its one line says all)
        return 0


def _following(live: sqlite3.Connection, path: Path, known: int) -> int:
    """The position after the last one of this file, and of those before it (`known`). An empty file learns it."""
    with naming(path):
        (last,) = live.execute("SELECT max(position) FROM entries").fetchone()
        (first,) = live.execute("SELECT first FROM day").fetchone()
        if last is None and first < known:
            live.execute("UPDATE day SET first = ?", (known,))
    return max(known, int(first), int(last or 0) + 1)


def _ids_of(folder: Path, day: str) -> list[_Older]:
    live = live_file(folder, day)
    path = live if live.exists() else ids_file(folder, day)
    connection = connected(path)
    with naming(path):
        low, high = connection.execute("SELECT min(report_id), max(report_id) FROM entries").fetchone()
    if low is None:
        connection.close()
        return []
    return [_Older(day, path, connection, low, high)]


def _found(connection: sqlite3.Connection, report: bytes, probe: str) -> int | None:
    found = connection.execute(_FIND, (report, probe)).fetchone()
    return None if found is None else int(found[0])


def _locked(folder: Path) -> int:
    """Held until it is closed, or the process ends however it does."""
    handle = os.open(folder / ".writer", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise LogUnavailable(f"{folder}: another process writes to this log: stop it first") from None
    return handle
