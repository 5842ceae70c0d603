"""The page at `/`: says what answers here, and where to go on."""

import html

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

_LINKS = {
    "metrics": "metrics for Prometheus",
    "api/v1/incidents": "incidents, as JSON",
    "feed.atom": "incidents, as a feed",
    "openapi.json": "the description of the API",
    "healthz": "whether it is well",
}
_HEADERS = {"content-security-policy": "default-src 'none'", "cache-control": "public, max-age=300"}


def front_routes(name: str) -> list[Route]:
    """`name` is the collector's, as people know it."""
    page = _page(name)

    async def front(request: Request) -> HTMLResponse:  # noqa: ARG001
        return HTMLResponse(page, headers=_HEADERS)

    return [Route("/", front)]


def _page(name: str) -> str:
    """Links are relative, so that they hold below a path of a reverse proxy."""
    shown = html.escape(name)
    links = "\n".join(f'<li><a href="{path}">/{path}</a>: {what}</li>' for path, what in _LINKS.items())
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{shown}</title>\n<h1>{shown}</h1>\n'
        f"<p>A collector of an open observatory of internet censorship.</p>\n<ul>\n{links}\n</ul>\n</html>\n"
    )
