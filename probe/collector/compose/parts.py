"""A large document that changes little, stored in its parts: only those that changed are written.

What a detector holds beside its cells is one MessagePack document of nested maps. Each of its innermost maps' values
(a restriction's cell, an incident, a day) becomes a row under the keys that lead to it.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec

_DEPTH = 3  # maps within maps that are taken apart
_LEFT_OUT = ("pulse", "networks")  # made again from the votes: see `state`

_MAP = frozenset([*range(0x80, 0x90), 0xDE, 0xDF])  # first bytes of a MessagePack map
_ENCODER = msgspec.msgpack.Encoder()
_MAPS = msgspec.msgpack.Decoder(dict[Any, msgspec.Raw])
_PATHS = msgspec.msgpack.Decoder(tuple[Any, ...])


class Parts:
    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._stored: dict[bytes, bytes] = dict(database.execute("SELECT path, value FROM detect_rest"))

    def store(self, document: bytes) -> int:
        """How many rows changed."""
        now = dict(_taken_apart(document, (), _DEPTH))
        changed = [(path, value) for path, value in now.items() if self._stored.get(path) != value]
        gone = [(path,) for path in self._stored.keys() - now.keys()]
        self._database.executemany("INSERT OR REPLACE INTO detect_rest VALUES (?, ?)", changed)
        self._database.executemany("DELETE FROM detect_rest WHERE path = ?", gone)
        self._stored = now
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


def _taken_apart(raw: bytes, path: tuple[Any, ...], depth: int) -> Iterator[tuple[bytes, bytes]]:
    for key, value in _MAPS.decode(raw).items():
        here, inner = (*path, key), bytes(value)
        if here == _LEFT_OUT:
            continue
        if depth > 1 and inner[0] in _MAP and inner != b"\x80":
            yield from _taken_apart(inner, here, depth - 1)
        else:
            yield _ENCODER.encode(here), inner


def _hashable(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key
