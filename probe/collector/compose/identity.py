"""The name of a transition: that of its content, and of how often the same was said before."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator

import msgspec

from probe.detect.records import Transition


def identified(journal: sqlite3.Connection, transitions: Iterable[Transition]) -> Iterator[tuple[Transition, str]]:
    """A tick that was rolled back and comes again gives the same names. Late data may take a thing back and say it
    again, word for word: that is another transition, with a name of its own."""
    now: set[str] = set()
    for transition in transitions:
        content = msgspec.json.encode(transition)
        name = _name(content, 0)
        times = 0
        while name in now or _known(journal, name):
            times += 1
            name = _name(content, times)
        now.add(name)
        yield transition, name


def _name(content: bytes, times: int) -> str:
    return hashlib.sha256(content + b"%d" % times).hexdigest()[:32]


def _known(journal: sqlite3.Connection, name: str) -> bool:
    return journal.execute("SELECT 1 FROM records WHERE id = ?", (name,)).fetchone() is not None
