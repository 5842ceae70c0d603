"""What a detector holds beside its cells, stored in its parts: only those that changed are written.

A restriction's cell, an incident, a day becomes a row each, under the names that lead to it. Together the rows are one
MessagePack document of nested maps.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec

from probe.detect.detector import Rest

_ENCODER = msgspec.msgpack.Encoder()
_PATHS = msgspec.msgpack.Decoder(tuple[Any, ...])

Path = tuple[object, ...]


class Parts:
    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._stored: dict[bytes, bytes] = dict(database.execute("SELECT path, value FROM detect_rest"))
        self._known: dict[Path, tuple[object, bytes]] = {}  # what was stored last, and the row's name

    def store(self, rest: Rest) -> int:
        """How many rows changed."""
        changed: list[tuple[bytes, bytes]] = []
        now: dict[Path, tuple[object, bytes]] = {}
        for path, part in _parts(rest):
            known = self._known.get(path)
            if known is None or known[0] is not part:
                name, value = _ENCODER.encode(path), _ENCODER.encode(part)
                known = part, name
                if self._stored.get(name) != value:
                    changed.append((name, value))
            now[path] = known
        self._stored.update(changed)
        gone = self._stored.keys() - {name for _, name in now.values()} if len(self._stored) > len(now) else set()
        self._database.executemany("INSERT OR REPLACE INTO detect_rest VALUES (?, ?)", changed)
        self._database.executemany("DELETE FROM detect_rest WHERE path = ?", [(name,) for name in gone])
        for name in gone:
            del self._stored[name]
        self._known = now
        return len(changed) + len(gone)

    def document(self) -> bytes | None:
        """As it was last stored, but for what is left out; None where none was."""
        whole: dict[Any, Any] = {}
        for path, value in self._stored.items():
            *outer, last = (_hashable(key) for key in _PATHS.decode(path))
            inner = whole
            for key in outer:
                inner = inner.setdefault(key, {})
            inner[last] = msgspec.Raw(value)
        return _ENCODER.encode(whole) if whole else None


def _parts(rest: Rest) -> Iterator[tuple[Path, object]]:
    """Records are never altered in place, so that one which is the same object did not change; what is altered comes
    written. The networks' check-ins are left out: they are made again from the votes, see `state`."""
    yield ("looked",), rest.looked
    yield ("floor",), rest.floor
    yield ("fleet", "first"), rest.fleet.first
    yield ("pulse", "told"), _written(rest.pulse.told)
    for day, counts in rest.fleet.days.items():
        yield ("fleet", "days", day), _written(counts)
    for cell, records in rest.book.restrictions.items():
        yield ("book", "restrictions", cell), records
    for name, incident in rest.book.incidents.items():
        yield ("book", "incidents", name), incident


def _written(part: object) -> msgspec.Raw:
    return msgspec.Raw(_ENCODER.encode(part))


def _hashable(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key
