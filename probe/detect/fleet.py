"""What is known of the whole fleet on a day, from the days before it: how often it votes, how platforms usually fail.

The figures are rounded to a coarse grid, so that a late vote seldom changes them; where it does, cells are run again.
"""

import math

import msgspec

from probe.detect.settings import DAY, YEAR, Settings

CROSSING = 0.75
"""False alarms a vote are at most CROSSING * exp(-threshold): both CUSUMs together, caps and witnesses as they are.

For a CUSUM of log-likelihood ratios the chance a vote that the statistic leaves zero and reaches h before it returns is
E[exp(-overshoot)] * P(reach h) * exp(-h), expectations taken under the alternative (D. Siegmund, "Sequential Analysis",
1985, ch. II). With votes of two values the overshoot makes a saw of it: between 0.06 and 0.76 by importance sampling,
for false failures of 1 to 10 % and thresholds of 8 to 20 (`tests/bench/detect.py`)."""
_ASSUMED = 864.0  # votes of a cell a day until a quarter of a day was seen: three probes, rounds of five minutes
_WEEK = 7


class Facts(msgspec.Struct, frozen=True):
    """What holds of the whole fleet on the vote's day, which begins at `begins`, and ends before `ends`."""

    threshold: float
    usual: float
    cap: float  # of what one witness can add
    begins: float = -math.inf
    ends: float = math.inf


class Day(msgspec.Struct):
    """`cells` counts those that voted on this day for the first time ever; `services` has (worked, failed)."""

    cells: int = 0
    services: dict[str, list[int]] = {}


class Fleet(msgspec.Struct):
    days: dict[int, Day] = {}
    first: float = math.inf

    def tally(self, day: int, service: str) -> list[int]:
        """How many votes on that day said that the service worked, and failed: to be counted up. It says nothing of
        that day itself, only of later ones."""
        return self._day(day).services.setdefault(service, [0, 0])

    def meet(self, time: float, before: float | None) -> None:
        """A cell's earliest vote is of `time`, and was taken to be of `before` until now."""
        self.first = min(self.first, time)
        if before is None or time // DAY < before // DAY:
            if before is not None:
                self._day(int(before // DAY)).cells -= 1
            self._day(int(time // DAY)).cells += 1

    def miss(self, time: float, now: float | None) -> None:
        """A cell's earliest vote, of `time`, was taken back: now it is of `now`, if there is one."""
        self._day(int(time // DAY)).cells -= 1
        if now is not None:
            self._day(int(now // DAY)).cells += 1

    def threshold(self, day: int, settings: Settings) -> float:
        """The log-likelihood ratio that a cell needs on that day.

        The allowance of false alarms is shared in proportion to votes, so that every cell has the same threshold.
        """
        yearly = self._votes_a_day(day) * YEAR / DAY
        wanted = math.log(max(1.0, CROSSING * yearly / settings.false_alarms_per_year))
        return max(settings.least_threshold, wanted)

    def usual_rate(self, day: int, service: str, settings: Settings) -> float:
        """How often the service fails falsely in the world: where a cell's own estimate starts."""
        past = [self.days[d].services.get(service, (0, 0)) for d in self._past(day)]
        worked, failed = sum(w for w, _ in past), sum(f for _, f in past)
        prior = settings.prior_votes * 4
        rate = (prior * settings.prior_rate + failed) / (prior + worked + failed)
        low, high = settings.world_range
        return min(high, max(low, _rounded(rate, 0.2)))

    def forget(self, day: int) -> None:
        """Only what is said of `day` and of later ones is still needed."""
        day -= _WEEK
        for old in [number for number in self.days if number < day]:
            self.days[day] = _with_cells(self.days.get(day, Day()), self.days.pop(old).cells)

    def _day(self, number: int) -> Day:
        day = self.days.get(number)
        if day is None:
            day = self.days[number] = Day()
        return day

    def _past(self, day: int) -> list[int]:
        return [number for number in self.days if day - _WEEK <= number < day]

    def _votes_a_day(self, day: int) -> float:
        begins = day * DAY
        watched = begins - max(self.first, begins - _WEEK * DAY)
        if watched < DAY / 4:
            cells = sum(known.cells for number, known in self.days.items() if number <= day)
            return _rounded(_ASSUMED * max(1, cells), math.log(2) / 2)
        votes = sum(sum(counts) for number in self._past(day) for counts in self.days[number].services.values())
        return _rounded(max(1.0, votes * DAY / watched), math.log(2) / 2)


def _with_cells(day: Day, cells: int) -> Day:
    day.cells += cells
    return day


def _rounded(value: float, step: float) -> float:
    return math.exp(round(math.log(value) / step) * step)
