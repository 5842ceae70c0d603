"""The reading API, one line an endpoint: the application and `/openapi.json` are both made from this table."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from probe.collector.web.endpoints import Endpoints
from probe.collector.web.incidents import IncidentRow
from probe.collector.web.parameters import IncidentsQuery, MeasurementsQuery, Nothing, ReachabilityQuery
from probe.collector.web.rows import FullMeasurement, MeasurementRow, Reachability

API = "/api/v1"

Endpoint = Callable[[Request], Awaitable[Response]]


class ApiRoute(msgspec.Struct, frozen=True, kw_only=True):
    """`row` is what the answer holds: rows of a page where `paged`, else the document (None: any object)."""

    path: str
    name: str
    summary: str
    endpoint: Endpoint
    query: type[msgspec.Struct] = Nothing
    row: type[msgspec.Struct] | None = None
    paged: bool = False

    @property
    def placeholders(self) -> tuple[str, ...]:
        return ("id",) if "{id}" in self.path else ()


def api_routes(endpoints: Endpoints) -> tuple[ApiRoute, ...]:
    return (
        ApiRoute(
            path=f"{API}/reachability",
            name="reachability",
            summary="How services were reached, by network and step of time, oldest first",
            endpoint=endpoints.reachability,
            query=ReachabilityQuery,
            row=Reachability,
            paged=True,
        ),
        ApiRoute(
            path=f"{API}/measurements",
            name="measurements",
            summary="Single measurements, newest first; in public after 24 hours",
            endpoint=endpoints.measurements,
            query=MeasurementsQuery,
            row=MeasurementRow,
            paged=True,
        ),
        ApiRoute(
            path=f"{API}/measurements/{{id}}",
            name="measurement",
            summary="One measurement in full, with the reasons for its verdict",
            endpoint=endpoints.measurement,
            row=FullMeasurement,
        ),
        ApiRoute(
            path=f"{API}/incidents",
            name="incidents",
            summary="Incidents, newest onset first",
            endpoint=endpoints.incidents,
            query=IncidentsQuery,
            row=IncidentRow,
            paged=True,
        ),
        ApiRoute(
            path=f"{API}/incidents/{{id}}",
            name="incident",
            summary="One incident in full, with its evidence",
            endpoint=endpoints.incident,
        ),
    )
