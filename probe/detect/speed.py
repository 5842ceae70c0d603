"""Throttling: how much slower a service is than the others of its round, by a Gaussian CUSUM.

The figure is the logarithm of handshake time (or of goodput, the other way up) minus that of the median of the same
probe's other services in that round, so that a slow evening of the whole line cancels out. It is held against the
cell's own history by median and median absolute deviation, for a tenfold and for a threefold fall. In Turkey on 8
February 2023 the handshake with one platform went from 70 ms to over 3 s while another's stayed flat.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec

from probe.detect.cell import History, begin, next_of, step
from probe.detect.exact import median, spread
from probe.detect.fleet import Facts
from probe.detect.settings import MINUTE, Settings
from probe.detect.votes import Order, Vote

_FIGURES, _ENOUGH = 64, 10  # of a cell that are remembered, and that it needs before it can judge
_LEAST_SCALE = 0.2  # of a logarithm: no cell is steadier than that
_SHIFTS = (math.log(10), math.log(3))
_LEAST, _MOST = -2.3, 4.5  # one vote says no more than an outcome would
_ROUND = 5 * MINUTE
_OTHERS = 2


def feed_speed(history: History, vote: Vote, place: Order, facts: Facts, settings: Settings) -> None:
    """Takes the next vote of a cell of speeds; votes without figures are not among them."""
    seen = next_of(history, vote, place, facts, settings)
    if seen is None or not vote.confirms:
        return
    figure = slowness(vote)
    excursion = history.excursion
    if excursion is None:
        centre, scale = _usual(history.figures)
        slow = len(history.figures) >= _ENOUGH and _shifted(figure, centre, scale, _SHIFTS[1]) > 0
        seen.judged = seen.judged and slow
        if not slow or seen.judged:
            _remember(history, figure, vote.time)
            return
        excursion = begin(history, vote, facts, settings)
        excursion.centre, excursion.scale = centre, scale
    full, some = (_shifted(figure, excursion.centre, excursion.scale, shift) for shift in _SHIFTS)
    seen.streak = (vote.time if seen.streak is None else seen.streak) if some > 0 else None
    step(history, vote, some > 0, (full, some), settings)
    if some <= 0:
        history.worked = vote.time


def slowness(vote: Vote) -> float:
    """The logarithm of how many times slower than the round's other services; handshakes before goodput."""
    usual = vote.usual or 1.0
    if vote.handshake is not None:
        return math.log(max(vote.handshake, 1e-6) / max(usual, 1e-6))
    return math.log(max(usual, 1e-6) / max(vote.goodput or usual, 1e-6))


def beside_others(votes: Iterable[Vote]) -> Iterator[Vote]:
    """The votes, with `usual` where a probe's round has the figures of at least two other services.

    A round is what its name says, else five minutes of one probe. Give the votes of whole rounds.
    """
    rounds: dict[tuple[str, str | int], list[Vote]] = defaultdict(list)
    for vote in votes:
        if vote.usual is not None or (vote.handshake is None and vote.goodput is None) or vote.retest:
            yield vote
        else:
            rounds[vote.probe, vote.round or int(vote.time // _ROUND)].append(vote)
    yield from chain.from_iterable(map(_beside, rounds.values()))


def _beside(votes: list[Vote]) -> Iterator[Vote]:
    for vote in votes:
        name = "handshake" if vote.handshake is not None else "goodput"
        others = [
            figure
            for other in votes
            if (other.platform != vote.platform) and (figure := getattr(other, name)) is not None
        ]
        yield msgspec.structs.replace(vote, usual=median(others)) if len(others) >= _OTHERS else vote


def _usual(figures: list[float]) -> tuple[float, float]:
    centre = median(figures) if figures else 0.0
    return centre, max(_LEAST_SCALE, spread(figures, centre)) if figures else _LEAST_SCALE


def _shifted(figure: float, centre: float, scale: float, shift: float) -> float:
    return min(_MOST, max(_LEAST, shift / scale**2 * (figure - centre - shift / 2)))


def _remember(history: History, figure: float, time: float) -> None:
    history.figures.append(figure)
    del history.figures[:-_FIGURES]
    history.worked = time
