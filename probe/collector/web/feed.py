"""`/feed.atom`: the last word on each incident, for feed readers."""

import datetime as dt
import hashlib
import sqlite3
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from probe.collector.analyse.crowds import Crowds
from probe.collector.web.access import Sees
from probe.collector.web.endpoints import caching, crowd_of
from probe.collector.web.events import Events
from probe.collector.web.site import Site
from probe.notify.atom import feed
from probe.notify.notice import Notice

_MOST = 50  # incidents
_KIND = "application/atom+xml; charset=utf-8"


class Feed:
    """`name` is what people know the collector by, `url` its public address."""

    def __init__(self, site: Site, name: str, url: str) -> None:
        self._site, self._name, self._url = site, name, url

    async def endpoint(self, request: Request) -> Response:
        sees = self._site.access.sees(request)
        raw = self._drawn(await self._site.reading.ask(lambda views: self._entries(views, sees)))
        tag = f'"{hashlib.blake2b(raw, digest_size=12).hexdigest()}"'
        headers = {"etag": tag, "cache-control": caching(sees)}
        if request.headers.get("if-none-match", "").removeprefix("W/") == tag:
            return Response(status_code=304, headers=headers)
        return Response(raw, headers=headers, media_type=_KIND)

    def _entries(self, views: sqlite3.Connection, sees: Sees) -> list[tuple[Notice, float]]:
        crowd = crowd_of(Crowds(views, self._site.agreed)) if sees is Sees.PUBLIC else None
        return self._site.incidents.feed(_MOST, crowd)

    def _drawn(self, entries: Sequence[tuple[Notice, float]]) -> bytes:
        told = {notice.id: dt.datetime.fromtimestamp(at, dt.UTC) for notice, at in entries}
        updated = max(told.values(), default=dt.datetime.fromtimestamp(0, dt.UTC))
        return feed(f"Incidents seen by {self._name}", self._url, [notice for notice, _ in entries], updated, told)


def feed_routes(site: Site, name: str, url: str) -> Sequence[BaseRoute]:
    return (Route("/feed.atom", Feed(site, name, url).endpoint), Route("/events", Events(site).endpoint))
