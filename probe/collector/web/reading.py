"""Questions to the views: a few connections that only read, each used by one thread at a time."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio

from probe.collector.analyse.schema import ViewsError, read_views

T = TypeVar("T")

_CONNECTIONS = 4
_LONGEST = 10.0  # seconds that a question may take
_STEPS = 20_000  # of SQLite's machine between two looks at the time


class Overdue(Exception):
    """The question took too long and was given up."""


class Reading:
    """`current` tells which file holds the views now. Connections are made when they are first needed: the views may
    appear after the web does, and be replaced by others."""

    def __init__(self, current: Callable[[], Path]) -> None:
        self._current = current
        self._path: Path | None = None
        self._idle: list[sqlite3.Connection] = []
        self._limiter = trio.CapacityLimiter(_CONNECTIONS)

    async def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """In a thread, within one snapshot. Raises ViewsError, Overdue."""
        return await trio.to_thread.run_sync(self._answer, question, limiter=self._limiter)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _answer(self, question: Callable[[sqlite3.Connection], T]) -> T:
        path = self._current()
        if path != self._path:
            self.close()
            self._path = path
        connection = self._idle.pop() if self._idle else read_views(path)
        until = time.monotonic() + _LONGEST
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        try:
            connection.execute("BEGIN")
            answer = question(connection)
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            connection.close()
            if time.monotonic() > until:
                raise Overdue from None
            raise ViewsError(f"{path}: {error}") from None
        except BaseException:
            connection.close()
            raise
        if path == self._path:
            self._idle.append(connection)
        else:
            connection.close()
        return answer
