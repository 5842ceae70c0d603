"""The rows of the reading API. Times are UTC; what was not measured is absent."""

import datetime as dt
from typing import Any, ClassVar

import msgspec

from probe.collector.analyse.schema import OUTCOMES
from probe.collector.analyse.whereabouts import Mark


class Reachability(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one service was reached from one network within one step of time. `votes` counts one a probe and round;
    `ratio` is the share of them that reached it, absent where none says whether it can be reached. `scope` is
    `resolver` for what a resolver's operator does to the users of his, which is nobody's network."""

    SPREAD: ClassVar[dict[str, tuple[str, ...]]] = {"votes": OUTCOMES}

    time: dt.datetime
    country: str | None = None
    asn: int | None = None
    network: str | None = None
    platform: str
    service: str
    scope: str | None = None
    votes: dict[str, int]
    ratio: float | None = None


class MeasurementRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measurement as the collector judges it. `probe` is a name for one day. `marks` say why it supports and does
    not confirm; `own` is the probe's verdict where it was another; `expectations` the version that was known."""

    id: str
    time: dt.datetime
    country: str | None = None
    asn: int | None = None
    network: str | None = None
    platform: str | None = None
    service: str | None = None
    endpoint: str
    outcome: str
    techniques: tuple[str, ...] = ()
    confidence: float
    rule: str
    rules: str
    scope: str | None = None
    marks: tuple[str, ...] = ()
    own: str | None = None
    expectations: str | None = None
    probe: str


class FullMeasurement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The row, the record that it was judged by, and the reasons. `evidence` is absent where it was judged by rules
    that are no longer at hand."""

    row: MeasurementRow
    measurement: dict[str, Any]
    evidence: tuple[dict[str, str], ...] = ()


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line, and the parameter that is at fault."""

    error: str
    path: str | None = None


def moment(at: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC)


def mark_names(marks: int) -> tuple[str, ...]:
    return tuple(mark.name.lower().replace("_", "-") for mark in Mark if marks & mark and mark.name)
