"""Reads the log from a position: sealed days, then live ones, while they grow."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from probe.collector.log.days import connected, days, live_file, naming, sealed_file
from probe.collector.log.entry import Entry, LogDamaged
from probe.collector.log.rows import COLUMNS, entry
from probe.collector.log.sealed import SealedDay

_MOST_BYTES = 32 << 20  # of bodies in one answer
_SELECT = f"SELECT {COLUMNS} FROM entries WHERE position > ? ORDER BY position LIMIT ?"


class LiveDay:
    """One day's SQLite file, open for reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connected(path)
        with naming(path):
            self.first = int(self._connection.execute("SELECT first FROM day").fetchone()[0])

    def read(self, after: int, limit: int) -> Iterator[Entry]:
        with naming(self.path):
            for row in self._connection.execute(_SELECT, (after, limit)):
                yield entry(row, self.path)

    def last(self) -> int:
        with naming(self.path):
            return int(self._connection.execute("SELECT max(position) FROM entries").fetchone()[0] or self.first - 1)

    def close(self) -> None:
        self._connection.close()


class Reader:
    """Not thread-safe: one call at a time. Keeps open what it read last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._live: dict[str, LiveDay] = {}
        self._sealed: dict[str, SealedDay] = {}

    def read(self, after: int, limit: int) -> list[Entry]:
        try:
            return self._read(after, limit)
        except FileNotFoundError:  # a day was sealed, or the oldest one removed, since the folder was listed
            return self._read(after, limit)

    def last(self) -> int:
        """The last position that was given, 0 where there was none."""
        known = days(self._folder, "live.sqlite", "sealed")
        if not known:
            return 0
        day = self._opened(known[-1])
        return day.last() if isinstance(day, LiveDay) else day.last

    def close(self) -> None:
        self._close_but([])

    def _read(self, after: int, limit: int) -> list[Entry]:
        entries: list[Entry] = []
        size = 0
        for day in self._days_with(after):
            for found in self._of(day, after, limit - len(entries)):
                entries.append(found)
                size += len(found.body)
                if len(entries) >= limit or size >= _MOST_BYTES:
                    return entries
        return entries

    def _of(self, day: str, after: int, limit: int) -> Iterator[Entry]:
        opened = self._opened(day)
        return opened.read(after, limit) if isinstance(opened, LiveDay) else opened.read(after)

    def _days_with(self, after: int) -> list[str]:
        """Days that may hold a later position: the last one that begins at or before it, and all that follow."""
        known = days(self._folder, "live.sqlite", "sealed")
        self._close_but(known)
        start = max(len(known) - 1, 0)
        while start > 0 and self._opened(known[start]).first > after + 1:
            start -= 1
        self._close_but(known[start:])
        return known[start:]

    def _opened(self, day: str) -> LiveDay | SealedDay:
        """The sealed file where there is one: it is complete once it has its name."""
        if day in self._sealed:
            if self._sealed[day].is_current():
                return self._sealed[day]
            self._sealed.pop(day).close()
        sealed = sealed_file(self._folder, day)
        if sealed.exists():
            if day in self._live:
                self._live.pop(day).close()
            self._sealed[day] = SealedDay(sealed)
            return self._sealed[day]
        if day not in self._live:
            self._live[day] = LiveDay(live_file(self._folder, day))
        return self._live[day]

    def _close_but(self, wanted: list[str]) -> None:
        for day in set(self._live) - set(wanted):
            self._live.pop(day).close()
        for day in set(self._sealed) - set(wanted):
            self._sealed.pop(day).close()


def verified(folder: Path) -> int:
    """Read the whole log. The last position. Raises LogDamaged at the first fault."""
    reader, position = Reader(folder), 0
    try:
        while found := reader.read(position, 1000):
            position = found[-1].position
    except sqlite3.Error as error:
        raise LogDamaged(f"{folder}: {error}") from error
    finally:
        reader.close()
    return position
