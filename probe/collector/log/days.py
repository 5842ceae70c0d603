"""The files of the log: one SQLite file a day of receipt, later a sealed file and the day's report ids.

A day is `DAY.live.sqlite` while it grows and until it is sealed, then `DAY.sealed` and, as long as its ids are needed
to know repeats, `DAY.ids.sqlite`. The later file is complete before the earlier one goes.
"""

import datetime as dt
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from probe.collector.log.entry import LogDamaged, LogUnavailable

_APPLICATION_ID = 0x50524C47  # "PRLG"
_PAGE = 16384  # bytes: most reports fit into one or two
_NAME = re.compile(r"^(\d{4}-\d{2}-\d{2})\.(live\.sqlite|sealed|ids\.sqlite)$")
_TRANSIENT = frozenset(
    getattr(sqlite3, f"SQLITE_{name}")
    for name in ("FULL", "IOERR", "BUSY", "LOCKED", "CANTOPEN", "READONLY", "PERM", "NOMEM", "INTERRUPT")
)

_LIVE = """
CREATE TABLE day (first INTEGER NOT NULL);
CREATE TABLE entries (
  position INTEGER PRIMARY KEY,
  received_at INTEGER NOT NULL,  -- microseconds since 1970, UTC
  probe TEXT NOT NULL,
  report_id BLOB NOT NULL,       -- 16 bytes
  head BLOB NOT NULL,
  crc INTEGER NOT NULL,          -- CRC-32 of head and body
  body BLOB NOT NULL
);
CREATE UNIQUE INDEX ids ON entries (report_id, probe);
"""
_IDS = """
CREATE TABLE entries (report_id BLOB, probe TEXT, position INTEGER NOT NULL, PRIMARY KEY (report_id, probe))
WITHOUT ROWID;
"""


def live_file(folder: Path, day: str) -> Path:
    return folder / f"{day}.live.sqlite"


def sealed_file(folder: Path, day: str) -> Path:
    return folder / f"{day}.sealed"


def ids_file(folder: Path, day: str) -> Path:
    return folder / f"{day}.ids.sqlite"


def days(folder: Path, *kinds: str) -> list[str]:
    """Days, oldest first, that have a file of one of these kinds: `live.sqlite`, `sealed`, `ids.sqlite`."""
    found = [match for path in folder.iterdir() if (match := _NAME.match(path.name))]
    return sorted({match[1] for match in found if match[2] in kinds})


def day_of(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).date().isoformat()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """SQLite's errors as LogUnavailable where waiting may help, else as LogDamaged."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _TRANSIENT:
            raise LogUnavailable(f"{path}: {error}") from error
        raise LogDamaged(f"{path}: {error}: move it away, or restore the log from a backup") from error


def connected(path: Path, *, write: bool = False) -> sqlite3.Connection:
    """A file of the log that is there. Raises FileNotFoundError, LogUnavailable, LogDamaged.

    Readers open it for writing too, because SQLite must make the shared memory beside it; they only cannot use it.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    with naming(path):
        connection = _sqlite(path, "rw")
        try:
            _prepare(connection, path, write)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, write: bool) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise LogDamaged(f"{path}: no file of the log, or its head is lost: restore the log from a backup")
    connection.executescript(
        f"PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA query_only = {int(not write)};"
    )


def create_live(folder: Path, day: str, first: int) -> None:
    """An empty day whose first position will be `first`. It appears whole or not at all."""
    path = live_file(folder, day)
    with naming(path), _new(path) as connection:
        connection.executescript(_LIVE)
        connection.execute("INSERT INTO day VALUES (?)", (first,))


@contextmanager
def new_ids(folder: Path, day: str) -> Iterator[sqlite3.Connection]:
    """The file of the day's report ids, to be filled within the context."""
    path = ids_file(folder, day)
    with naming(path), _new(path) as connection:
        connection.executescript(_IDS)
        yield connection


@contextmanager
def _new(path: Path) -> Iterator[sqlite3.Connection]:
    draft = path.with_name(f".{path.name}.new")
    for left in (draft, Path(f"{draft}-journal"), Path(f"{draft}-wal"), Path(f"{draft}-shm")):
        left.unlink(missing_ok=True)
    with closing(_sqlite(draft, "rwc")) as connection:
        connection.executescript(f"PRAGMA page_size = {_PAGE}; PRAGMA application_id = {_APPLICATION_ID};")
        yield connection
        connection.execute("PRAGMA journal_mode = WAL")
    draft.replace(path)
    sync_folder(path.parent)


def _sqlite(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=10, isolation_level=None, check_same_thread=False)


def remove(path: Path) -> None:
    """A file of SQLite with what lies beside it."""
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        file.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """A renamed file is there after a crash only once its folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
