"""The database of accounts: tokens and invitations as hashes, and who asked to be erased. No address, and no name but
that of a steward as the operator wrote it."""

import datetime as dt
import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from probe.wire.reports import Role

_SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS tokens (
  hash BLOB PRIMARY KEY,      -- SHA-256 of the token
  probe TEXT NOT NULL UNIQUE, -- opaque, and not made from the token
  role TEXT NOT NULL,
  steward TEXT,
  agent TEXT,                 -- name/version at enrolment
  made_on TEXT NOT NULL,      -- days, no times: who was here when is nobody's business
  last_seen TEXT,
  revoked_on TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS invitations (
  hash BLOB PRIMARY KEY,
  role TEXT NOT NULL,
  steward TEXT,
  made_on TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  used_on TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erasures (
  probe TEXT PRIMARY KEY,
  asked_at TEXT NOT NULL,
  done_at TEXT                -- when the log was free of it
) WITHOUT ROWID;
"""


class AccountsFault(Exception):
    """The accounts cannot be read or written: one line that names the file and the reason."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    probe: str
    role: Role
    steward: str | None
    agent: str | None
    made_on: dt.date
    last_seen: dt.date | None = None
    revoked_on: dt.date | None = None


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """`done_at` is when the log was free of the probe's reports; views see to themselves."""

    probe: str
    asked_at: dt.datetime
    done_at: dt.datetime | None = None


class Database:
    """Reads on one connection, in the event loop too: they wait for nobody. Writes on another, in threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._one = threading.Lock()
        with self.naming():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.writing = self._connected()
            try:
                self.writing.executescript(_SCHEMA)
                self.reading = self._connected()
            except BaseException:
                self.writing.close()
                raise

    def close(self) -> None:
        self.reading.close()
        self.writing.close()

    @contextmanager
    def naming(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise AccountsFault(f"{self.path}: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and durable at the end."""
        with self._one, self.naming():
            self.writing.execute("BEGIN IMMEDIATE")
            try:
                yield self.writing
                self.writing.execute("COMMIT")
            except BaseException:
                if self.writing.in_transaction:  # a full disk ends it by itself, or leaves it open, as it comes
                    self.writing.execute("ROLLBACK")
                raise

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = FULL")
        return connection


def hashed(secret: str) -> bytes:
    """Of 256 random bits, so that no salt and no slow hash is needed."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
