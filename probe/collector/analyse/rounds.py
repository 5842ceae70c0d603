"""Votes: one a probe, service and round, in event time.

A vote is closed once all endpoints that the round tests of the service are there, or the probe's next round of it has
begun, or nothing more came for a while by the log's own time. What comes later still changes it: the rollups take the
old vote back, and those who follow votes see it again, with a higher revision.
"""

import hashlib
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from typing import Any

import msgspec

from probe.collector.analyse.knowledge import Rules
from probe.collector.analyse.records import CellKey, Part
from probe.collector.analyse.store import Store
from probe.collector.analyse.tallies import Tallied, tallied
from probe.collector.analyse.whereabouts import FOREIGN, Mark, Whereabouts

PATIENCE = 900_000  # ms of the log's time without a further part

_COLUMNS = (
    "key, serial, probe, round, cell, at, began, received, outcome, techniques, confidence, marks, retest, expected,"
    " handshake, goodput, void, closed, counted, revision, parts"
)
_WRITE = f"INSERT OR REPLACE INTO votes ({_COLUMNS}) VALUES ({', '.join('?' * 21)})"
_READ = (
    "SELECT v.key, v.serial, v.probe, v.round, v.cell, v.at, c.platform, c.service, v.received, v.outcome, v.marks,"
    " v.retest, v.expected, v.closed, v.counted, v.revision, v.parts FROM votes v JOIN cells c ON c.id = v.cell"
)
_OPT_IN, _SUSPENDED = int(Mark.OPT_IN), int(Mark.SUSPENDED)
_OF_RESULT = _OPT_IN | _SUSPENDED


Place = tuple[str, int, int | None]  # of the probe itself: country, ASN, ASN of its resolver


class Body(msgspec.Struct, frozen=True, array_like=True):
    """What a vote was made of."""

    place: Place
    parts: dict[str, Part]


_BODIES = msgspec.msgpack.Decoder(Body)


class Group(msgspec.Struct, frozen=True):
    """The service that a probe tests, in any round."""

    probe: int
    platform: str
    service: str


class Word(msgspec.Struct, frozen=True):
    """One measurement's word for the vote. `expected` is how many endpoints the round tests; `received` in ms."""

    group: Group
    round: str
    part: Part
    where: Whereabouts
    expected: int
    retest: str | None
    received: int

    @property
    def place(self) -> Place:
        return (self.where.country, self.where.asn, self.where.resolver_asn)


@dataclass(slots=True)
class Vote:
    """As far as it is known. `counted` is what the rollups hold of it now: cell, time, outcome."""

    key: bytes
    group: Group
    round: str
    place: Place
    marks: int
    retest: str | None
    expected: int = 1
    received: int = 0
    serial: int | None = None
    closed: bool = False
    revision: int = 0
    counted: tuple[int, int, str] | None = None
    parts: dict[str, Part] = field(default_factory=dict)

    def add(self, word: Word) -> None:
        """A second look at the same endpoint in the same round counts in place of the first."""
        self.parts[word.part.endpoint] = word.part
        self.place = word.place
        self.marks |= word.where.marks
        self.expected, self.received = max(self.expected, word.expected), word.received
        self.revision += self.closed


class Rounds:
    """Votes that are open, and those that changed since the last flush. Like the store, it does not outlive a
    transaction that failed."""

    def __init__(self, store: Store, rules: Rules) -> None:
        self._store, self._rules = store, rules
        self._open: defaultdict[Group, dict[str, Vote]] = defaultdict(dict)
        self._changed: dict[bytes, Vote] = {}
        self._waiting: OrderedDict[bytes, Vote] = OrderedDict()  # the longest without a further part first
        for row in store.connection.execute(f"{_READ} WHERE v.closed = 0 ORDER BY v.received, v.key"):
            vote = _read(row)
            self._open[vote.group][vote.round] = self._waiting[vote.key] = vote
        self._serial = store.noted("serial")

    def add(self, word: Word) -> None:
        group = word.group
        vote = self._open[group].get(word.round) if group in self._open else None
        vote = vote or self._found(group, word.round) or self._begun(word)
        vote.add(word)
        self._changed[vote.key] = vote
        if vote.closed:
            vote.serial = self._next()
        elif len(vote.parts) >= vote.expected:
            self._close(vote)
        else:
            self._waiting[vote.key] = vote
            self._waiting.move_to_end(vote.key)

    def give_up(self, received: int) -> None:
        """Close what waited long enough, by the log's time."""
        overdue: list[Vote] = []
        for vote in self._waiting.values():
            if vote.received >= received - PATIENCE:
                break
            overdue.append(vote)
        for vote in sorted(overdue, key=lambda vote: (vote.received, vote.key)):
            self._close(vote)

    def flush(self) -> None:
        self._store.connection.executemany(_WRITE, [self._row(vote) for vote in self._changed.values()])
        if self._changed:
            self._store.note("serial", self._serial)
        self._changed.clear()

    def _next(self) -> int:
        """The number of what followers of votes see next: by the order of the log alone, so a replay numbers alike."""
        self._serial += 1
        return self._serial

    def _found(self, group: Group, round: str) -> Vote | None:
        """A vote that was closed before, in this batch or long ago."""
        key = _key(group, round)
        if key in self._changed:
            return self._changed[key]
        row = self._store.connection.execute(f"{_READ} WHERE v.key = ?", (key,)).fetchone()
        return _read(row) if row else None

    def _begun(self, word: Word) -> Vote:
        vote = Vote(_key(word.group, word.round), word.group, word.round, word.place, word.where.marks, word.retest)
        if word.retest is None:
            for older in self._older(word.group, word.round):
                self._close(older)
        self._open[word.group][word.round] = vote
        return vote

    def _older(self, group: Group, round: str) -> list[Vote]:
        """Rounds of this service that a newer one has overtaken. A round's id is a UUIDv7: it sorts by time."""
        older = [vote for vote in self._open[group].values() if vote.round < round and vote.retest is None]
        return sorted(older, key=lambda vote: vote.round)

    def _close(self, vote: Vote) -> None:
        vote.closed = True
        vote.serial = self._next()
        self._waiting.pop(vote.key, None)
        self._changed[vote.key] = vote
        others = self._open[vote.group]
        others.pop(vote.round, None)
        if not others:
            del self._open[vote.group]

    def _row(self, vote: Vote) -> tuple[object, ...]:
        service = self._rules.service(vote.group.platform, vote.group.service)
        result = tallied(service, vote.parts)
        marks = vote.marks | _of_result(vote, result)
        cell = self._store.cell(_cell(vote, result))
        at = max(part.at for part in vote.parts.values())
        began = min(part.began for part in vote.parts.values())
        self._recount(vote, (cell, at, result.outcome) if vote.closed and counts(marks) else None)
        return (
            *(vote.key, vote.serial, vote.group.probe, vote.round, cell, at, began, vote.received),
            *(result.outcome, result.techniques, result.confidence, marks, vote.retest, vote.expected),
            *(result.handshake, result.goodput, result.void, vote.closed, vote.counted is not None, vote.revision),
            msgspec.msgpack.encode(Body(vote.place, vote.parts)),
        )

    def _recount(self, vote: Vote, now: tuple[int, int, str] | None) -> None:
        if vote.counted == now:
            return
        if vote.counted is not None:
            self._store.count(*vote.counted, -1)
        if now is not None:
            self._store.count(*now, 1)
        vote.counted = now


def counts(marks: int) -> bool:
    """Whether it is a vote of its cell's network, and so in the rollups."""
    return not marks & (FOREIGN | _OPT_IN)


def _of_result(vote: Vote, result: Tallied) -> int:
    marks = _OPT_IN if result.scope == "opt-in" else 0
    return marks | (_SUSPENDED if all(part.suspended for part in vote.parts.values()) else 0)


def _cell(vote: Vote, result: Tallied) -> CellKey:
    """What a resolver outside the probe's own AS does is its operator's doing."""
    country, asn, resolver = vote.place
    by_resolver = result.scope == "resolver" and resolver is not None
    owner = resolver if by_resolver and resolver else asn
    return CellKey(country, owner, vote.group.platform, vote.group.service, "resolver" if by_resolver else "")


def _key(group: Group, round: str) -> bytes:
    text = f"{group.probe}\0{round}\0{group.platform}\0{group.service}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _read(row: tuple[Any, ...]) -> Vote:
    key, serial, probe, name, cell, at, platform, service, received, outcome, marks, retest, *rest = row
    expected, closed, counted, revision, parts = rest
    body = _BODIES.decode(parts)
    return Vote(
        key=key,
        group=Group(probe, platform, service),
        round=name,
        place=body.place,
        marks=marks & ~_OF_RESULT,
        retest=retest,
        expected=expected,
        received=received,
        serial=serial,
        closed=bool(closed),
        revision=revision,
        counted=(cell, at, outcome) if counted else None,
        parts=body.parts,
    )
