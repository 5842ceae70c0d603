"""The journal: what was concluded and told, kept for ever. Nothing in it is ever overwritten, and no replay touches it.

It is a file of its own beside the views. Whoever posts notices may keep the outbox in the same file, so that a notice
is written in the transaction of the transition that it tells of.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec

from probe.collector.analyse.schema import ViewsError, transaction

JOURNAL = "journal.sqlite"
_PATIENCE = 30.0  # seconds that a write waits for whoever delivers notices from the same file

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
  serial INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, kind TEXT NOT NULL,
  incident TEXT, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS records_incident ON records (incident, serial);
CREATE TABLE IF NOT EXISTS positions (reader TEXT PRIMARY KEY, position INTEGER NOT NULL);
CREATE TRIGGER IF NOT EXISTS records_stay BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER IF NOT EXISTS records_last BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'append only'); END;
"""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One transition, correction, note or notice. `id` is its own for ever: a second record of that id is the same and
    is passed over. `at` in ms; `body` is JSON."""

    id: str
    at: int
    kind: str
    body: bytes
    incident: str | None = None
    serial: int = 0  # the journal's to give


class Journal:
    """Durable on return. `connection` is for those who write something of theirs in the same transaction."""

    def __init__(self, path: Path) -> None:
        try:
            self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_PATIENCE)
            self.connection.execute("PRAGMA journal_mode=WAL")
            self.connection.execute("PRAGMA synchronous=FULL")
            self.connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise ViewsError(f"{path}: cannot be opened ({error}): restore it from a backup") from None

    def close(self) -> None:
        self.connection.close()

    def append(self, records: Iterable[Record], reader: str, position: int | None) -> None:
        """The records, and how far the reader came that they follow from (None: where it was), or nothing."""
        with transaction(self.connection):
            self.add(records)
            if position is not None:
                self.remember(reader, position)

    def add(self, records: Iterable[Record]) -> None:
        """Within the caller's transaction."""
        rows = [(one.id, one.at, one.kind, one.incident, one.body) for one in records]
        self.connection.executemany(
            "INSERT OR IGNORE INTO records (id, at, kind, incident, body) VALUES (?, ?, ?, ?, ?)", rows
        )

    def remember(self, reader: str, position: int) -> None:
        """Within the caller's transaction."""
        self.connection.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", (reader, position))

    def remembered(self, reader: str) -> int:
        row = self.connection.execute("SELECT position FROM positions WHERE reader = ?", (reader,)).fetchone()
        return row[0] if row else 0

    def after(self, serial: int, limit: int) -> list[Record]:
        rows = self.connection.execute(
            "SELECT serial, id, at, kind, incident, body FROM records WHERE serial > ? ORDER BY serial LIMIT ?",
            (serial, limit),
        )
        return [
            Record(serial=number, id=name, at=at, kind=kind, incident=incident, body=body)
            for number, name, at, kind, incident, body in rows
        ]
