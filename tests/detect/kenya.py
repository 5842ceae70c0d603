"""Telegram in Kenya, October and November 2023, as volunteers of OONI measured it (CC BY-NC-SA 4.0): read in place."""

import csv
import datetime as dt
from pathlib import Path
from typing import NamedTuple

from probe.detect.votes import Vote
from tests.detect.worlds import vote

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "kenya-telegram-2023"
SAFARICOM = 33771
_SIBLINGS = {37061: SAFARICOM}
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
