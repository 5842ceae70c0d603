"""What an operator may set, and what was chosen once on simulation and then left alone.

The parameters below were fixed by `tests/bench/detect.py` on simulated votes only, before any real data was opened.
"""

from typing import Literal

import msgspec

RULES = "detect-2"  # named in every record; grows with every change that could change a history
DAY, HOUR, MINUTE = 86400.0, 3600.0, 60.0
YEAR = 365.25 * DAY


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`false_alarms_per_year` is for the whole fleet, and the one figure that an operator should touch."""

    false_alarms_per_year: float = 1.0

    full: float = 0.9  # share of failures under full blocking: a round may straddle its onset
    some: float = 0.4  # and under partial blocking
    prior_votes: float = 25.0  # Beta(0.5, 24.5): a new cell is believed to fail falsely once in fifty
    prior_rate: float = 0.02
    rate_range: tuple[float, float] = (0.01, 0.3)
    world_range: tuple[float, float] = (0.01, 0.05)  # a national block must not pass for a platform's habit
    baseline_days: int = 14

    witness_cap: float = 0.6  # of the threshold: what one witness can add; two reach it, one never does
    suspected: float = 0.5  # of the threshold: two networks with this much are as good as one with all
    kept: float = 0.25  # of the threshold: from here on an excursion is looked at together with others
    least_threshold: float = 6.0
    network_share: float = 0.7  # of the threshold: a network has a fraction of the cells that its services have
    network_cap: float = 4.5  # a probe offline for an hour is one fact, not twelve
    recovered: float = 4.5  # log-likelihood ratio for the end: two clean votes after a full block
    reopened: float = 30 * MINUTE
    again: float = 6.5  # ratio for it to open again: two failures, since one false one in that time is likely
    together: float = HOUR  # onsets of one incident follow within this
    old_streak: float = DAY  # a probe that has failed for longer speaks of no new onset
    round_gap: float = 45.0  # seconds between two votes of a probe that are of two rounds
    retest_gap: float = 55.0
    memory: float = 14 * DAY  # votes older than this are the archive's

    standing_ok: bool = False  # take every probe as having seen the service work before
    elsewhere: Literal["required", "where-known"] = "required"
    retests: int = 10
