"""`/events`: what is said of incidents, as it is said, by server-sent events (WHATWG HTML, 9.2).

Each event's id is its place in the journal: who was away asks with `Last-Event-ID` for what came meanwhile.
"""

import math

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from probe.collector.analyse.crowds import Crowds
from probe.collector.web.access import Sees
from probe.collector.web.endpoints import crowd_of
from probe.collector.web.faults import Fault
from probe.collector.web.incidents import Event
from probe.collector.web.site import Site

MOST = 200  # listeners at a time: each holds a connection
_LOOK = 1.0  # seconds between two looks at the journal, for all listeners together
_BEAT = 15.0  # seconds of silence after which a comment tells that the line still stands
_PAGE = 100
_LARGEST = (1 << 63) - 1
_BEGIN = b"retry: 5000\n\n"
_STILL_HERE = b": still here\n\n"
_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # a proxy that holds events back would make them late
}


class Events:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._listeners = 0
        self._one = trio.Lock()
        self._newest, self._looked = 0, -math.inf

    async def endpoint(self, request: Request) -> Response:
        sees = self._site.access.sees(request)
        if self._listeners >= MOST:
            raise Fault(503, "too many are listening already: ask /api/v1/incidents instead")
        after = _resumed(request.headers.get("last-event-id"))
        shared = {} if sees is Sees.HERE else {"access-control-allow-origin": "*"}
        return _Stream(self, sees, after, {**_HEADERS, **shared})

    async def tell(self, send: Send, sees: Sees, after: int | None) -> None:
        """Until cancelled."""
        self._listeners += 1
        try:
            await _sent(send, _BEGIN)
            newest = await self._found_newest()
            place = newest if after is None else min(after, newest)
            while True:
                place = await self._told(send, sees, place)
                await self._wait(send, place)
        finally:
            self._listeners -= 1

    async def _told(self, send: Send, sees: Sees, place: int) -> int:
        """Everything behind this place; how far that went."""
        while place < self._newest:
            events, place = await self._read(place, sees)
            for event in events:
                await _sent(send, written(event))
        return place

    async def _wait(self, send: Send, place: int) -> None:
        beat = trio.current_time() + _BEAT
        while place >= await self._found_newest():
            if trio.current_time() >= beat:
                await _sent(send, _STILL_HERE)
                beat = trio.current_time() + _BEAT
            await trio.sleep(_LOOK)

    async def _read(self, place: int, sees: Sees) -> tuple[list[Event], int]:
        site = self._site

        def events(crowds: Crowds | None) -> tuple[list[Event], int]:
            return site.incidents.events(place, _PAGE, crowd_of(crowds) if crowds is not None else None)

        if sees is not Sees.PUBLIC:
            return await trio.to_thread.run_sync(events, None)
        return await site.reading.ask(lambda views: events(Crowds(views, site.agreed)))

    async def _found_newest(self) -> int:
        """One look a second, however many listen."""
        async with self._one:
            if trio.current_time() - self._looked >= _LOOK:
                _, self._newest = await trio.to_thread.run_sync(self._site.incidents.events, None, 0, None)
                self._looked = trio.current_time()
            return self._newest


class _Stream(Response):
    def __init__(self, events: Events, sees: Sees, after: int | None, headers: dict[str, str]) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._events, self._sees, self._after = events, sees, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_until_gone, receive, nursery.cancel_scope)
            await self._events.tell(send, self._sees, self._after)


async def _until_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _sent(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def written(event: Event) -> bytes:
    """JSON has no line break in it, so one `data` line holds it."""
    return b"id: %d\ndata: %s\n\n" % (event.serial, msgspec.json.encode(event))


def _resumed(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text[:19]) <= _LARGEST and len(text) <= 19):
        raise Fault(400, "Last-Event-ID: not an id that /events gave")
    return int(text)
