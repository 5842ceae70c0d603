"""What controls and other countries saw of a service: whether the fault lies here or with the platform."""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from enum import StrEnum

from probe.detect.exact import Contrast, contrast, fisher, median
from probe.detect.settings import HOUR, MINUTE
from probe.detect.speed import slowness
from probe.detect.votes import CONTROL, FAILED, SPEED, VOTING, Cell, Vote

KNOWN = 6 * HOUR  # how far back a witness elsewhere is taken as known
_TOLD_APART = 0.01  # where some fail elsewhere too, here must fail more than that


_LAG = 10 * MINUTE  # an outage may be seen elsewhere first
_THRICE = math.log(3)


class Word(StrEnum):
    WORKS = "works"
    FAILS = "fails"
    SILENT = "silent"  # known, and nothing new from it
    UNKNOWN = "unknown"  # nobody measures it elsewhere


class Elsewhere:
    """One service as seen outside one country, or by controls. A witness has one voice, its newest."""

    def __init__(self, country: str, aspect: str, votes: Iterable[tuple[Cell, Vote]]) -> None:
        seen: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        outside = (vote for cell, vote in votes if _outside(cell, country, aspect) and vote.outcome in VOTING)
        for witness, time, worked in _paces(outside) if aspect == SPEED else _outcomes(outside):
            seen[witness].append((time, worked))
        self._seen = {witness: sorted(pairs) for witness, pairs in seen.items()}
        self._times = {witness: [time for time, _ in pairs] for witness, pairs in self._seen.items()}

    @property
    def empty(self) -> bool:
        return not self._seen

    def word(self, began: float, pivot: float, now: float, here: tuple[int, int]) -> Word:
        """What was seen after `pivot`, known at `now`; `here` is (failed, worked) since it `began`. Who failed long
        before that elsewhere is not asked."""
        if not any(bisect_right(ts, now) > bisect_right(ts, pivot - KNOWN) for ts in self._times.values()):
            return Word.UNKNOWN
        worked, failed, failures = 0, 0, 0
        for witness, pairs in self._seen.items():
            times = self._times[witness]
            fresh = pairs[bisect_right(times, pivot) : bisect_right(times, now)]
            before = bisect_right(times, began - _LAG)
            if not fresh or (before and not fresh[-1][1] and not pairs[before - 1][1]):
                continue  # silent since, or it failed before already: it tells nothing of now
            worked += fresh[-1][1]
            failed += not fresh[-1][1]
            failures += sum(not ok for _, ok in fresh)
        lonely = failures if len(self._seen) == 1 else 0  # one witness must say it twice
        return _concluded(worked, max(failed, lonely), here)

    def table(self, since: float, now: float) -> tuple[int, int]:
        """(failed, worked) votes in that time."""
        fresh = [ok for pairs in self._seen.values() for time, ok in pairs if since < time <= now]
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


def _outcomes(votes: Iterable[Vote]) -> Iterator[tuple[str, float, bool]]:
    return ((vote.steward, vote.time, vote.outcome not in FAILED) for vote in votes if vote.outcome != "degraded")


def _paces(votes: Iterable[Vote]) -> Iterator[tuple[str, float, bool]]:
    """A witness's pace works where it is less than three times slower than that witness's median."""
    figures: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for vote in votes:
        if vote.usual is not None:
            figures[vote.steward].append((vote.time, slowness(vote)))
    for witness, pairs in figures.items():
        usual = median([figure for _, figure in pairs])
        yield from ((witness, time, figure - usual < _THRICE) for time, figure in pairs)
