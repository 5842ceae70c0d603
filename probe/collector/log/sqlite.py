"""The log in SQLite files of one folder: the embedded implementation of `Log`."""

import datetime as dt
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Self

import trio

from probe.collector.log.appender import Appender
from probe.collector.log.bookmarks import Bookmarks
from probe.collector.log.days import day_of
from probe.collector.log.entry import Entry, LogUnavailable
from probe.collector.log.keeping import erase, prune, seal_before
from probe.collector.log.reader import Reader
from probe.collector.log.writer import Writer

Observe = Callable[[int, float], None]


class SqliteLog:
    """One process at a time opens it `writable`, any number of others read beside it."""

    def __init__(self, folder: Path, appender: Appender | None, observe: Observe | None) -> None:
        self._folder = folder
        self._appender = appender
        self._writer = Writer(appender, observe) if appender is not None else None
        self._bookmarks = Bookmarks(folder)
        self._reader = Reader(folder)
        self._reading, self._marking, self._keeping = (trio.CapacityLimiter(1) for _ in range(3))

    @classmethod
    async def open(cls, folder: Path, *, writable: bool, observe: Observe | None = None) -> Self:
        """Raises LogDamaged, LogUnavailable. `observe` is told of each transaction: its entries and seconds."""
        await trio.to_thread.run_sync(_make, folder)
        if not writable:
            return cls(folder, None, None)
        appender = await trio.to_thread.run_sync(Appender, folder)
        return cls(folder, appender, observe)

    @property
    def waiting_bytes(self) -> int:
        """Of bodies that are not on the disk yet."""
        return self._writer.waiting_bytes if self._writer else 0

    async def append(self, entry: Entry) -> int:
        if self._writer is None:
            raise LogUnavailable(f"{self._folder}: opened for reading only")
        return await self._writer.append(entry)

    async def read(self, after: int, limit: int) -> list[Entry]:
        return await trio.to_thread.run_sync(self._reader.read, after, limit, limiter=self._reading)

    async def last(self) -> int:
        """The last position that was given, 0 where there was none."""
        return await trio.to_thread.run_sync(self._reader.last, limiter=self._reading)

    async def remember(self, reader: str, position: int) -> None:
        await trio.to_thread.run_sync(self._bookmarks.remember, reader, position, limiter=self._marking)

    async def remembered(self, reader: str) -> int:
        return await trio.to_thread.run_sync(self._bookmarks.remembered, reader, limiter=self._marking)

    async def aclose(self) -> None:
        if self._writer is not None:
            await self._writer.aclose()
        self._reader.close()
        self._bookmarks.close()

    # --- chores, for the process that writes ---

    async def seal_before(self, moment: dt.datetime) -> list[str]:
        """Seal the days before this one that are over. Which ones."""
        sealed = await trio.to_thread.run_sync(seal_before, self._folder, day_of(moment), limiter=self._keeping)
        if sealed:
            self._files_changed()
        return sealed

    async def erase(self, probes: Collection[str]) -> bool:
        """Remove these probes' reports, from sealed days too. False where it must be called again later."""
        clean = await trio.to_thread.run_sync(erase, self._folder, probes, limiter=self._keeping)
        self._files_changed()
        return clean

    async def prune(self, now: dt.datetime, keep_days: int | None, keep_bytes: int | None) -> list[str]:
        """Remove sealed days beyond either measure, the oldest first. Which ones."""
        job = partial(prune, self._folder, day_of(now), keep_days, keep_bytes)
        gone = await trio.to_thread.run_sync(job, limiter=self._keeping)
        self._files_changed()
        return gone

    def _files_changed(self) -> None:
        if self._writer is not None and self._appender is not None:
            self._writer.between(self._appender.refresh_ids)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LogUnavailable(f"{folder}: cannot be made: {error.strerror or error}") from None
