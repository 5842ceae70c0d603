"""A small fleet whose votes go to a composer: a block that spreads and is lifted, watched from abroad by controls."""

import datetime as dt
import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from probe.collector.analyse.handover import READER, Handed
from probe.collector.analyse.journal import Journal
from probe.collector.analyse.schema import transaction
from probe.collector.compose.composer import Composer, Name
from probe.collector.compose.notices import Wording
from probe.detect.changes import named
from probe.detect.records import Retest
from probe.detect.settings import Settings
from probe.detect.votes import Presence, Vote
from probe.notify.channels import Channel
from probe.wire.vocabulary import Outcome

START = dt.datetime(2020, 2, 27, 19, 0, tzinfo=dt.UTC).timestamp()
ONSET = START + 90 * 60  # 20:30 UTC
LIFT = ONSET + 60 * 60
END = LIFT + 60 * 60
ROUND = 300.0
PROBES = {  # name: country, ASN, role
    "t1": ("TR", 9121, "probe"),
    "t2": ("TR", 9121, "probe"),
    "t3": ("TR", 9121, "probe"),
    "v1": ("TR", 15897, "probe"),
    "v2": ("TR", 15897, "probe"),
    "c1": ("DE", 3320, "control"),
    "c2": ("NL", 1136, "control"),
}
SERVICES = (("x", "web"), ("x", "api"), ("facebook", "web"), ("youtube", "web"), ("signal", "messaging"))
BLOCKED = {("x", "web"), ("x", "api"), ("facebook", "web")}
FOLLOWS = 11 * 60.0  # seconds after which the second network blocks, too
HOOK = Channel(name="hook", type="webhook", url="http://127.0.0.1:9/", secret="s")
WORDING = Wording(
    platforms={"x": "X", "facebook": "Facebook", "youtube": "YouTube", "signal": "Signal", "whatsapp": "WhatsApp"},
    networks={9121: "Türk Telekom", 15897: "Vodafone"},
    zones={"TR": ("Europe/Istanbul",)},
    url="https://collector.example",
)


def vote(time: float, probe: str, service: tuple[str, str], outcome: str = "ok", **more: object) -> Vote:
    country, asn, role = PROBES[probe]
    facts: dict[str, object] = {
        "country": country,
        "asn": asn,
        "role": role,
        "witness": f"steward of {probe}",
        "technique": "sni-reset" if outcome == "blocked" else "",
        "round": f"{probe}-{time // ROUND:.0f}",
        **more,
    }
    platform, name = service
    return Vote(time=time, platform=platform, service=name, probe=probe, outcome=Outcome(outcome), **facts)  # type: ignore[arg-type]


def blocked(probe: str, service: tuple[str, str], time: float) -> bool:
    asn = PROBES[probe][1]
    begin = {9121: ONSET, 15897: ONSET + FOLLOWS}.get(asn)
    return service in BLOCKED and begin is not None and begin <= time < LIFT


def votes(seed: int = 1, end: float = END) -> list[Vote]:
    """In event time."""
    chance = random.Random(seed)
    offsets = {probe: chance.uniform(0, ROUND - 60) for probe in PROBES}
    found = []
    for number in range(math.ceil((end - START) / ROUND)):
        for probe, place in itertools.product(PROBES, range(len(SERVICES))):
            time, service = START + number * ROUND + offsets[probe] + 10 * place, SERVICES[place]
            found.append(vote(time, probe, service, "blocked" if blocked(probe, service, time) else "ok"))
    return sorted(found, key=lambda one: (one.time, one.probe))


def handed(said: Iterable[Vote], late: float = 5.0, first: int = 1) -> list[Handed]:
    """Each `late` seconds after it was made."""
    return [
        Handed(serial, 0, one.platform, one.service, one, presence(one), True, one.time + late, one.round)
        for serial, one in enumerate(said, first)
    ]


def presence(said: Vote, void: str = "") -> Presence:
    facts = (said.time, said.country, said.asn, said.probe, said.witness)
    return Presence(**dict(zip(("time", "country", "asn", "probe", "witness"), facts, strict=True)), void=void)  # type: ignore[arg-type]


def batches(everything: Sequence[Handed], seconds: float = 60.0) -> Iterator[tuple[float, list[Handed]]]:
    """By the time of receipt, each with the time at which it is handed over."""
    ordered = sorted(everything, key=lambda one: one.received)
    for stretch, group in itertools.groupby(ordered, key=lambda one: one.received // seconds):
        yield (stretch + 1) * seconds, sorted(group, key=lambda one: (one.presence.time, one.serial))


class Stage:
    """A composer over a journal, as the handover drives it."""

    def __init__(
        self,
        path: Path,
        ask: Callable[[Retest], None] | None = None,
        name: Name = named,
        channels: Sequence[Channel] = (HOOK,),
    ) -> None:
        self.path, self.asked = path, list[Retest]()
        self.journal = Journal(path)
        ask = ask or self.asked.append
        self.composer = Composer(self.journal.connection, Settings(), WORDING, channels, ask, veil=veiled, name=name)

    def tick(self, batch: Sequence[Handed], now: float) -> list[str]:
        """The changes that it led to."""
        with transaction(self.journal.connection):
            records = self.composer.tick(batch, now)
            self.journal.add(records)
            if batch:
                self.journal.remember(READER, max(one.serial for one in batch))
        return [record.kind for record in records]

    def play(self, everything: Sequence[Handed], seconds: float = 60.0) -> None:
        for now, batch in batches(everything, seconds):
            self.tick(batch, now)

    def reopened(self) -> "Stage":
        self.close()
        return Stage(self.path)

    def close(self) -> None:
        self.journal.close()


def veiled(steward: str) -> str:
    return f"w-{sum(steward.encode())}"


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything that was decided, told and is remembered."""
    journal = Journal(path)
    asked = {
        "records": "SELECT id, kind, incident FROM records ORDER BY serial",
        "outbox": "SELECT notice, channel, state FROM outbox ORDER BY position",
        "incidents": "SELECT id, shown, told, into_other, body FROM incidents ORDER BY id",
        "restrictions": "SELECT id, body FROM restrictions ORDER BY id",
        "votes": "SELECT * FROM detect_votes ORDER BY 1, 2, 3, 4, 5, 6, 7",
        "cells": "SELECT * FROM detect_cells ORDER BY country, asn, platform, service, aspect, operator",
        "position": "SELECT position FROM positions WHERE reader = 'detect'",
    }
    try:
        return {name: journal.connection.execute(sql).fetchall() for name, sql in asked.items()}
    finally:
        journal.close()
