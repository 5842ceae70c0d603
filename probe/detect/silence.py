"""Probes of one network that fall silent together.

A check-in is a heartbeat; its usual gap is the median of the probe's own. A probe is overdue after two and a half of
them. Each overdue witness adds ln(0.9 / usual share overdue); the sum must reach the threshold of networks, and fewer
than a third of all other probes may be overdue, else the fault is in what receives them.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from probe.detect.exact import Contrast, contrast, fisher
from probe.detect.settings import DAY

Network = tuple[str, int]  # country, ASN
_LEARNT = 6  # check-ins before a probe's gap is known
_LATE, _GRACE = 2.5, 60.0
_FALTERED = 1 / 3
_USUAL = 0.05
_SURE = 0.001


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
    back: float | None
    last: float
    witness: str
    network: Network


def silences(beats: Mapping[Network, Sequence[Beats]], now: float, threshold: float) -> list[Silence]:
    """Every stretch up to `now` in which a network fell silent."""
    gaps = [gap for network, probes in beats.items() for own in probes for gap in _gaps(network, own, now)]
    active = {network: len({own.witness for own in probes if _known(own)}) for network, probes in beats.items()}
    found: list[Silence] = []
    for network in sorted(beats):
        own = sorted(gap for gap in gaps if gap.network == network)
        others = [gap for gap in gaps if gap.network != network]
        elsewhere = sum(number for other, number in active.items() if other != network)
        found.extend(_of_network(own, others, (active[network], elsewhere), threshold))
    return found


def _known(beats: Beats) -> bool:
    return len(beats.times) >= _LEARNT


def _gaps(network: Network, beats: Beats, now: float) -> list[_Gap]:
    if not _known(beats):
        return []
    steps = [(b - a, a, b) for a, b in zip(beats.times, beats.times[1:], strict=False)]
    usual = median(step for step, _, _ in steps)
    patience = _LATE * usual + _GRACE
    gaps = [_Gap(a + patience, b, a, beats.witness, network) for step, a, b in steps if step > patience]
    last = beats.times[-1]
    if patience < now - last < DAY:
        gaps.append(_Gap(last + patience, None, last, beats.witness, network))
    return gaps


def _of_network(own: list[_Gap], others: list[_Gap], active: tuple[int, int], threshold: float) -> list[Silence]:
    found: list[Silence] = []
    here, count = active
    for gap in own:
        at = gap.late
        if found and (found[-1].end is None or at < found[-1].end):
            continue
        late = {g.witness: g for g in own if g.late <= at and (g.back is None or g.back > at)}
        elsewhere = len({(g.network, g.witness) for g in others if g.late <= at and (g.back is None or g.back > at)})
        ratio = len(late) * math.log(0.9 / _USUAL) + (here - len(late)) * math.log(0.1 / (1 - _USUAL))
        table = ((len(late), here - len(late)), (elsewhere, count - elsewhere))
        if len(late) < 2 or ratio < threshold or (count and elsewhere > _FALTERED * count):
            continue
        if count and fisher(table) > _SURE:
            continue
        backs = [g.back for g in late.values()]
        end = None if None in backs else sorted(back for back in backs if back is not None)[1]
        told = contrast("check-ins", table[0], table[1], "to check in here", "elsewhere")
        begin = min(g.last for g in late.values())
        found.append(Silence(gap.network, begin, at, end, tuple(sorted(late)), ratio, told))
    return found
