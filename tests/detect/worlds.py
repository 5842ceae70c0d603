"""Simulated votes: probes in rounds, with false failures of their own and blocks laid over them."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from probe.detect.history import Past, history
from probe.detect.records import Incident, Restriction
from probe.detect.settings import Settings
from probe.detect.votes import Presence, Vote
from probe.wire.vocabulary import Outcome

START = 1_790_035_200.0  # 22 September 2026, midnight
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
ROUND = 5 * MINUTE
OPEN = Settings(elsewhere="where-known")
STRICT = Settings()


@dataclass(frozen=True)
class Block:
    """From `begin` to `end` a share of the votes on the platforms fails; for everybody where `asns` is empty."""

    begin: float
    end: float
    asns: tuple[int, ...] = ()
    platforms: tuple[str, ...] = ()
    technique: str = "sni-drop"
    share: float = 1.0
    outcome: Outcome = Outcome.BLOCKED

    def hits(self, vote: Vote) -> bool:
        here = not self.asns or vote.asn in self.asns
        return here and (not self.platforms or vote.platform in self.platforms) and self.begin <= vote.time < self.end


@dataclass(frozen=True)
class Network:
    asn: int
    probes: int = 3
    country: str = "TR"
    control: bool = False


def votes_of(
    rng: random.Random,
    networks: Iterable[Network],
    platforms: Sequence[str],
    span: tuple[float, float],
    blocks: Sequence[Block] = (),
    *,
    noise: float = 0.02,
    every: float = ROUND,
    techniques: Sequence[str] = ("",),
) -> list[Vote]:
    """Every probe has a phase of its own; false failures are independent."""
    found: list[Vote] = []
    for network in networks:
        for number in range(network.probes):
            phase = rng.random() * every
            for moment in rounds(span, phase, every):
                for platform in platforms:
                    bare = _bare(network, number, platform, moment + rng.random() * 5)
                    found.append(_disturbed(rng, bare, blocks, noise, techniques))
    return found


def rounds(span: tuple[float, float], phase: float, every: float = ROUND) -> Iterator[float]:
    moment = span[0] + phase
    while moment < span[1]:
        yield moment
        moment += every


def vote(time: float, outcome: str = "ok", probe: str = "p0", **more: Any) -> Vote:
    facts = {"country": "TR", "asn": 9121, "platform": "x", "service": "web", **more}
    return Vote(time=time, probe=probe, outcome=Outcome(outcome), **facts)


def series(outcomes: str, probe: str = "p0", begin: float = START, every: float = ROUND, **more: Any) -> list[Vote]:
    """One probe's outcomes, a letter a round: `.` ok, `x` blocked, `p` partial, `d` down, `s` degraded, ` ` nothing."""
    words = {".": "ok", "x": "blocked", "p": "partial", "d": "down", "s": "degraded"}
    marks = enumerate(outcomes)
    return [vote(begin + place * every, words[mark], probe, **more) for place, mark in marks if mark != " "]


def seen(votes: Iterable[Vote], settings: Settings = OPEN, voids: Iterable[Presence] = ()) -> Past:
    return history(votes, settings, voids)


def confirmed(past: Past) -> list[Restriction]:
    found = [r for r in past.restrictions if r.confirmed_at is not None]
    return [r for r in found if r.event in {"restriction", "throttling"}]


def incidents(past: Past, event: str = "restriction") -> list[Incident]:
    return [i for i in past.incidents if i.event == event and i.confirmed_at is not None]


def replaced(bare: Vote, outcome: Outcome, technique: str = "", **more: Any) -> Vote:
    return msgspec.structs.replace(bare, outcome=outcome, technique=technique, **more)


def _bare(network: Network, number: int, platform: str, moment: float) -> Vote:
    where: dict[str, Any] = {
        "country": network.country,
        "asn": network.asn,
        "role": "control" if network.control else "probe",
    }
    return vote(moment, probe=f"{network.country}{network.asn}-{number}", platform=platform, **where)


def _disturbed(
    rng: random.Random, bare: Vote, blocks: Sequence[Block], noise: float, techniques: Sequence[str]
) -> Vote:
    block = next((block for block in blocks if block.hits(bare) and rng.random() < block.share), None)
    if block is not None:
        return replaced(bare, block.outcome, block.technique)
    if rng.random() < noise:
        return replaced(bare, Outcome.BLOCKED, rng.choice(techniques))
    return bare
