"""One tick: votes to detection, its transitions to records, notices and re-tests. Within the caller's transaction."""

import datetime as dt
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import msgspec

from probe.collector.analyse.handover import Handed
from probe.collector.analyse.journal import Record
from probe.collector.compose.announce import Announcer
from probe.collector.compose.identity import identified
from probe.collector.compose.notices import Wording
from probe.collector.compose.present import Present
from probe.collector.compose.schema import create
from probe.collector.compose.state import State
from probe.collector.compose.votes import DiskVotes, erased
from probe.detect.changes import named
from probe.detect.detector import Detector
from probe.detect.records import Retest, Transition
from probe.detect.settings import Settings
from probe.detect.votes import Presence, Vote, VoteName
from probe.notify.channels import Channel
from probe.notify.outbox import Outbox

_BEAT = 120.0  # seconds: of what a probe says about its own network, one word a stretch of this length is taken
_REMEMBERED = 20_000  # words, and stewards

Ask = Callable[[Retest], None]
Veil = Callable[[str], str]
Name = Callable[[str, str, float], str]


class Written(Transition, frozen=True, kw_only=True):
    """A transition as the journal has it. `recorded_at` is the collector's time when it was written down."""

    recorded_at: float = 0.0


class Composer:
    """`ask` hands a re-test out. `veil` is what a steward is called in evidence, which is kept for ever: never the
    name. `name` gives an incident its id."""

    def __init__(
        self,
        database: sqlite3.Connection,
        settings: Settings,
        wording: Wording,
        channels: Sequence[Channel],
        ask: Ask,
        *,
        veil: Veil = str,
        name: Name = named,
    ) -> None:
        create(database)
        self._database, self._settings, self._name = database, settings, name
        self._veil, self._ask = veil, ask
        outbox = Outbox(database)
        self._announcing = partial(Announcer, wording, outbox, channels)
        self._veiled: dict[str, str] = {}
        self._spent = 0.0  # seconds since the state was last stored
        self._unfinished = False
        self._begin()

    def tick(self, handed: Sequence[Handed], now: float) -> list[Record]:
        """Nothing of it holds unless the caller commits; what was rolled back is read anew from the file."""
        began = time.perf_counter()
        if self._unfinished or not self._state.holds():
            self._begin()
        self._unfinished = True
        for received in sorted({one.received for one in handed}):
            self._state.receipts.hear(received)
        for one in handed:
            self._take(one)
        ticked = self._detector.tick(self._state.receipts.horizon(now))
        records = list(self._recorded(ticked.transitions, now))
        for transition in ticked.transitions:
            self._present.enter(transition)
        if handed or ticked.transitions:
            self._present.refresh(self._detector.restrictions, self._detector.incidents)
        told = zip(ticked.transitions, (record.id for record in records), strict=True)
        self._announcer.post(list(told), self._detector, dt.datetime.fromtimestamp(now, dt.UTC))
        for retest in ticked.retests:
            self._ask(retest)
        self._spent += time.perf_counter() - began
        if handed or ticked.transitions:
            self._state.store(self._detector, self._spent)
            self._spent = 0.0
        self._unfinished = False
        return records

    def forget(self, probe: str) -> Iterator[int]:
        """Erase the votes of a probe whose owner asked for it, step by step. What detection still remembers of it, by a
        number that stands for nobody any more, goes within fourteen days."""
        return erased(self._database, probe)

    def _begin(self) -> None:
        votes = DiskVotes(self._database)
        self._present = Present(self._database)
        self._announcer = self._announcing(self._present)
        self._state = State(self._database, votes)
        self._detector = Detector(self._settings, votes, self._name)
        self._state.take_up(self._detector)
        self._unfinished = False
        self._heard: set[tuple[str, float, str]] = set()

    def _take(self, one: Handed) -> None:
        if one.vote is not None:
            self._detector.add(msgspec.structs.replace(one.vote, witness=self._witness(one.vote)), one.revision)
        elif one.revision:
            name = VoteName(one.presence.probe, one.round, one.platform, one.service)
            self._detector.revise(name, one.revision, one.presence.time, None)
        if one.sure:
            self._attend(one.presence)

    def _attend(self, presence: Presence) -> None:
        """The moment is rounded, so that it does not matter in which order its words arrive, or which are known."""
        at = presence.time // _BEAT * _BEAT
        word = (presence.probe, at, presence.void)
        if word in self._heard:
            return
        if len(self._heard) >= _REMEMBERED:
            self._heard.clear()
        self._heard.add(word)
        self._detector.attend(msgspec.structs.replace(presence, time=at, witness=self._witness(presence)))

    def _witness(self, said: Vote | Presence) -> str:
        found = self._veiled.get(said.steward)
        if found is None:
            if len(self._veiled) >= _REMEMBERED:
                self._veiled.clear()
            found = self._veiled[said.steward] = self._veil(said.steward)
        return found

    def _recorded(self, transitions: Iterable[Transition], now: float) -> Iterator[Record]:
        for transition, name in identified(self._database, transitions):
            written = Written(**{field: getattr(transition, field) for field in _FIELDS}, recorded_at=now)
            yield Record(
                id=name,
                at=round(transition.time * 1000),
                kind=transition.change,
                body=msgspec.json.encode(written),
                incident=transition.subject,
            )


_FIELDS = Transition.__struct_fields__
