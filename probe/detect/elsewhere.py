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
_WATCHED = 30 * MINUTE  # controls that said anything in that time are waited for
_THRICE = math.log(3)


Series = tuple[list[float], list[bool]]  # of one witness: when, and whether it worked
Voice = tuple[str, list[float], list[bool]]  # the same after the country that it speaks for, none for a control


class Word(StrEnum):
    WORKS = "works"
    FAILS = "fails"
    SILENT = "silent"  # known, and nothing new from it
    UNKNOWN = "unknown"  # nobody measures it elsewhere


class Elsewhere:
    """One service as seen outside one country, or by controls. A witness has one voice, its newest; the witnesses of a
    country together have one, since what one country blocks says nothing of the platform; a control has its own."""

    def __init__(self, country: str, aspect: str, votes: Iterable[Told]) -> None:
        outside: dict[str, list[Sequence[Vote]]] = defaultdict(list)
        for cell, told in votes:
            if _outside(cell, country, aspect):
                outside["" if cell.aspect == CONTROL else cell.country].append(told)
        heard = _paces if aspect == SPEED else _outcomes
        self._seen = [(place, *series) for place, told in outside.items() for series in _ordered(heard(told))]

    @property
    def empty(self) -> bool:
        return not self._seen

    def word(self, began: float, pivot: float, now: float, here: tuple[int, int]) -> Word:
        """What was seen after `pivot`, known at `now`; `here` is (failed, worked) since it `began`. Who failed long
        before that elsewhere is not asked."""
        if not any(bisect_right(times, now) > bisect_right(times, pivot - KNOWN) for _, times, _ in self._seen):
            return Word.UNKNOWN
        controls, countries, watched, failures = [0, 0], defaultdict[str, int](int), False, 0
        for place, times, oks in self._seen:
            until, before = bisect_right(times, now), bisect_right(times, began - _LAG)
            if before and not oks[before - 1] and not oks[until - 1]:
                continue  # it failed before already: it tells nothing of now
            watched = watched or (not place and until > bisect_right(times, min(pivot, now - _WATCHED)))
            fresh = oks[bisect_right(times, pivot) : until]
            if not fresh:
                continue
            if place:
                countries[place] += 1 if fresh[-1] else -1
            else:
                controls[fresh[-1]] += 1
                failures += fresh.count(False)
        balance = countries.values()
        abroad = sum(most < 0 for most in balance), sum(most > 0 for most in balance)
        if _failing((controls[0], controls[1]), abroad, watched, failures):
            return Word.FAILS
        return _working((controls[0], controls[1]), abroad, here)

    def table(self, since: float, now: float) -> tuple[int, int]:
        """(failed, worked) votes in that time."""
        fresh = [
            ok for _, times, oks in self._seen for ok in oks[bisect_right(times, since) : bisect_right(times, now)]
        ]
        return len(fresh) - sum(fresh), sum(fresh)

    def contrast(self, since: float, now: float, here: tuple[int, int]) -> Contrast:
        there = self.table(since, now)
        return contrast("elsewhere", here, there, "here", "for controls and in other countries")


def _failing(controls: tuple[int, int], abroad: tuple[int, int], watched: bool, failures: int) -> bool:
    """Both are (failed, worked). Where controls watch, it takes theirs; one alone must say it twice, unless another
    country says it, too. Where none does, two other countries."""
    failed, worked = controls
    if not watched:
        return abroad[0] > 1 and not abroad[1]
    return failed > 0 and not worked and failures + abroad[0] > 1 and abroad[0] >= 2 * abroad[1]


def _working(controls: tuple[int, int], abroad: tuple[int, int], here: tuple[int, int]) -> Word:
    """A single country that fails, too, leaves the word to the controls."""
    failed, worked = controls[0] + abroad[0], controls[1] + abroad[1]
    if controls[1] > controls[0] and abroad[0] <= 1:
        return Word.WORKS
    if worked and (not failed or (worked > failed and fisher((here, (failed, worked))) <= _TOLD_APART)):
        return Word.WORKS
    return Word.SILENT


def _outside(cell: Cell, country: str, aspect: str) -> bool:
    return cell.aspect == CONTROL or (cell.aspect == aspect and not cell.operator and cell.country != country)


def _outcomes(votes: Iterable[Sequence[Vote]]) -> Iterable[Series]:
    times: dict[str, list[float]] = defaultdict(list)
    oks: dict[str, list[bool]] = defaultdict(list)
    for vote in chain.from_iterable(votes):
        outcome = vote.outcome
        if outcome in _REACHED:
            witness = vote.witness or vote.probe
            times[witness].append(vote.time)
            oks[witness].append(outcome not in FAILED)
    return zip(times.values(), oks.values(), strict=True)


def _paces(votes: Iterable[Sequence[Vote]]) -> Iterable[Series]:
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


def _ordered(voices: Iterable[Series]) -> list[Series]:
    """In order of time; most are already, those of a witness with probes in one network only."""
    found: list[Series] = []
    for times, oks in voices:
        if any(map(ge, times, times[1:])):
            pairs = sorted(zip(times, oks, strict=True))
            found.append(([time for time, _ in pairs], [ok for _, ok in pairs]))
        else:
            found.append((times, oks))
    return found
