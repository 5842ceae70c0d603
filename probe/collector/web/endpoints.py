"""The reading API's endpoints: parameters in, rows out. See `routes` for what each is called and takes."""

import sqlite3
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from probe.collector.analyse.crowds import DELAY, Crowds
from probe.collector.analyse.event_time import milliseconds
from probe.collector.log import LogDamaged
from probe.collector.web.access import Sees
from probe.collector.web.faults import Fault
from probe.collector.web.formats import answer, table, wanted
from probe.collector.web.incidents import Crowd, IncidentRow
from probe.collector.web.measurements import MeasurementsPage, rows_of
from probe.collector.web.parameters import IncidentsQuery, MeasurementsQuery, Nothing, ReachabilityQuery, parsed
from probe.collector.web.reachability import ReachabilityPage
from probe.collector.web.record import evidence, expectations_of, raw_record, shown, without_volunteer
from probe.collector.web.rows import FullMeasurement, MeasurementRow, Reachability
from probe.collector.web.site import Site
from probe.wire.expectations import Expectations

T = TypeVar("T", bound=msgspec.Struct)

_LARGEST_ID = (1 << 63) - 1


class Endpoints:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def reachability(self, request: Request) -> Response:
        query, sees = self._asked(request, ReachabilityQuery)

        def page(views: sqlite3.Connection) -> tuple[list[Reachability], str | None]:
            return ReachabilityPage(query, self._site.now(), self._crowds(views, sees)).rows(views)

        rows, following = await self._site.reading.ask(page)
        return table(request, rows, Reachability, following, cache=caching(sees))

    async def measurements(self, request: Request) -> Response:
        query, sees = self._asked(request, MeasurementsQuery)
        site = self._site

        def page(views: sqlite3.Connection) -> tuple[list[MeasurementRow], str | None]:
            return MeasurementsPage(query, site.now(), self._crowds(views, sees), site.names).rows(views)

        rows, following = await site.reading.ask(page)
        return table(request, rows, MeasurementRow, following, cache=caching(sees))

    async def measurement(self, request: Request) -> Response:
        parsed(request.query_params.multi_items(), Nothing)
        sees = self._site.access.sees(request)
        seq = _number(request.path_params["id"])
        row, expected = await self._site.reading.ask(lambda views: self._one(views, seq, sees))
        try:
            reported = await raw_record(self._site.log, seq)
        except LogDamaged:
            reported = None
        if reported is None:
            raise Fault(404, "the log has the record of this measurement no more; its row is in /api/v1/measurements")
        measurement = reported.measurement
        reasons = evidence(measurement, self._site.rules, row.rules, expected)
        if sees is Sees.PUBLIC:
            measurement = without_volunteer(measurement)
        full = FullMeasurement(row=row, measurement=shown(measurement, row.country, row.asn), evidence=reasons)
        return answer(request, full, cache=caching(sees))

    async def incidents(self, request: Request) -> Response:
        query, sees = self._asked(request, IncidentsQuery)
        page = self._site.incidents.page
        rows, following = await self._site.reading.ask(lambda views: page(query, self._crowd(views, sees)))
        return table(request, rows, IncidentRow, following, cache=caching(sees))

    async def incident(self, request: Request) -> Response:
        parsed(request.query_params.multi_items(), Nothing)
        sees = self._site.access.sees(request)
        one, name = self._site.incidents.one, request.path_params["id"]
        found = await self._site.reading.ask(lambda views: one(name, self._crowd(views, sees)))
        if found is None:
            raise Fault(404, "no such incident")
        return answer(request, found, cache=caching(sees))

    def _asked(self, request: Request, kind: type[T]) -> tuple[T, Sees]:
        """Who asks comes first: a stranger learns nothing, not even what may be asked."""
        sees = self._site.access.sees(request)
        wanted(request.headers.get("accept", ""))
        return parsed(request.query_params.multi_items(), kind), sees

    def _crowds(self, views: sqlite3.Connection, sees: Sees) -> Crowds | None:
        return Crowds(views, self._site.agreed) if sees is Sees.PUBLIC else None

    def _crowd(self, views: sqlite3.Connection, sees: Sees) -> Crowd | None:
        crowds = self._crowds(views, sees)
        return crowd_of(crowds) if crowds is not None else None

    def _one(self, views: sqlite3.Connection, seq: int, sees: Sees) -> tuple[MeasurementRow, Expectations | None]:
        row = next(iter(rows_of(views, [seq], self._site.names)), None)
        crowds = self._crowds(views, sees)
        if row is None or (crowds is not None and not self._is_public(row, crowds)):
            raise Fault(404, "no such measurement, or it is not public (yet)")
        return row, expectations_of(views, row.expectations)

    def _is_public(self, row: MeasurementRow, crowds: Crowds) -> bool:
        at = milliseconds(row.time)
        old = at < self._site.now() - DELAY
        return old and row.platform is not None and crowds.shown(row.country or "", row.asn or 0, at)


def crowd_of(crowds: Crowds) -> Crowd:
    return lambda country, asn, at: crowds.shown(country, asn, round(at * 1000))


def caching(sees: Sees) -> str:
    return "public, max-age=30" if sees is Sees.PUBLIC else "private, no-cache"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= _LARGEST_ID):
        raise Fault(404, "no such measurement: its id is a number, as /api/v1/measurements gives it")
    return int(text)
