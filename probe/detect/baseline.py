"""How often a cell fails without being restricted: a Beta posterior over the trailing days without incidents."""

import math

import msgspec

from probe.detect.likelihood import CLASSES, NORMAL, RESTRICTED, UNKNOWN
from probe.detect.settings import DAY, Settings

_SPLIT = 10.0  # false failures that the table's normal column is worth
_LEAST, _MOST = -1.5, 3.0  # what a technique can add: no technique decides alone


class Baseline(msgspec.Struct):
    """`days` has [worked, failed of each class] of each day that had votes."""

    days: dict[int, list[int]] = {}

    def commit(self, time: float, worked: int, failed: list[int] | None, settings: Settings) -> None:
        """Votes that turned out normal."""
        day = int(time // DAY)
        counts = self.days.get(day)
        if counts is None:
            counts = self.days[day] = [0] * (CLASSES + 1)
            for old in [number for number in self.days if number <= day - settings.baseline_days]:
                del self.days[old]
        counts[0] += worked
        if failed is not None:
            for number, count in enumerate(failed, 1):
                counts[number] += count

    def rate(self, usual: float, settings: Settings) -> float:
        """The posterior mean of the rate of false failures, shrunk to the platform's `usual` one, clipped."""
        worked = sum(counts[0] for counts in self.days.values())
        failed = sum(sum(counts[1:]) for counts in self.days.values())
        prior = settings.prior_votes
        low, high = settings.rate_range
        return min(high, max(low, (prior * usual + failed) / (prior + worked + failed)))

    def bonus(self, number: int) -> float:
        """What a failure of that class adds, given how this cell's own false failures were split so far."""
        if number == UNKNOWN:
            return 0.0
        seen = sum(sum(counts[1 : UNKNOWN + 1]) for counts in self.days.values())
        own = sum(counts[number + 1] for counts in self.days.values())
        normal = (_SPLIT * NORMAL[number] + own) / (_SPLIT + seen)
        return min(_MOST, max(_LEAST, math.log(RESTRICTED[number] / normal)))
