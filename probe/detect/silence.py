"""Probes of one network that fall silent together.

A check-in is a heartbeat; its usual gap is the median of the probe's own. A probe is overdue after two and a half of
them. Each overdue witness adds ln(0.9 / usual share overdue); the sum must reach the threshold of networks, and fewer
than a third of all others may be overdue, or, since a shutdown takes a whole country, of those in other countries: else
the fault is in what receives them, and nothing is said.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from probe.detect.exact import Contrast, contrast
from probe.detect.settings import DAY

Network = tuple[str, int]  # country, ASN
_LEARNT = 6  # check-ins before a probe's gap is known
_LATE, _GRACE = 2.5, 60.0
_FALTERED = 1 / 3
_USUAL = 0.05
_SURE = 0.05


class Beats(NamedTuple):
    """Check-ins of one probe in order of time."""

    probe: str
    witness: str
    times: Sequence[float]


class Silence(NamedTuple):
    network: Network
    begin: float
    detected: float
    end: float | None
    witnesses: tuple[str, ...]
    ratio: float
    contrast: Contrast


class _Gap(NamedTuple):
    late: float
    last: float
    witness: str
    network: Network
    back: float | None


def silences(beats: Mapping[Network, Sequence[Beats]], now: float, threshold: float) -> list[Silence]:
    """Every stretch up to `now` in which a network fell silent."""
    gaps = [gap for network, probes in beats.items() for own in probes for gap in _gaps(network, own, now)]
    active = Counter({network: len({own.witness for own in beats[network] if _known(own)}) for network in beats})
    found: list[Silence] = []
    for network in sorted({gap.network for gap in gaps}):
        found.extend(_of_network(network, gaps, active, threshold))
    return found


def _known(beats: Beats) -> bool:
    return len(beats.times) >= _LEARNT


def _gaps(network: Network, beats: Beats, now: float) -> list[_Gap]:
    if not _known(beats):
        return []
    steps = [(b - a, a, b) for a, b in zip(beats.times, beats.times[1:], strict=False)]
    usual = median(step for step, _, _ in steps)
    patience = _LATE * usual + _GRACE
    gaps = [_Gap(a + patience, a, beats.witness, network, b) for step, a, b in steps if step > patience]
    last = beats.times[-1]
    if patience < now - last < DAY:
        gaps.append(_Gap(last + patience, last, beats.witness, network, None))
    return gaps


def _of_network(network: Network, gaps: Sequence[_Gap], active: Counter[Network], threshold: float) -> list[Silence]:
    found: list[Silence] = []
    for gap in sorted(gap for gap in gaps if gap.network == network):
        at = gap.late
        if found and (found[-1].end is None or at < found[-1].end):
            continue
        late = [g for g in gaps if g.late <= at and (g.back is None or g.back > at)]
        own = {g.witness: g for g in late if g.network == network}
        ratio = len(own) * math.log(0.9 / _USUAL) + (active[network] - len(own)) * math.log(0.1 / (1 - _USUAL))
        if len(own) < 2 or ratio < threshold:
            continue
        told = _told(network, late, active)
        if told is not None:
            begin = min(g.last for g in own.values())
            found.append(Silence(network, begin, at, _back(own.values()), tuple(sorted(own)), ratio, told))
    return found


def _told(network: Network, late: Sequence[_Gap], active: Counter[Network]) -> Contrast | None:
    """The network against all others; where these are silent too, its country against other countries."""
    for width, against in ((2, "on other networks"), (1, "in other countries")):
        missing = {(g.network, g.witness) for g in late}
        here = sum(where[:width] == network[:width] for where, _ in missing)
        there = len(missing) - here
        inside = sum(number for where, number in active.items() if where[:width] == network[:width])
        outside = active.total() - inside
        told = contrast("check-ins", (here, inside - here), (there, outside - there), "to check in here", against)
        if outside and there <= _FALTERED * outside and told.p <= _SURE:
            return told
    return None


def _back(gaps: Iterable[_Gap]) -> float | None:
    """When a second of them was heard of again."""
    backs = sorted(gap.back for gap in gaps if gap.back is not None)
    return backs[1] if len(backs) > 1 else None
