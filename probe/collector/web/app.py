"""The web process's application: the reading API, `/metrics`, health."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from probe.collector.analyse.schema import ViewsError
from probe.collector.ingest_operations import OPERATIONS
from probe.collector.web.access import Sees
from probe.collector.web.endpoints import Endpoints
from probe.collector.web.faults import HANDLED, handled, refused
from probe.collector.web.formats import answer
from probe.collector.web.metrics import Metrics
from probe.collector.web.openapi import openapi
from probe.collector.web.reading import Overdue
from probe.collector.web.routes import ApiRoute, api_routes
from probe.collector.web.site import Site

_PREFLIGHT = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, HEAD",
    "access-control-allow-headers": "Authorization, If-None-Match",
    "access-control-max-age": "86400",
}
_EXPOSED = {"access-control-allow-origin": "*", "access-control-expose-headers": "ETag, Link"}


class Web:
    """`more` are further routes (pages, feeds). Run `keep_up` beside the server: it keeps metrics fresh."""

    def __init__(self, site: Site, more: Sequence[BaseRoute] = ()) -> None:
        self._site = site
        self._metrics = Metrics(site)
        api = api_routes(Endpoints(site))
        self._document = openapi(api, OPERATIONS)
        self.app = Starlette(
            routes=[
                *(_readable(site, route) for route in api),
                Route("/openapi.json", self._openapi),
                Route("/metrics", self._metrics.scrape),
                Route("/healthz", self._healthz),
                Route("/readyz", self._readyz),
                *more,
            ],
            exception_handlers=dict.fromkeys(HANDLED, handled),
        )
        self.app.router.redirect_slashes = False

    async def keep_up(self) -> None:
        await self._metrics.keep_up()

    async def _openapi(self, request: Request) -> Response:
        response = answer(request, self._document, cache="public, max-age=3600")
        response.headers.update(_EXPOSED)
        return response

    async def _healthz(self, request: Request) -> Response:  # noqa: ARG002
        """This process answers."""
        return Response(b"ok\n", media_type="text/plain")

    async def _readyz(self, request: Request) -> Response:  # noqa: ARG002
        """It can also say something."""
        try:
            await self._site.reading.ask(lambda views: views.execute("SELECT 1 FROM positions LIMIT 1").fetchone())
        except (ViewsError, Overdue) as error:
            return refused(503, str(error) or "the views do not answer")
        return Response(b"ready\n", media_type="text/plain")


def _readable(site: Site, route: ApiRoute) -> Route:
    """Open to the web pages of others, but not what is shown because the asker is on this machine."""

    async def endpoint(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_PREFLIGHT)
        response = await route.endpoint(request)
        if site.access.sees(request) is not Sees.HERE:
            response.headers.update(_EXPOSED)
        return response

    return Route(route.path, endpoint, methods=["GET", "OPTIONS"], name=route.name)
