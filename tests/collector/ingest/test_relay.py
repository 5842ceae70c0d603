"""Paths of the web process, through the ingest process, over real sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from probe.collector.ingest_app import application
from probe.collector.ingest_relay import Relay
from tests.collector.ingest.world import Still, opened_world


class Pages:
    """A web process: tells what it was asked, and streams for as long as it is listened to."""

    def __init__(self) -> None:
        self.gone = trio.Event()
        self.app = Starlette(
            routes=[
                Route("/events", self.events),
                Route("/large", self.large),
                Route("/{path:path}", self.told, methods=["GET", "HEAD"]),
            ]
        )

    async def told(self, request: Request) -> Response:
        headers = dict(request.headers.items())
        told = {"path": request.url.path, "query": request.url.query, "headers": headers, "client": request.client}
        return JSONResponse(told, headers={"x-page": "yes"})

    async def large(self, request: Request) -> Response:
        del request
        return Response(b"x" * 5_000_000, headers={"etag": '"large"'})

    async def events(self, request: Request) -> Response:
        return StreamingResponse(self._forever(request), media_type="text/event-stream")

    async def _forever(self, request: Request) -> AsyncIterator[bytes]:
        try:
            while not await request.is_disconnected():
                yield b"data: tick\n\n"
                await trio.sleep(0.02)
        finally:
            self.gone.set()


@asynccontextmanager
async def served(app: ASGIApp, bind: str) -> AsyncIterator[str]:
    config = Config()
    config.bind, config.errorlog, config.graceful_timeout = [bind], None, 1.0
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        start = partial(serve, app, config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]
        (address,) = await nursery.start(start)
        yield address
        stop.set()


@asynccontextmanager
async def relayed(socket: Path) -> AsyncIterator[httpx.AsyncClient]:
    relay = Relay(socket)
    async with served(application([Mount("/", relay)], 100), "127.0.0.1:0") as address, asking(address) as client:
        yield client


@asynccontextmanager
async def listening(address: str) -> AsyncIterator[trio.SocketStream]:
    """A reader of /events who has seen two of them."""
    host, _, port = address.removeprefix("http://").partition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        seen = b""
        while seen.count(b"tick") < 2:
            seen += await stream.receive_some(4096)
        yield stream


def asking(address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=address, trust_env=False, timeout=20)


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[tuple[Pages, httpx.AsyncClient]]:
    web = Pages()
    async with served(web.app, f"unix:{tmp_path / 'web.sock'}"), relayed(tmp_path / "web.sock") as client:
        yield web, client


async def test_a_question_arrives_as_it_was_asked_and_the_answer_as_it_was_given(
    pages: tuple[Pages, httpx.AsyncClient],
) -> None:
    _, client = pages
    answer = await client.get("/api/v1/reachability?country=TR&x=%2F%3F", headers={"accept": "text/csv"})
    told = answer.json()
    assert (told["path"], told["query"]) == ("/api/v1/reachability", "country=TR&x=%2F%3F")
    assert told["headers"]["accept"] == "text/csv"
    assert told["headers"]["host"] == client.base_url.netloc.decode()
    assert answer.headers["x-page"] == "yes"
    assert (await client.head("/")).status_code == 200


async def test_nobodys_address_is_passed_on(pages: tuple[Pages, httpx.AsyncClient]) -> None:
    _, client = pages
    hops = {"x-forwarded-for": "88.255.1.1", "forwarded": "for=88.255.1.1", "x-real-ip": "88.255.1.1", "via": "1.1 x"}
    told = (await client.get("/", headers=hops)).text
    assert "88.255" not in told
    assert "127.0.0.1" not in told.replace(client.base_url.netloc.decode(), "")


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP", "X-Forwarded-Host"]
)
async def test_that_a_proxy_stood_before_us_is_passed_on(pages: tuple[Pages, httpx.AsyncClient], name: str) -> None:
    _, client = pages
    told = (await client.get("/", headers={name: "88.255.1.1"})).json()["headers"]
    assert (told["forwarded"], "88.255.1.1" in told.values()) == ("for=hidden", False)
    assert "forwarded" not in (await client.get("/")).json()["headers"]


async def test_a_large_page_comes_whole(pages: tuple[Pages, httpx.AsyncClient]) -> None:
    _, client = pages
    answer = await client.get("/large")
    assert (len(answer.content), answer.headers["etag"]) == (5_000_000, '"large"')


async def test_events_come_as_they_happen_and_end_with_the_listener(pages: tuple[Pages, httpx.AsyncClient]) -> None:
    web, client = pages
    with trio.fail_after(20):
        async with listening(str(client.base_url).rstrip("/")):
            assert not web.gone.is_set()
        await web.gone.wait()


async def test_what_changes_something_is_not_passed_on(pages: tuple[Pages, httpx.AsyncClient]) -> None:
    _, client = pages
    for method in ("POST", "PUT", "DELETE"):
        answer = await client.request(method, "/", content=b"x" * 100_000)
        assert (answer.status_code, list(answer.json())) == (405, ["error"])


async def test_without_a_web_process_the_answer_is_503_with_a_time(tmp_path: Path) -> None:
    async with relayed(tmp_path / "nobody.sock") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "6")


async def test_more_requests_than_may_be_in_hand_are_told_so() -> None:
    app = application([Route("/events", Pages().events)], 1)
    async with served(app, "127.0.0.1:0") as address, listening(address), asking(address) as client:
        answer = await client.post("/events", content=b"x" * 500_000)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "6")


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%ff%00%0d%0a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://other/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT other:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\r\n" * 1000,
    ],
    ids=lambda raw: repr(raw[:40]),
)
async def test_what_is_hardly_http_gives_no_500(tmp_path: Path, clock: Still, raw: bytes) -> None:
    async with opened_world(tmp_path, clock) as world, served(world.app, "127.0.0.1:0") as address:
        host, _, port = address.removeprefix("http://").partition(":")
        with trio.move_on_after(5):
            async with await trio.open_tcp_stream(host, int(port)) as stream:
                await stream.send_all(raw)
                with trio.move_on_after(1):
                    status = (await stream.receive_some(4096))[9:12]
                    assert not status.startswith(b"5"), status
        async with asking(address) as client:
            assert (await client.get("/api/v1/checkin")).status_code == 401
