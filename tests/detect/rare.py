"""How often noise alone would be confirmed: too rare to wait for, so estimated by importance sampling.

An excursion begins with a failure in a quiet cell. What follows is drawn not with the rate of false failures but with
one of two much higher ones, and each path that ends in an alarm counts with its likelihood ratio: the probability of
its votes under noise over that under the mixture that drew it. The mean of these weights, times the rate of the first
failure, is the chance of a false alarm a vote (D. Siegmund, "Importance sampling in the Monte Carlo study of sequential
tests", Annals of Statistics 4, 1976). The detector's own code takes the votes.
"""

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from probe.detect.candidate import Candidate
from probe.detect.cell import History, Seen, feed
from probe.detect.elsewhere import Elsewhere
from probe.detect.fleet import Facts
from probe.detect.judging import judge
from probe.detect.likelihood import CLASSES, class_of
from probe.detect.settings import DAY, YEAR, Settings
from probe.detect.votes import REACHABILITY, Cell, order
from tests.detect.worlds import OPEN, START, vote

ROUND = 300.0
TILTED = (0.9, 0.45)
LONGEST = 40  # rounds
LEARNT = 12_000  # votes of a cell that know its noise


class Rate(NamedTuple):
    """False alarms a vote, with the standard error of the estimate."""

    mean: float
    error: float

    def yearly(self, votes_a_day: float) -> float:
        return self.mean * votes_a_day * YEAR / DAY


class _Path:
    """Log-likelihoods of what was drawn, under noise and under each tilt."""

    def __init__(self, noise: float, ways: int) -> None:
        self.noise, self.under = noise, 0.0
        self.tilted = [0.0] * ways

    def draw(self, rng: random.Random, way: int, rates: Sequence[float]) -> bool:
        failed = rng.random() < rates[way]
        self.under += math.log(self.noise if failed else 1 - self.noise)
        for number, rate in enumerate(rates):
            self.tilted[number] += math.log(rate if failed else 1 - rate)
        return failed

    @property
    def weight(self) -> float:
        most = max(self.tilted)
        mixture = sum(math.exp(value - most) for value in self.tilted) / len(self.tilted)
        return math.exp(self.under - most - math.log(mixture))


def of_one_cell(rng: random.Random, threshold: float, noise: float, probes: int = 3, paths: int = 1500) -> Rate:
    """Confirmed by two witnesses of the network itself."""
    weights = [_alone(rng, threshold, noise, probes) for _ in range(paths)]
    return _rate(weights, noise)


def of_a_country(rng: random.Random, threshold: float, noise: float, networks: int = 10, paths: int = 400) -> Rate:
    """Confirmed nationally, of networks of three probes of which one has just begun to fail."""
    weights = [_together(rng, threshold, noise, networks) for _ in range(paths)]
    return _rate(weights, noise)


def quiet(noise: float, probes: int, technique: str = "") -> History:
    """A cell that has known its noise for days."""
    history = History(worked=START - ROUND, at=(START - ROUND, "", False, 0, "", ""))
    counts = [round(LEARNT * (1 - noise))] + [0] * CLASSES
    counts[class_of(technique) + 1] = round(LEARNT * noise)
    history.baseline.days[int(START // DAY)] = counts
    for number in range(probes):
        history.probes[f"p{number}"] = Seen(last=START - ROUND, worked=START - ROUND)
    return history


def _alone(rng: random.Random, threshold: float, noise: float, probes: int) -> float:
    history, path, way = quiet(noise, probes), _Path(noise, len(TILTED)), rng.randrange(len(TILTED))
    facts = _facts(threshold, OPEN)
    failed = True
    for moment, probe in _moments(rng, probes):
        taken = vote(moment, "blocked" if failed else "ok", probe)
        feed(history, taken, order(taken), facts, OPEN)
        excursion = history.excursion
        if excursion is None:
            return 0.0
        if excursion.ratio >= threshold and len(excursion.witnesses) > 1:
            return path.weight
        failed = path.draw(rng, way, TILTED)
    return 0.0


def _together(rng: random.Random, threshold: float, noise: float, networks: int) -> float:
    """The first network and one other are tilted; which one, and how much, is part of the mixture."""
    probes = 3
    histories = [quiet(noise, probes) for _ in range(networks)]
    second, way = rng.randrange(1, networks), rng.randrange(len(TILTED))
    paths = [_Path(noise, len(TILTED)) for _ in range(networks)]
    facts, begun = _facts(threshold, OPEN), False
    phases = sorted((moment, probe, n) for n in range(networks) for moment, probe in _moments(rng, probes, 4))
    for moment, probe, number in phases:
        if not begun and number != 0:
            continue
        failed = not begun or _drawn(rng, paths[number], number in {0, second}, way, noise)
        begun = True
        taken = vote(moment, "blocked" if failed else "ok", probe, asn=number + 1)
        feed(histories[number], taken, order(taken), facts, OPEN)
    return _weight(paths, networks) if _nationally(histories) else 0.0


def _drawn(rng: random.Random, path: _Path, tilted: bool, way: int, noise: float) -> bool:
    if tilted:
        return path.draw(rng, way, TILTED)
    failed = rng.random() < noise
    path.under += math.log(noise if failed else 1 - noise)
    for number, rate in enumerate(TILTED):
        path.tilted[number] += math.log(rate if failed else 1 - rate)
    return failed


def _weight(paths: Sequence[_Path], networks: int) -> float:
    ratios = [[tilted - path.under for tilted in path.tilted] for path in paths]
    ways = range(len(TILTED))
    terms = [ratios[0][way] + ratios[other][way] for other in range(1, networks) for way in ways]
    most = max(terms)
    return math.exp(-most) / (sum(math.exp(term - most) for term in terms) / len(terms))


def _nationally(histories: Sequence[History]) -> bool:
    candidates = [
        Candidate(Cell("TR", number + 1, "x", "web"), history.excursion)
        for number, history in enumerate(histories)
        if history.excursion is not None
    ]
    judge(candidates, len(histories), Elsewhere("TR", REACHABILITY, ()), lambda *_: False, OPEN)
    return any(candidate.judgement.basis == "national" for candidate in candidates)


def _moments(rng: random.Random, probes: int, rounds: int = LONGEST) -> list[tuple[float, str]]:
    phases = sorted((rng.random() * ROUND, f"p{number}") for number in range(probes))
    return [(START + turn * ROUND + phase, probe) for turn in range(rounds) for phase, probe in phases]


def _facts(threshold: float, settings: Settings) -> Facts:
    return Facts(threshold, settings.prior_rate, settings.witness_cap * threshold)


def _rate(weights: Sequence[float], noise: float) -> Rate:
    mean = sum(weights) / len(weights)
    variance = sum((weight - mean) ** 2 for weight in weights) / len(weights)
    return Rate(noise * mean, noise * math.sqrt(variance / len(weights)))
