"""One tick: votes to detection, its transitions to records, notices and re-tests. Within the caller's transaction."""

import datetime as dt
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from probe.collector.analyse.handover import Handed
from probe.collector.analyse.journal import Record
from probe.collector.compose.identity import identity
from probe.collector.compose.notices import Wording
from probe.collector.compose.schema import create
from probe.collector.compose.state import State
from probe.collector.compose.votes import DiskVotes
from probe.detect.detector import Detector
from probe.detect.records import Retest, Transition
from probe.detect.settings import Settings
from probe.notify.channels import Channel
from probe.notify.notice import Notice
from probe.notify.outbox import Outbox

_BEAT = 120.0  # seconds between two words of a probe about its own network, where it says the same
_REMEMBERED = 4096  # probes whose last word is held

Ask = Callable[[Retest], None]


class Composer:
    """`ask` hands a re-test out. `posted` is called after a tick that left notices in the outbox."""

    def __init__(
        self,
        database: sqlite3.Connection,
        settings: Settings,
        wording: Wording,
        channels: Sequence[Channel],
        ask: Ask,
    ) -> None:
        create(database)
        self._outbox, self._channels = Outbox(database), tuple(channels)
        self._votes = DiskVotes(database)
        self._state = State(database, self._votes)
        self._detector = Detector(settings, self._votes)
        self._state.take_up(self._detector)
        self._wording, self._ask = wording, ask
        self._heard: dict[str, tuple[float, str]] = {}

    def tick(self, handed: Sequence[Handed], now: float) -> list[Record]:
        began = time.perf_counter()
        for one in handed:
            self._take(one)
        ticked = self._detector.tick(now)
        for transition in ticked.transitions:
            self._state.enter(transition)
        self._outbox.post(self._notices(ticked.transitions), self._channels, dt.datetime.fromtimestamp(now, dt.UTC))
        self._state.store(self._detector, time.perf_counter() - began)
        for retest in ticked.retests:
            self._ask(retest)
        return [record(transition) for transition in ticked.transitions]

    def _take(self, one: Handed) -> None:
        if one.vote is not None:
            self._detector.add(one.vote)
        presence = one.presence
        at, void = self._heard.get(presence.probe, (0.0, ""))
        if presence.void != void or abs(presence.time - at) >= _BEAT:
            if len(self._heard) >= _REMEMBERED:
                self._heard.clear()
            self._heard[presence.probe] = (presence.time, presence.void)
            self._detector.attend(presence)

    def _notices(self, transitions: Iterable[Transition]) -> list[Notice]:
        notices = []
        for transition in transitions:
            incident = transition.incident
            if incident is None:
                continue
            members = [found for name in incident.restrictions if (found := self._state.restriction(name))]
            notice = self._wording.notice(transition, members, told=self._state.told(incident.id))
            if notice is not None:
                self._state.note_told(incident.id)
                notices.append(notice)
        return notices


def record(transition: Transition) -> Record:
    """The id is that of the content: the same transition is the same record."""
    body = msgspec.json.encode(transition)
    subject = transition.incident.id if transition.incident is not None else None
    return Record(
        id=identity(transition),
        at=round(transition.time * 1000),
        kind=transition.change,
        body=body,
        incident=subject,
    )
