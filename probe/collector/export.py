"""What leaves the collector for researchers: a selection of measurements, streamed, as rows or with their records.

Rows come from the views, records from the log; both in the order of the log. Probes are named anew every day; a public
export also waits a day and leaves out networks with few probes (see `analyse.crowds`).
"""

import functools
import sqlite3
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from probe.collector.analyse.crowds import DELAY, Crowds, Names
from probe.collector.analyse.records import MOST_IN_REPORT, located, sequence
from probe.collector.log.protocol import Log
from probe.collector.web.measurements import ROWS, measurement_row
from probe.collector.web.record import expectations_of
from probe.collector.web.rows import MeasurementRow
from probe.wire.expectations import Expectations
from probe.wire.reports import Report, Reported

_REPORTS = msgspec.json.Decoder(Report)
_ENTRIES = 100


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Every filter may be left out. Times in ms; `since` inclusive, `until` exclusive. `erased` are probes of which
    nothing is given, whatever views and log still hold."""

    since: int | None = None
    until: int | None = None
    country: str | None = None
    asn: int | None = None
    platform: str | None = None
    service: str | None = None
    outcome: str | None = None
    public: bool = False
    agreed: frozenset[int] = frozenset()
    erased: frozenset[str] = frozenset()


class Exported(msgspec.Struct, frozen=True):
    """A row with what the probe sent."""

    row: MeasurementRow
    reported: Reported


class Selecting:
    """One selection over one connection to the views."""

    def __init__(self, views: sqlite3.Connection, selection: Selection, names: Names, now: int) -> None:
        self._views, self._named = views, functools.cache(names.of_day)
        self._crowds = Crowds(views, selection.agreed) if selection.public else None
        self._condition, self._values = _condition(selection, now)
        self._erased = selection.erased
        self._versions = functools.lru_cache(maxsize=16)(lambda version: expectations_of(views, version))

    def expectations(self, version: str | None) -> Expectations | None:
        """Those that a measurement was judged with."""
        return self._versions(version)

    def rows(self) -> Iterator[MeasurementRow]:
        """All of them, in the order of the log."""
        return self._between(0, 1 << 62)

    async def exported(self, log: Log) -> AsyncIterator[list[Exported]]:
        """Report by report. What the log has no more is left out."""
        first = next(self.rows(), None)
        position = located(int(first.id))[0] - 1 if first is not None else None
        while position is not None and (entries := await log.read(position, _ENTRIES)):
            for entry in entries:
                position = entry.position
                rows = list(self._between(sequence(position, 0), sequence(position + 1, 0)))
                if rows:
                    report = _REPORTS.decode(entry.document)
                    yield [Exported(row, report.measurements[int(row.id) % MOST_IN_REPORT]) for row in rows]

    def _between(self, low: int, high: int) -> Iterator[MeasurementRow]:
        sql = f"{ROWS} WHERE m.seq >= ? AND m.seq < ? {self._condition} ORDER BY m.seq"
        for row in self._views.execute(sql, (low, high, *self._values)):
            if self._shown(row):
                yield measurement_row(row, self._named)

    def _shown(self, row: tuple[Any, ...]) -> bool:
        _, at, country, asn, *_, probe = row
        if probe in self._erased:
            return False
        return self._crowds is None or self._crowds.shown(country, asn, at)


def _condition(selection: Selection, now: int) -> tuple[str, tuple[object, ...]]:
    until = selection.until
    if selection.public:
        until = min(now - DELAY, until if until is not None else now)
    asked: dict[str, object] = {
        "m.at >=": selection.since,
        "m.at <": until,
        "c.country =": selection.country,
        "c.asn =": selection.asn,
        "c.platform =": selection.platform,
        "c.service =": selection.service,
        "l.outcome =": selection.outcome,
        "c.platform <>": "" if selection.public else None,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    return "".join(f" AND {name} ?" for name in given), tuple(given.values())
