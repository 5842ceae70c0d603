"""The spool's file: one SQLite database that only this process has open, and what its errors mean.

Every commit is synced (WAL, synchronous=FULL): what was committed survives `kill -9` and a power cut. The lock is
exclusive, so a second daemon on the same folder is told so, and no shared memory file is needed.

The file grows ahead of its needs, a step at a time, and the log is folded in after each step. So a probe whose
collector answers goes on when the disk is full: it writes where it wrote before. And one with a backlog can deliver it,
because no page of the log waits for room in the database.
"""

import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PAGE = 4096  # bytes
_APPLICATION = 0x70726F62  # so that `file` and we know whose database it is
_LAYOUT = 1
_MOST_WAL = 4 << 20  # bytes that the write-ahead log grows to before it is folded in
_PATIENCE = 1.0  # seconds for another process to let go
_MOST_SPARE = 384  # pages
_FULL = "the disk is full: make room"
_FREED_AT_ONCE = 256  # pages given back to the disk after a deletion: 1 MiB
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_TABLES = """
CREATE TABLE measurements (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  importance INTEGER NOT NULL,
  size INTEGER NOT NULL,
  session TEXT NOT NULL,
  ended REAL NOT NULL,
  report INTEGER,
  dictionary INTEGER,
  body BLOB NOT NULL
);
CREATE INDEX unsent ON measurements (importance, position) WHERE report IS NULL;
CREATE INDEX members ON measurements (report) WHERE report IS NOT NULL;
CREATE TABLE reports (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  report_id TEXT NOT NULL UNIQUE,
  importance INTEGER NOT NULL,
  dropped INTEGER NOT NULL,
  why TEXT,
  version TEXT
);
CREATE TABLE leases (number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, since INTEGER, signed BLOB);
CREATE TABLE dictionaries (number INTEGER PRIMARY KEY AUTOINCREMENT, since INTEGER, content BLOB NOT NULL);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE ballast (content BLOB);
"""

logger = logging.getLogger(__name__)


class SpoolUnavailable(Exception):
    """The disk did not take or give what it was asked for: full, read-only, failing, or in use by another process. One
    line that says what to do. Nothing was lost that was durable before; the same call may work later."""

    def __init__(self, reason: str, *, full: bool = False) -> None:
        super().__init__(reason)
        self.full = full


class SpoolBroken(Exception):
    """The database is damaged, or not ours."""


class SpoolFile:
    """One connection. Raises SpoolUnavailable and SpoolBroken only."""

    def __init__(self, path: Path, limit: int) -> None:
        """`limit` in bytes, for all of it. `room` is what of it measurements may take."""
        wal = min(_MOST_WAL, limit // 8)
        self.path, self._spare = path, min(_MOST_SPARE, max(24, limit // 64 // PAGE))
        self.room = limit - 2 * wal - 2 * self._spare * PAGE
        with self.faults():
            self._connection = _connected(path)
            try:
                self._prepare(wal)
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self, wal: int) -> None:
        run = self._connection.execute
        for pragma in ("locking_mode=EXCLUSIVE", f"page_size={PAGE}", "auto_vacuum=INCREMENTAL", "journal_mode=WAL"):
            run(f"PRAGMA {pragma}")
        for pragma in ("synchronous=FULL", "cache_size=-1024", f"journal_size_limit={wal}"):
            run(f"PRAGMA {pragma}")
        run(f"PRAGMA wal_autocheckpoint={max(16, wal // PAGE)}")
        application, layout = self._pragma("application_id"), self._pragma("user_version")
        if (application, layout) == (0, 0) and not run("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            self._create()
        elif (application, layout) != (_APPLICATION, _LAYOUT):
            raise SpoolBroken("it is not a spool that this version can read")
        run("DELETE FROM ballast")

    def _create(self) -> None:
        marks = f"PRAGMA application_id={_APPLICATION}; PRAGMA user_version={_LAYOUT};"
        self._connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} {marks} COMMIT;")

    def close(self) -> None:
        with self.faults():
            self._connection.close()

    @contextmanager
    def faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0)
            if code & 0xFF in _BROKEN:
                raise SpoolBroken(str(error)) from error
            full = code & 0xFF == sqlite3.SQLITE_FULL
            raise SpoolUnavailable(f"{self.path}: {_told(code, error)}", full=full) from error
        except OSError as error:
            raise SpoolUnavailable(f"{self.path}: cannot be opened: {error.strerror or error}") from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Durable once the block is left; nothing of it happened where it raises."""
        with self.faults():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def fold(self) -> None:
        """The write-ahead log into the database, so that its space can be written again: on a full disk there is no
        other."""
        with self.faults():
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def rows(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self.faults():
            return self._connection.execute(query, values).fetchall()

    def number(self, query: str, values: tuple[object, ...] = ()) -> int:
        """The one number that the query gives; 0 where it gives none."""
        found = self.rows(query, values)
        return int(found[0][0] or 0) if found else 0

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    def used(self) -> int:
        """Bytes of the database's pages that hold something."""
        with self.faults():
            return (self._pragma("page_count") - self._pragma("freelist_count")) * PAGE

    def make_ready(self, size: int) -> None:
        """Room for a row of so many bytes, in pages that are on disk already."""
        with self.faults():
            free = self._pragma("freelist_count")
        need = size // PAGE + max(6, self._spare // 8)
        if free >= need:
            return
        try:
            self._grow(max(self._spare, need))
        except SpoolUnavailable as fault:
            if not fault.full:
                raise
            self._grow(need)

    def _grow(self, pages: int) -> None:
        """Filled, folded and emptied: only so are the pages really there, and the log as large. Not begun where it
        could not be finished: then the log could no longer be folded."""
        with self.faults():
            if shutil.disk_usage(self.path.parent).free < (2 * pages + 64) * PAGE:
                raise SpoolUnavailable(f"{self.path}: {_FULL}", full=True)
        with self.transaction() as run:
            run.execute("INSERT INTO ballast VALUES (zeroblob(?))", (pages * PAGE,))
        self.fold()
        with self.transaction() as run:
            run.execute("DELETE FROM ballast")

    def give_back(self) -> None:
        """Some of the free pages to the disk, a little at a time; but for a few."""
        with self.faults():
            count = min(_FREED_AT_ONCE, self._pragma("freelist_count") - 2 * self._spare)
            if count > 0:
                self._connection.executescript(f"PRAGMA incremental_vacuum({count});")  # `execute` frees one page

    def on_disk(self) -> int:
        return sum(_size(path) for path in _parts(self.path))


def opened(path: Path, limit: int) -> SpoolFile:
    """What is damaged or strange is moved aside (the last such is kept) and a new file begun."""
    try:
        return SpoolFile(path, limit)
    except SpoolBroken as reason:
        return replaced(path, limit, str(reason))


def replaced(path: Path, limit: int, reason: str) -> SpoolFile:
    aside = path.with_name(f"{path.name}.damaged")
    try:
        for part, other in zip(_parts(path), _parts(aside), strict=True):
            other.unlink(missing_ok=True)
            if part.exists():
                part.replace(other)
    except OSError as error:
        raise SpoolUnavailable(f"{path}: damaged, and cannot be moved aside: {error.strerror or error}") from error
    logger.error("%s is damaged (%s): moved to %s, a new spool was begun", path, reason, aside.name)
    return SpoolFile(path, limit)


def _connected(path: Path) -> sqlite3.Connection:
    """The file is its owner's alone; SQLite gives its log the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    return sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)


def _parts(path: Path) -> tuple[Path, Path]:
    return path, path.with_name(f"{path.name}-wal")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _told(code: int, error: Exception) -> str:
    match code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return _FULL
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return "cannot be written: the file or its file system is read-only"
        case sqlite3.SQLITE_CANTOPEN:
            return "cannot be opened: is its folder there and writable?"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "in use by another process: is a probe running already?"
        case sqlite3.SQLITE_IOERR:
            return f"the disk failed ({error}): is it broken, or has its file system turned read-only?"
    return f"the disk failed ({error})"
