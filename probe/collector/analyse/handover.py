"""Where votes leave the views for detection, and where what it concludes is written down.

Votes are handed over in the order in which they became known, each once it is closed; within one tick by event time. A
vote that later data changed comes again with a higher revision, for the same probe, round and service. How far the
handing over came is kept in the journal, in the transaction of the records that followed from it: after a crash
detection sees again what it had not answered, and nothing else. Views that were made anew count their votes anew: there
it goes on with what was received after the last that was handed over.
"""

import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from probe.collector.analyse.journal import Journal, Record
from probe.collector.analyse.rounds import Body
from probe.collector.analyse.schema import transaction
from probe.collector.analyse.whereabouts import FOREIGN, Mark
from probe.detect.votes import Presence, Vote
from probe.wire.vocabulary import Outcome

READER, VIEWS, RECEIVED = "detect", "detect views", "detect received"
MOST = 5_000  # votes a tick
_UNSURE = int(Mark.CLAIMED | Mark.PROXIED) | FOREIGN
_SILENT = frozenset({Outcome.INCONCLUSIVE, Outcome.VOID})
_BODIES = msgspec.msgpack.Decoder(Body)

_READ = """
SELECT v.serial, v.at, v.round, v.outcome, v.techniques, v.marks, v.retest, v.handshake, v.goodput, v.void, v.revision,
  v.parts, v.received, p.name, p.role, p.steward, c.platform, c.service, c.scope, c.country, c.asn
FROM votes v JOIN probes p ON p.id = v.probe JOIN cells c ON c.id = v.cell
WHERE v.serial > ? AND v.closed = 1 ORDER BY v.serial LIMIT ?
"""


class Handed(msgspec.Struct, frozen=True):
    """`vote` is absent where the round says nothing of the service: inconclusive, void, on a VPN, filtered by the
    owner's own choice. `presence` is there always: the probe was, and its network was fit or not; `sure` says that this
    network is more than the probe's own word. `received` in seconds since 1970. A higher `revision` of what has the
    same probe, `round` and service takes the place of the lower ones, also where it says nothing any more."""

    serial: int
    revision: int
    platform: str
    service: str
    vote: Vote | None
    presence: Presence
    sure: bool = True
    received: float = 0.0
    round: str = ""


class Detector(Protocol):
    def tick(self, handed: Sequence[Handed], now: float) -> Sequence[Record]:
        """What follows from these votes, oldest first. `now` in seconds since 1970. Called also when there are none.
        Within a transaction of the journal, so that whatever else is written there holds with the records or not."""
        ...

    def forget(self, probe: str) -> Iterator[int]:
        """Erase what is kept of a probe whose owner asked for it, step by step."""
        ...


class Handover:
    """For one thread. `views` gives the connection that holds now, for writing."""

    def __init__(self, views: Callable[[], sqlite3.Connection], journal: Journal, detector: Detector) -> None:
        self._views, self._journal, self._detector = views, journal, detector

    def tick(self, now: float) -> int:
        """How many votes were handed over: as long as it is MOST there are more."""
        with transaction(self._journal.connection):
            views = self._views()
            self._find_place(views)
            handed = votes_after(views, self._journal.remembered(READER), MOST)
            ordered = sorted(handed, key=lambda one: (one.presence.time, one.serial))
            self._journal.add(self._detector.tick(ordered, now))
            if handed:
                self._journal.remember(READER, max(one.serial for one in handed))
                received = max(round(one.received * 1000) for one in handed)
                self._journal.remember(RECEIVED, max(received, self._journal.remembered(RECEIVED)))
        return len(handed)

    def forget(self, probe: str) -> Iterator[int]:
        return self._detector.forget(probe)

    def _find_place(self, views: sqlite3.Connection) -> None:
        identity, known = _identity(views), self._journal.remembered(VIEWS)
        if identity == known:
            return
        if known:
            self._journal.remember(READER, _serial_of(views, self._journal.remembered(RECEIVED)))
        self._journal.remember(VIEWS, identity)


def _identity(views: sqlite3.Connection) -> int:
    """Views made anew are others, though the file may have the same name."""
    found = views.execute("SELECT value FROM notes WHERE name = 'identity'").fetchone()
    if found is None:
        found = (secrets.randbits(62) + 1,)
        views.execute("INSERT INTO notes VALUES ('identity', ?)", found)
    return int(found[0])


def _serial_of(views: sqlite3.Connection, received: int) -> int:
    """Behind which everything lies that was received later. What is handed over twice is one vote."""
    later, all_of_it = views.execute(
        "SELECT min(CASE WHEN received > ? THEN serial END) - 1, max(serial) FROM votes WHERE closed = 1", (received,)
    ).fetchone()
    return int(next((found for found in (later, all_of_it) if found is not None), 0))


def votes_after(views: sqlite3.Connection, serial: int, limit: int) -> list[Handed]:
    """Closed votes behind `serial`, in the order in which they became known."""
    return [_handed(row) for row in views.execute(_READ, (serial, limit))]


def _handed(row: tuple[Any, ...]) -> Handed:
    serial, at, name, outcome, techniques, marks, retest, handshake, goodput, void, revision, *rest = row
    parts, received, probe, role, steward, platform, service, scope, country, asn = rest
    resolver = None
    if scope == "resolver":  # the cell is the operator's: detection puts it there itself, from the probe's own place
        country, asn, resolver = _BODIES.decode(parts).place
    word = Outcome(outcome)
    mute = word in _SILENT or marks & Mark.OPT_IN or (marks & FOREIGN and role != "control")
    sure = not marks & _UNSURE and bool(country and asn)
    vote = Vote(
        time=at / 1000,
        country=country,
        asn=asn,
        platform=platform,
        service=service,
        probe=probe,
        outcome=word,
        technique=techniques.partition(" ")[0],
        witness=steward or "",
        role="control" if role == "control" else "probe",
        handshake=handshake,
        goodput=goodput,
        round=name,
        retest=retest is not None,
        confirms=sure,
        resolver_asn=resolver,
    )
    presence = Presence(time=at / 1000, country=country, asn=asn, probe=probe, witness=steward or "", void=void or "")
    return Handed(serial, revision, platform, service, None if mute else vote, presence, sure, received / 1000, name)
