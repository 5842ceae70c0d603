"""Two detectors of others, from their published rules, to compare with.

OONI's CUSUM (ooni/data, `oonipipeline/analysis/detector.py`, after Basseville and Nikiforov, "Detection of Abrupt
Changes", 1993, section 2.2): the hourly median of what is blocked, in [0, 1], against fixed means of 0 and 0.7; drift
half of their difference; threshold half of the difference times the expected detection delay of 10 hours; from an
unknown state the first crossing is silent; sums are halved for every 48 hours of a silence longer than a day.

IODA's drop (ioda.inetintel.cc.gatech.edu): an alarm where a signal falls below 80 % of the median of its last seven
days; here the signal is the share of an hour's measurements that worked.
"""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean, median

from probe.detect.votes import Vote

HOUR, DAY = 3600.0, 86400.0
_MEAN, _DELAY, _HALVED = 0.7, 10, 48.0
_DROP, _HISTORY = 0.8, 7 * DAY


def hours(votes: Sequence[Vote]) -> list[tuple[float, list[bool]]]:
    """(end of the hour, whether each was blocked), hours without measurements left out."""
    by_hour: dict[float, list[bool]] = defaultdict(list)
    for vote in votes:
        by_hour[vote.time // HOUR].append(vote.outcome != "ok")
    return [((hour + 1) * HOUR, blocked) for hour, blocked in sorted(by_hour.items())]


def ooni_cusum(votes: Sequence[Vote]) -> list[float]:
    """When it says that blocking began."""
    alarms: list[float] = []
    state, up, down, last = "unknown", 0.0, 0.0, None
    threshold, drift = _DELAY * _MEAN / 2, _MEAN / 2
    for end, blocked in hours(votes):
        if last is not None and end - last > DAY:
            up, down = (value * 0.5 ** ((end - last) / HOUR / _HALVED) for value in (up, down))
        last, value = end, float(median(blocked))
        up = max(0.0, up + value - drift) if state != "blocked" else 0.0
        down = max(0.0, down + _MEAN - value - drift) if state != "ok" else 0.0
        if up > threshold:
            if state == "ok":
                alarms.append(end)
            state, up, down = "blocked", 0.0, 0.0
        elif down > threshold:
            state, up, down = "ok", 0.0, 0.0
    return alarms


def ioda_drop(votes: Sequence[Vote]) -> list[float]:
    """When an hour first is below, after one that was not."""
    alarms: list[float] = []
    past: list[tuple[float, float]] = []
    below = False
    for end, blocked in hours(votes):
        worked = 1 - fmean(blocked)
        known = [share for moment, share in past if end - moment <= _HISTORY]
        fell = bool(known) and worked < _DROP * median(known)
        if fell and not below:
            alarms.append(end)
        below = fell
        past.append((end, worked))
    return alarms
