"""What controls and other countries saw of a service: whether the fault lies here or with the platform."""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import chain
from operator import ge

from probe.detect.exact import Contrast, contrast, fisher, median
from probe.detect.settings import HOUR, MINUTE
from probe.detect.speed import slowness
from probe.detect.store import Told
from probe.detect.votes import CONTROL, FAILED, SPEED, VOTING, Cell, Vote
from probe.wire.vocabulary import Outcome

KNOWN = 6 * HOUR  # how far back a witness elsewhere is taken as known
_REACHED = VOTING - {Outcome.DEGRADED}  # outcomes that say whether it is reached
_TOLD_APART = 0.01  # where some fail elsewhere too, here must fail more than that
_LAG = 10 * MINUTE  # an outage may be seen elsewhere first
_THRICE = math.log(3)


Voice = tuple[list[float], list[bool]]  # of one witness: when, and whether it worked


class Word(StrEnum):
    WORKS = "works"
    FAILS = "fails"
    SILENT = "silent"  # known, and nothing new from it
    UNKNOWN = "unknown"  # nobody measures it elsewhere


class Elsewhere:
    """One service as seen outside one country, or by controls. A witness has one voice, its newest."""

    def __init__(self, country: str, aspect: str, votes: Iterable[Told]) -> None:
        outside = [told for cell, told in votes if _outside(cell, country, aspect)]
        self._seen = _ordered(_paces(outside) if aspect == SPEED else _outcomes(outside))

    @property
    def empty(self) -> bool:
        return not self._seen

    def word(self, began: float, pivot: float, now: float, here: tuple[int, int]) -> Word:
        """What was seen after `pivot`, known at `now`; `here` is (failed, worked) since it `began`. Who failed long
        before that elsewhere is not asked."""
        if not any(bisect_right(times, now) > bisect_right(times, pivot - KNOWN) for times, _ in self._seen):
            return Word.UNKNOWN
        worked, failed, failures = 0, 0, 0
        for times, oks in self._seen:
            fresh = oks[bisect_right(times, pivot) : bisect_right(times, now)]
            before = bisect_right(times, began - _LAG)
            if not fresh or (before and not fresh[-1] and not oks[before - 1]):
                continue  # silent since, or it failed before already: it tells nothing of now
            worked += fresh[-1]
            failed += not fresh[-1]
            failures += fresh.count(False)
        lonely = failures if len(self._seen) == 1 else 0  # one witness must say it twice
        return _concluded(worked, max(failed, lonely), here)

    def table(self, since: float, now: float) -> tuple[int, int]:
        """(failed, worked) votes in that time."""
        fresh = [ok for times, oks in self._seen for ok in oks[bisect_right(times, since) : bisect_right(times, now)]]
        return len(fresh) - sum(fresh), sum(fresh)

    def contrast(self, since: float, now: float, here: tuple[int, int]) -> Contrast:
        there = self.table(since, now)
        return contrast("elsewhere", here, there, "here", "for controls and in other countries")


def _concluded(worked: int, failed: int, here: tuple[int, int]) -> Word:
    if failed >= 2 * max(1, worked):
        return Word.FAILS
    if worked and (not failed or (worked > failed and fisher((here, (failed, worked))) <= _TOLD_APART)):
        return Word.WORKS
    return Word.SILENT


def _outside(cell: Cell, country: str, aspect: str) -> bool:
    return cell.aspect == CONTROL or (cell.aspect == aspect and not cell.operator and cell.country != country)


def _outcomes(votes: Iterable[Sequence[Vote]]) -> Iterable[Voice]:
    times: dict[str, list[float]] = defaultdict(list)
    oks: dict[str, list[bool]] = defaultdict(list)
    for vote in chain.from_iterable(votes):
        outcome = vote.outcome
        if outcome in _REACHED:
            witness = vote.witness or vote.probe
            times[witness].append(vote.time)
            oks[witness].append(outcome not in FAILED)
    return zip(times.values(), oks.values(), strict=True)


def _paces(votes: Iterable[Sequence[Vote]]) -> Iterable[Voice]:
    """A witness's pace works where it is less than three times slower than that witness's median."""
    seen: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for vote in chain.from_iterable(votes):
        if vote.usual is not None:
            times, figures = seen[vote.steward]
            times.append(vote.time)
            figures.append(slowness(vote))
    for times, figures in seen.values():
        usual = median(figures)
        yield times, [figure - usual < _THRICE for figure in figures]


def _ordered(voices: Iterable[Voice]) -> list[Voice]:
    """In order of time; most are already, those of a witness with probes in one network only."""
    found: list[Voice] = []
    for times, oks in voices:
        if any(map(ge, times, times[1:])):
            pairs = sorted(zip(times, oks, strict=True))
            found.append(([time for time, _ in pairs], [ok for _, ok in pairs]))
        else:
            found.append((times, oks))
    return found
