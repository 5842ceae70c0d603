"""Telegram in Kenya, October and November 2023, as volunteers of OONI measured it (CC BY-NC-SA 4.0): read in place."""

import csv
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from probe.detect.records import Restriction
from probe.detect.settings import Settings
from probe.detect.votes import Vote
from tests.detect.worlds import confirmed, seen, vote

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "kenya-telegram-2023"
SAFARICOM = 33771
_SIBLINGS = {37061: SAFARICOM}
SETTINGS = Settings(elsewhere="where-known", standing_ok=True)
_SHARE = 0.4  # of its endpoints that must fail for a row to count as blocked


class Window(NamedTuple):
    begin: float
    end: float


def rows() -> list[Vote]:
    """Each row a vote of its own witness; both networks of Safaricom as one."""
    with (FOLDER / "measurements.csv").open(newline="") as file:
        return [_vote(number, row) for number, row in enumerate(csv.DictReader(file))]


def windows() -> list[Window]:
    with (FOLDER / "blocked_windows.csv").open(newline="") as file:
        return [Window(_moment(row["start_utc"]), _moment(row["end_utc"])) for row in csv.DictReader(file)]


def blocked(row: dict[str, str]) -> bool:
    tried = int(row["n_tcp"]) + int(row["n_http"])
    return tried > 0 and int(row["fail_tcp"]) + int(row["fail_http"]) >= _SHARE * tried


def _vote(number: int, row: dict[str, str]) -> Vote:
    asn = int(row["asn"])
    return vote(
        _moment(row["ts_utc"]),
        "blocked" if blocked(row) else "ok",
        probe=f"row{number}",
        country="KE",
        asn=_SIBLINGS.get(asn, asn),
        platform="telegram",
        service="messaging",
    )


def _moment(text: str) -> float:
    return dt.datetime.fromisoformat(text.replace(" ", "T")).replace(tzinfo=dt.UTC).timestamp()


class Score(NamedTuple):
    """Medians in minutes: from the first blocked row to the alarm, from the window's end, and from the first row that
    worked after it, to the end being declared."""

    found: int
    false: int
    delay: float
    recovery: float = 0.0
    back: float = 0.0
    once: bool = True


def scored(votes: Sequence[Vote]) -> Score:
    own = [r for r in confirmed(seen(votes, SETTINGS)) if r.asn == SAFARICOM]
    hits = [[r for r in own if _meets(r, window)] for window in windows()]
    delays, ends, backs = [], [], []
    for window, found in zip(windows(), hits, strict=True):
        if found:
            ended = found[0].end_confirmed_at or 9e18
            delays.append((found[0].confirmed_at or 9e18) - first_blocked(votes, window))
            ends.append(ended - window.end)
            backs.append(ended - first_worked(votes, window))
    false = len([r for r in own if not any(r in found for found in hits)])
    delay, end, back = (median(values) / 60 for values in (delays, ends, backs))
    return Score(len(delays), false, delay, end, back, once=all(len(found) <= 1 for found in hits))


def scored_alarms(votes: Sequence[Vote], alarms: Sequence[float]) -> Score:
    """Of a detector that says only when: an alarm up to an hour after a window's end is still of it."""
    hits = [next((a for a in alarms if w.begin <= a <= w.end + 3600), None) for w in windows()]
    delays = [(a - first_blocked(votes, w)) / 60 for a, w in zip(hits, windows(), strict=True) if a is not None]
    return Score(len(delays), len(set(alarms) - set(hits)), median(delays) if delays else 0.0)


def first_blocked(votes: Sequence[Vote], window: Window) -> float:
    return min(
        v.time for v in votes if v.asn == SAFARICOM and v.outcome != "ok" and window.begin <= v.time <= window.end
    )


def first_worked(votes: Sequence[Vote], window: Window) -> float:
    return min(v.time for v in votes if v.asn == SAFARICOM and v.outcome == "ok" and v.time > window.end)


def _meets(restriction: Restriction, window: Window) -> bool:
    confirmed_at, ended = restriction.confirmed_at or 9e18, restriction.ended_at or 9e18
    return restriction.starts <= window.end and ended >= window.begin and confirmed_at <= window.end + 3600
