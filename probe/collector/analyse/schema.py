"""The views' database: one file of SQLite, written by analysis alone, read by whoever answers questions.

Everything in it is computed from the log and may be thrown away. Times are milliseconds of Unix time, UTC. What
repeats in millions of rows (endpoints, probes, cells) stands once in a table of its own and is named by a number. A
**lane** is a cell and an outcome: every filter of the API comes down to a set of lanes.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VIEWS = "views.db"
_CURRENT = "views.current"  # names another file where a replay made one
SCHEMA = 1
STEPS = (60, 300, 900, 3600, 21_600, 86_400)  # seconds of the rollups
OUTCOMES = ("ok", "partial", "blocked", "degraded", "down", "inconclusive", "void")

_TABLES = """
CREATE TABLE IF NOT EXISTS positions (reader TEXT PRIMARY KEY, position INTEGER NOT NULL, received INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS probes (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL, steward TEXT
);
CREATE TABLE IF NOT EXISTS endpoints (id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS networks (asn INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reports (
  probe INTEGER NOT NULL, report TEXT NOT NULL, received INTEGER NOT NULL, PRIMARY KEY (probe, report)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cells (
  id INTEGER PRIMARY KEY, country TEXT NOT NULL, asn INTEGER NOT NULL, platform TEXT NOT NULL, service TEXT NOT NULL,
  scope TEXT NOT NULL, UNIQUE (country, asn, platform, service, scope)
);
CREATE TABLE IF NOT EXISTS lanes (
  id INTEGER PRIMARY KEY, cell INTEGER NOT NULL, outcome TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  UNIQUE (cell, outcome)
);
CREATE TABLE IF NOT EXISTS measurements (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, lane INTEGER NOT NULL, probe INTEGER NOT NULL,
  endpoint INTEGER NOT NULL, confidence REAL NOT NULL, techniques TEXT NOT NULL, rule TEXT NOT NULL,
  scope TEXT NOT NULL, marks INTEGER NOT NULL, own TEXT, expectations INTEGER, rules TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS measurements_lane ON measurements (lane, at);
CREATE INDEX IF NOT EXISTS measurements_at ON measurements (at, seq, lane);
CREATE TABLE IF NOT EXISTS votes (
  key BLOB NOT NULL UNIQUE, serial INTEGER UNIQUE, probe INTEGER NOT NULL, round TEXT NOT NULL,
  cell INTEGER NOT NULL, at INTEGER NOT NULL, began INTEGER NOT NULL, received INTEGER NOT NULL, outcome TEXT NOT NULL,
  techniques TEXT NOT NULL, confidence REAL NOT NULL, marks INTEGER NOT NULL, retest TEXT, expected INTEGER NOT NULL,
  handshake REAL, goodput REAL, void TEXT, closed INTEGER NOT NULL, counted INTEGER NOT NULL,
  revision INTEGER NOT NULL, parts BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS votes_at ON votes (at);
CREATE INDEX IF NOT EXISTS votes_open ON votes (received) WHERE closed = 0;
CREATE TABLE IF NOT EXISTS presence (
  day INTEGER NOT NULL, country TEXT NOT NULL, asn INTEGER NOT NULL, probe INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (country, asn, day, probe)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS presence_last ON presence (last);
CREATE TABLE IF NOT EXISTS sightings (
  endpoint INTEGER NOT NULL, probe INTEGER NOT NULL, at INTEGER NOT NULL, expectation BLOB NOT NULL,
  PRIMARY KEY (endpoint, probe)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reach (
  endpoint INTEGER PRIMARY KEY, since INTEGER NOT NULL, measured INTEGER NOT NULL, reached INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS expectations (
  id INTEGER PRIMARY KEY, made_at INTEGER NOT NULL, version TEXT NOT NULL, document BLOB NOT NULL
);
"""
_ROLLUP = """
CREATE TABLE IF NOT EXISTS rollup_{step} (
  cell INTEGER NOT NULL, bucket INTEGER NOT NULL, {columns}, PRIMARY KEY (cell, bucket)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS rollup_{step}_bucket ON rollup_{step} (bucket);
"""
_COLUMNS = ", ".join(f"{outcome} INTEGER NOT NULL DEFAULT 0" for outcome in OUTCOMES)


class ViewsError(Exception):
    """The views cannot be used: one line that says what to do."""


def current_views(state: Path) -> Path:
    """The views that hold now."""
    try:
        return state / Path((state / _CURRENT).read_text().strip() or VIEWS).name
    except FileNotFoundError:
        return state / VIEWS


def make_current(state: Path, file: Path) -> None:
    """From now on these are the views. Whoever reads the old ones still can, until they close them."""
    before = current_views(state)
    fresh = state / f".{_CURRENT}.new"
    fresh.write_text(file.name)
    fresh.replace(state / _CURRENT)
    if before.name != file.name:
        remove_views(before)


def remove_views(file: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def open_views(path: Path) -> sqlite3.Connection:
    """For the one writer. What a power cut takes from it is computed again from the log, so commits do not wait for
    the disk. Raises ViewsError."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA cache_size=-65536")
        connection.execute("PRAGMA temp_store=MEMORY")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise ViewsError(
            f"{path}: cannot be opened ({error}): move it away, `probe collector replay` makes it anew"
        ) from None
    if version not in {0, SCHEMA}:
        connection.close()
        raise ViewsError(f"{path}: written by another version ({version}): run `probe collector replay` to rebuild it")
    connection.executescript(_TABLES + "".join(_ROLLUP.format(step=step, columns=_COLUMNS) for step in STEPS))
    connection.execute(f"PRAGMA user_version={SCHEMA}")
    return connection


def read_views(path: Path) -> sqlite3.Connection:
    """For readers, which never wait for the writer. Raises ViewsError."""
    try:
        connection = sqlite3.connect(
            f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        connection.execute("PRAGMA query_only=1")
        connection.execute("PRAGMA cache_size=-32768")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise ViewsError(f"{path}: cannot be read ({error}): is the collector's analysis running?") from None
    if version != SCHEMA:
        connection.close()
        raise ViewsError(f"{path}: written by another version ({version}): run `probe collector replay` to rebuild it")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk ends it by itself, or leaves it open, as it comes
            connection.execute("ROLLBACK")
        raise
