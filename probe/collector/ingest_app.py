"""The ingest process's application: its own paths, and everything else to the web process."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from probe.catalogue.geo import GeoTables
from probe.catalogue.signatures import Keypair
from probe.clock import Clock
from probe.collector.accounts import Accounts
from probe.collector.checkin import Checkins
from probe.collector.config import CollectorConfig
from probe.collector.enrol import Enrolments
from probe.collector.ingest import Reports
from probe.collector.ingest_asgi import Draining, json_response
from probe.collector.ingest_caller import Callers
from probe.collector.ingest_decoding import Decoder
from probe.collector.ingest_desk import Desk
from probe.collector.ingest_documents import DocumentPages
from probe.collector.ingest_limits import RateLimit
from probe.collector.ingest_location import Location
from probe.collector.ingest_metrics import METRICS_PATH, IngestMetrics
from probe.collector.ingest_operations import OPERATIONS
from probe.collector.ingest_refusals import Refusal, overloaded
from probe.collector.ingest_relay import Relay
from probe.collector.log import Log
from probe.wire.reports import Refused

Endpoint = ASGIApp | Callable[[Request], Awaitable[Response]]


class Parts:
    """What the endpoints share, each opened and closed by whoever runs the process."""

    def __init__(
        self,
        *,
        config: CollectorConfig,
        clock: Clock,
        log: Log,
        decoder: Decoder,
        accounts: Accounts,
        desk: Desk,
        tables: GeoTables,
        key: Keypair,
        metrics: IngestMetrics,
        relay: Relay,
    ) -> None:
        self.config = config
        self.clock = clock
        self.log = log
        self.decoder = decoder
        self.accounts = accounts
        self.desk = desk
        self.location = Location(tables, config.trusted_proxies)
        self.key = key
        self.metrics = metrics
        self.relay = relay


class IngestApplication:
    """ASGI. `stop_waiting` lets long polls end, before the server stops."""

    def __init__(self, parts: Parts) -> None:
        config = parts.config
        callers = self.callers = Callers(parts.accounts, parts.clock)
        limit = RateLimit(parts.clock, config.limits.requests_per_minute)
        self._checkins = Checkins(
            callers=callers,
            location=parts.location,
            desk=parts.desk,
            clock=parts.clock,
            key=parts.key,
            hold=config.lease,
            longest_wait=config.checkin_wait,
            minimum_version=config.minimum_version,
            limit=limit,
        )
        pages = DocumentPages(callers, parts.desk, limit, public=config.public_documents)
        enrolments = Enrolments(
            accounts=parts.accounts,
            callers=callers,
            desk=parts.desk,
            clock=parts.clock,
            name=config.name,
            per_minute=config.limits.enrolments_per_minute,
        )
        reports = Reports(
            log=parts.log,
            decoder=parts.decoder,
            callers=callers,
            location=parts.location,
            desk=parts.desk,
            clock=parts.clock,
            metrics=parts.metrics,
            per_minute=config.limits.reports_per_minute,
        )
        endpoints: dict[str, Endpoint] = {
            "report": reports,
            "checkin": self._checkins.__call__,
            "catalogue": pages.catalogue,
            "expectations": pages.expectations,
            "keys": pages.keys,
            "enrol": enrolments.enrol,
            "erase": enrolments.erase,
        }
        routes: list[BaseRoute] = [Route(one.path, endpoints[one.name], methods=[one.method]) for one in OPERATIONS]
        own = {one.path: one.method for one in OPERATIONS}
        if not parts.relay.leads_somewhere:
            routes.append(Route("/healthz", _alive, methods=["GET"]))
        routes.append(Mount("/", elsewhere(parts.relay, own)))
        self._app = application(routes, config.limits.requests_at_once)

    def stop_waiting(self) -> None:
        self._checkins.stopping.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def application(routes: list[BaseRoute], at_once: int) -> ASGIApp:
    """Starlette with JSON for every refusal, and a bound on how many requests are in it at a time."""
    app = Starlette(
        routes=routes,
        exception_handlers={Refusal: _refused, HTTPException: _unknown},
        middleware=[Middleware(Draining)],
    )
    app.router.redirect_slashes = False
    return Bounded(app, at_once)


def elsewhere(relay: Relay, own: Mapping[str, str]) -> ASGIApp:
    """What no route takes: a wrong method for one of our paths, or somebody else's path. `own`: the method of each."""

    async def passed_on(scope: Scope, receive: Receive, send: Send) -> None:
        method = own.get(scope["path"])
        if method is not None:
            raise Refusal(405, "method", f"{scope['method']} is not for this path", allow=_allowed(method))
        await relay(scope, receive, send)

    return passed_on


def _allowed(method: str) -> tuple[str, ...]:
    return ("GET", "HEAD") if method == "GET" else (method,)


class Bounded:
    """More requests than may be in hand at a time are told so at once; those of the pages have a bound of their own."""

    def __init__(self, app: ASGIApp, at_once: int) -> None:
        self._app = app
        self._most = at_once
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._now >= self._most:
            await Draining(_too_many)(scope, receive, send)
            return
        self._now += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._now -= 1


async def _too_many(scope: Scope, receive: Receive, send: Send) -> None:
    refusal = _refused(Request(scope), overloaded("too many requests at once"))
    await refusal(scope, receive, send)


def _refused(request: Request, refusal: Exception) -> Response:
    del request
    assert isinstance(refusal, Refusal)
    response = json_response(refusal.status, refusal.body)
    response.raw_headers += refusal.headers
    return response


def _unknown(request: Request, error: Exception) -> Response:
    """Starlette's own: no such path, no such method."""
    assert isinstance(error, HTTPException)
    what = {404: "no such path", 405: f"{request.method} is not for this path"}.get(error.status_code, error.detail)
    headers = dict(error.headers) if error.headers else None
    return json_response(error.status_code, msgspec.json.encode(Refused(error=what)), headers)


def internal_application(metrics: IngestMetrics, waiting_bytes: Callable[[], int]) -> ASGIApp:
    """For the web process alone, on a socket of its own."""

    async def exposition(request: Request) -> Response:
        metrics.waiting.set(waiting_bytes())
        body, kind = metrics.exposition(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": kind})

    return Starlette(routes=[Route(METRICS_PATH, exposition), Route("/healthz", _alive)])


async def _alive(request: Request) -> Response:
    del request
    return json_response(200, b'{"status":"ok"}')
