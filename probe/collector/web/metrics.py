"""`/metrics`, drawn from a window that is kept up with the views in the background."""

import contextlib
import sqlite3
from collections.abc import Callable

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import Response

from probe.collector.analyse.crowds import Crowds
from probe.collector.analyse.schema import ViewsError
from probe.collector.web.access import Sees
from probe.collector.web.exposition import Exposition, Health, Told
from probe.collector.web.incidents import Active
from probe.collector.web.reading import Overdue
from probe.collector.web.site import Site
from probe.collector.web.window import Window

_EVERY = 5.0  # seconds between two looks at what is new


class Metrics:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._window = Window()
        self._one = trio.Lock()
        self._fresh = -_EVERY

    async def keep_up(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(ViewsError, Overdue):  # not there yet: `/readyz` says so
                await self._refresh()
            await trio.sleep(_EVERY)

    async def scrape(self, request: Request) -> Response:
        sees = self._site.access.sees(request)
        if trio.current_time() - self._fresh > 2 * _EVERY:
            await self._refresh()
        exposition = Exposition("application/openmetrics-text" in request.headers.get("accept", ""))
        told = await self._told(exposition)
        async with self._one:
            raw = await self._site.reading.ask(lambda views: self._text(views, exposition, sees, told))
        return Response(raw, headers={"content-type": exposition.kind, "cache-control": "no-store"})

    async def _refresh(self) -> None:
        async with self._one:
            now = self._site.now()
            try:
                await self._site.reading.ask(lambda views: self._window.refresh(views, now))
            except BaseException:
                self._window = Window()  # half of what was new is lost: begin anew
                raise
            self._fresh = trio.current_time()

    async def _told(self, exposition: Exposition) -> Told:
        site = self._site
        health = Health(
            detect=await site.incidents.ticks(),
            notices=await site.incidents.notices(),
        )
        return Told(
            active=await site.incidents.active(),
            totals=await site.incidents.totals(),
            health=health,
            ingest=await site.ingest(exposition.kind),
        )

    def _text(self, views: sqlite3.Connection, exposition: Exposition, sees: Sees, told: Told) -> bytes:
        told = msgspec.structs.replace(told, health=self._health(told.health))
        shown = self._shown(views, sees)
        active = [_visible(one, shown) for one in told.active]
        return exposition.text(self._window, shown, msgspec.structs.replace(told, active=active))

    def _health(self, health: Health) -> Health:
        """With what the window that is drawn knows, not one before it."""
        window, now = self._window, self._site.now()
        age = max(0.0, (now - window.expected_at) / 1000) if window.expected_at is not None else None
        return msgspec.structs.replace(health, lag=window.lag(now), controls=window.controls, expectations=age)

    def _shown(self, views: sqlite3.Connection, sees: Sees) -> Callable[[str, int], bool]:
        if sees is not Sees.PUBLIC:
            return lambda country, asn: True  # noqa: ARG005
        crowds, now = Crowds(views, self._site.agreed), self._site.now()
        return lambda country, asn: crowds.shown(country, asn, now)


def _visible(one: Active, shown: Callable[[str, int], bool]) -> Active:
    """An incident is public; in which networks it was seen is where there are volunteers enough."""
    parts = tuple(part for part in one.restrictions if shown(part.country or one.country, part.asn))
    return msgspec.structs.replace(one, restrictions=parts)
