"""What the collector hands to probes: signed documents, and re-tests that are wanted of them.

Other processes put them here (the analysis publishes expectations and asks for re-tests, the operator publishes a
catalogue); ingest hands them out and notices every change within a moment.
"""

import datetime as dt
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from probe.wire.reports import Retest
from probe.wire.signed import Signed

Kind = Literal["catalogue", "expectations", "keys"]
KINDS: tuple[Kind, ...] = ("catalogue", "expectations", "keys")
MOST_RETESTS = 20  # that one probe is told at a time

_SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS documents (
  kind TEXT PRIMARY KEY, version TEXT NOT NULL, expires_at TEXT NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS retests (
  probe TEXT NOT NULL, id TEXT NOT NULL, until TEXT NOT NULL, retest BLOB NOT NULL, PRIMARY KEY (probe, id)
) WITHOUT ROWID;
"""
_PUBLISH = "INSERT INTO documents VALUES (?, ?, ?, ?) ON CONFLICT (kind) DO UPDATE SET version = excluded.version, "
_PUBLISH += "expires_at = excluded.expires_at, body = excluded.body"
_RETESTS = msgspec.json.Decoder(Retest)


class DocumentsFault(Exception):
    """The documents cannot be read or written: one line that names the file and the reason."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """`body` is the JSON of a `Signed`."""

    version: str
    expires_at: dt.datetime
    body: bytes


class Documents:
    """Blocking, one call at a time; everything raises DocumentsFault."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._naming():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            try:
                self._connection.executescript(f"{_SCHEMA} PRAGMA synchronous = FULL;")
            except BaseException:
                self._connection.close()
                raise

    @classmethod
    def open(cls, path: Path) -> "Documents":
        return cls(path)

    def close(self) -> None:
        self._connection.close()

    def publish(self, kind: Kind, signed: Signed, version: str, expires_at: dt.datetime) -> None:
        """In place of the one before, durable on return."""
        with self._naming():
            body = msgspec.json.encode(signed)
            self._connection.execute(_PUBLISH, (kind, version, expires_at.isoformat(), body))

    def current(self, kind: Kind) -> Document | None:
        with self._naming():
            select = "SELECT version, expires_at, body FROM documents WHERE kind = ?"
            row = self._connection.execute(select, (kind,)).fetchone()
        if row is None:
            return None
        return Document(version=row[0], expires_at=dt.datetime.fromisoformat(row[1]), body=row[2])

    def ask(self, retest: Retest, probes: Iterable[str]) -> None:
        """Put a re-test before these probes; a second one with the same id replaces the first."""
        raw = msgspec.json.encode(retest)
        rows = [(probe, retest.id, retest.until.astimezone(dt.UTC).isoformat(), raw) for probe in probes]
        with self._naming():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany("INSERT OR REPLACE INTO retests VALUES (?, ?, ?, ?)", rows)
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def withdraw(self, retest: str) -> None:
        with self._naming():
            self._connection.execute("DELETE FROM retests WHERE id = ?", (retest,))

    def retests(self, now: dt.datetime) -> dict[str, tuple[Retest, ...]]:
        """By probe, those whose time has not passed."""
        wanted: dict[str, list[Retest]] = {}
        with self._naming():
            select = "SELECT probe, retest FROM retests WHERE until > ? ORDER BY id"
            for probe, raw in self._connection.execute(select, (now.astimezone(dt.UTC).isoformat(),)):
                wanted.setdefault(probe, []).append(_RETESTS.decode(raw))
        return {probe: tuple(retests[:MOST_RETESTS]) for probe, retests in wanted.items()}

    def forget_passed(self, now: dt.datetime) -> None:
        with self._naming():
            self._connection.execute("DELETE FROM retests WHERE until <= ?", (now.astimezone(dt.UTC).isoformat(),))

    def changes(self) -> int:
        """Another number whenever another process has changed anything."""
        with self._naming():
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise DocumentsFault(f"{self._path}: {error}") from error
