"""A collector that asks again: a block, votes as they come, re-tests a few seconds after they are wanted."""

import heapq
import itertools
import random
from typing import Any

from probe.detect.detector import Detector
from probe.detect.settings import Settings
from probe.detect.votes import Vote
from probe.wire.vocabulary import Outcome
from tests.detect.worlds import HOUR, START, Block, Network, replaced, vote, votes_of

ANSWER = (2.0, 8.0)  # seconds from the wish to the re-test's moment
TICK = 2.0  # seconds


def minutes_to_confirm(rng: random.Random, probes: int, settings: Settings, retests: bool, technique: str) -> float:
    """From the onset to `confirmed`, votes taken as they are made."""
    onset = START + 20 * HOUR + rng.random() * 300
    block = Block(onset, onset + HOUR, (9121,), ("x",), technique)
    abroad = [Network(3320, 2, "DE", control=True), Network(3215, 10, "FR"), Network(1136, 10, "NL")]
    networks = [Network(9121, probes), *abroad]
    votes = votes_of(rng, networks, ["x", "fb"], (START, onset + HOUR), [block])
    detector = Detector(settings)
    number = itertools.count()
    later: list[tuple[float, int, Vote]] = []
    for known in votes:
        if known.time < onset - 60:
            detector.add(known)
        else:
            heapq.heappush(later, (known.time, next(number), known))
    detector.tick(onset - 60)
    now = onset - 60
    while later:
        now += TICK
        while later and later[0][0] <= now:
            detector.add(heapq.heappop(later)[2])
        tick = detector.tick(now)
        if any(t.change == "confirmed" and t.restriction and t.restriction.platform == "x" for t in tick.transitions):
            return (now - onset) / 60
        for wish in tick.retests if retests else ():
            for probe in wish.probes:
                moment = now + rng.uniform(*ANSWER)
                again = _retest(probe, wish.cell.platform, moment, block)
                heapq.heappush(later, (moment, next(number), again))
    return float("inf")


def _retest(probe: str, platform: str, moment: float, block: Block) -> Vote:
    control = probe.startswith("DE")
    where: dict[str, Any] = {"country": "DE", "asn": 3320, "role": "control"} if control else {}
    bare = vote(moment, probe=probe, platform=platform, retest=True, **where)
    return replaced(bare, Outcome.BLOCKED, block.technique) if block.hits(bare) else bare
