"""Probes of one network that fall silent together.

A check-in is a heartbeat; its usual gap is the median of the probe's own. A probe is overdue after two and a half of
them. Each overdue witness adds ln(0.9 / usual share overdue); the sum must reach the threshold of networks, and fewer
than a third of all others may be overdue, or, since a shutdown takes a whole country, of those in other countries: else
the fault is in what receives them, and nothing is said.

What was said holds until check-ins contradict it, however long it lasts: it is reviewed by the probes that it named,
not found again. So it outlives the days for which check-ins are kept.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import msgspec

from probe.detect.beats import Beats
from probe.detect.exact import Contrast, contrast
from probe.detect.settings import DAY, HOUR

Network = tuple[str, int]  # country, ASN
_FALTERED = 1 / 3
_USUAL = 0.05
_SURE = 0.05
_MISSING, _THERE = math.log(0.9 / _USUAL), math.log(0.1 / (1 - _USUAL))  # what a witness adds
_EXPECTED = 20 * HOUR  # a probe that is away for longer has left: it makes no new silence
_NEWS = 28 * HOUR  # how late a silence may be found; all that counts then is among two days of check-ins


class Missed(msgspec.Struct, frozen=True, array_like=True):
    """One probe was overdue at `late`, after a check-in at `last`, until it was `back`."""

    late: float
    last: float
    probe: str
    witness: str
    back: float | None


class Silence(msgspec.Struct, frozen=True, array_like=True):
    """`missed` are the probes that were overdue when it was `detected`."""

    country: str
    asn: int
    begin: float = 0.0
    detected: float = 0.0
    end: float | None = None
    ratio: float = 0.0
    threshold: float = 0.0
    missed: tuple[Missed, ...] = ()
    contrast: Contrast | None = None

    @property
    def network(self) -> Network:
        return self.country, self.asn

    @property
    def witnesses(self) -> tuple[str, ...]:
        return tuple(sorted({gap.witness for gap in self.missed}))

    def covers(self, time: float) -> bool:
        return self.begin <= time and (self.end is None or time < self.end)


class _Gap(NamedTuple):
    late: float
    until: float  # when it counts no longer
    network: Network
    missed: Missed


def silences(
    beats: Mapping[Network, Iterable[Beats]], now: float, threshold: float, told: Sequence[Silence] = ()
) -> list[Silence]:
    """Every stretch up to `now` in which a network fell silent, beside those of which it was told already."""
    active: Counter[Network] = Counter()
    gaps: list[_Gap] = []
    for network, probes in beats.items():
        known = [own for own in probes if own.known]
        active[network] = len({own.witness for own in known})
        gaps.extend(gap for own in known for gap in _gaps(network, own, now))
    return list(_Sweep(active, threshold, told).through(gaps, now - _NEWS))


def reviewed(silence: Silence, beats: Mapping[str, Beats]) -> Silence | None:
    """The same as its probes' check-ins tell now; None where they contradict it: too few of them were overdue."""
    missed = []
    for gap in silence.missed:
        heard = beats[gap.probe].after(gap.last) if gap.probe in beats else None
        if heard is None or heard > gap.late:
            backs = [at for at in (gap.back, heard) if at is not None]
            missed.append(msgspec.structs.replace(gap, back=min(backs, default=None)))
    witnesses = {gap.witness for gap in missed}
    ratio = silence.ratio - (len(silence.witnesses) - len(witnesses)) * (_MISSING - _THERE)
    if len(witnesses) < 2 or ratio < silence.threshold:
        return None
    begin, end = min(gap.last for gap in missed), _end(missed)
    if end is None:
        end = silence.end if silence.end is not None else _stayed(missed, beats)
    return msgspec.structs.replace(silence, begin=begin, end=end, ratio=ratio, missed=tuple(missed))


def _gaps(network: Network, own: Beats, now: float) -> Iterator[_Gap]:
    patience, last = own.patience(), own.times[-1]
    for begin, end in own.gaps():
        missed = Missed(begin + patience, begin, own.probe, own.witness, end)
        yield _Gap(begin + patience, min(end, begin + patience + _EXPECTED), network, missed)
    if now - last > patience:
        missed = Missed(last + patience, last, own.probe, own.witness, None)
        yield _Gap(last + patience, last + patience + _EXPECTED, network, missed)


class _Sweep:
    """Who is overdue, from moment to moment."""

    def __init__(self, active: Counter[Network], threshold: float, told: Iterable[Silence]) -> None:
        self._active, self._threshold = active, threshold
        self._inside: Counter[str] = Counter()  # witnesses that are known, by country
        for (country, _), number in active.items():
            self._inside[country] += number
        self._overdue: dict[Network, set[Missed]] = defaultdict(set)
        self._times: Counter[tuple[Network, str]] = Counter()  # probes of a witness that are overdue
        self._missing: Counter[Network | str] = Counter()  # witnesses that are, by network and by country
        self._all = 0
        self._told: dict[Network, list[Silence]] = defaultdict(list)
        for silence in told:
            self._told[silence.network].append(silence)

    def through(self, gaps: Sequence[_Gap], since: float) -> Iterator[Silence]:
        ends = sorted(gaps, key=itemgetter(1))
        ended = 0
        for at, begun in groupby(sorted(gaps, key=itemgetter(0)), itemgetter(0)):
            while ends[ended].until <= at:
                self._count(ends[ended], -1)
                ended += 1
            late = list(begun)
            for gap in late:
                self._count(gap, 1)
            if at >= since:
                for network in sorted({gap.network for gap in late}):
                    yield from self._judged(network, at)

    def _count(self, gap: _Gap, by: int) -> None:
        network, key = gap.network, (gap.network, gap.missed.witness)
        (self._overdue[network].add if by > 0 else self._overdue[network].discard)(gap.missed)
        before = self._times[key] > 0
        self._times[key] += by
        change = (self._times[key] > 0) - before
        self._missing[network] += change
        self._missing[network[0]] += change
        self._all += change

    def _judged(self, network: Network, at: float) -> Iterator[Silence]:
        missing = self._missing[network]
        ratio = missing * _MISSING + (self._active[network] - missing) * _THERE
        told = self._told[network]
        if missing < 2 or ratio < self._threshold or any(silence.covers(at) for silence in told):
            return
        table = self._contrast(network)
        if table is None:
            return
        missed = tuple(sorted(self._overdue[network], key=lambda gap: (gap.late, gap.probe)))
        begin = min(gap.last for gap in missed)
        new = Silence(*network, begin, at, _end(missed), ratio, self._threshold, missed, table)
        if not any(new.covers(silence.begin) for silence in told):
            told.append(new)
            yield new

    def _contrast(self, network: Network) -> Contrast | None:
        """The network against all others; where these are silent too, its country against other countries."""
        country = network[0]
        for here, inside, against in (
            (self._missing[network], self._active[network], "on other networks"),
            (self._missing[country], self._inside[country], "in other countries"),
        ):
            there, outside = self._all - here, self._active.total() - inside
            if outside and there <= _FALTERED * outside:
                table = (here, inside - here), (there, outside - there)
                told = contrast("check-ins", *table, "to check in here", against)
                if told.p <= _SURE:
                    return told
        return None


def _backs(missed: Iterable[Missed]) -> list[tuple[float, str]]:
    """When each witness was first heard of again, and through which probe."""
    found: dict[str, tuple[float, str]] = {}
    for gap in missed:
        if gap.back is not None:
            found[gap.witness] = min(found.get(gap.witness, (math.inf, "")), (gap.back, gap.probe))
    return sorted(found.values())


def _end(missed: Iterable[Missed]) -> float | None:
    """When a second of them was heard of again."""
    backs = _backs(missed)
    return backs[1][0] if len(backs) > 1 else None


def _stayed(missed: Sequence[Missed], beats: Mapping[str, Beats]) -> float | None:
    """When one of two came back and has been there for a day: the other is rather gone than silent."""
    backs = _backs(missed)
    if not backs or len({gap.witness for gap in missed}) > 2:
        return None
    at, probe = backs[0]
    return at if probe in beats and beats[probe].times[-1] >= at + DAY else None
