"""How far each reader came: a small file of its own, because readers are other processes than the writer."""

import sqlite3
from pathlib import Path

from probe.collector.log.days import naming

_FILE = "readers.sqlite"
_SCHEMA = "CREATE TABLE IF NOT EXISTS readers (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID"
_KEEP = "INSERT INTO readers VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET position = excluded.position"


class Bookmarks:
    """Safe from any thread, one call at a time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        with naming(self._path):
            self._connection = sqlite3.connect(self._path, timeout=10, isolation_level=None, check_same_thread=False)
            try:
                self._connection.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {_SCHEMA};")
            except BaseException:
                self._connection.close()
                raise

    def remember(self, reader: str, position: int) -> None:
        with naming(self._path):
            self._connection.execute(_KEEP, (reader, position))

    def remembered(self, reader: str) -> int:
        with naming(self._path):
            found = self._connection.execute("SELECT position FROM readers WHERE name = ?", (reader,)).fetchone()
        return int(found[0]) if found else 0

    def furthest(self) -> int:
        with naming(self._path):
            return int(self._connection.execute("SELECT max(position) FROM readers").fetchone()[0] or 0)

    def close(self) -> None:
        self._connection.close()
