"""An exporter on loopback for the tests, with a small catalogue, and a client that sends what it is told to."""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

import h11
import trio

from probe import __version__
from probe.agent.exporter.exporter import Exporter, listening
from probe.agent.state import AgentState
from probe.catalogue.model import Catalogue, Endpoint, Infrastructure, Platform, Service
from probe.catalogue.targets import parse_target
from probe.clock import SystemClock
from probe.measure.context import Context

BEGAN = dt.datetime(2020, 2, 27, 20, 30, tzinfo=dt.UTC)
URL, MEDIA, BACKEND = "https://shop.example.net/", "https://img.example.net/", "tcp://chat.example.net:5222"
PATIENCE = 20.0  # seconds, of which a passing test needs none


def catalogue_of(services: Mapping[str, tuple[str, ...]], healthy: tuple[int, ...] = ()) -> Catalogue:
    """One platform, `shop`."""
    made = tuple(
        Service(id=name, endpoints=tuple(endpoint(name, url, healthy) for url in urls))
        for name, urls in services.items()
    )
    platform = Platform(id="shop", name="Shop", services=made, domains=("example.net", "own.test"))
    infrastructure = Infrastructure(anchors=(), resolvers=(), neutral=("example.com",))
    return Catalogue(version="1", platforms=(platform,), infrastructure=infrastructure)


def endpoint(service: str, url: str, healthy: tuple[int, ...] = ()) -> Endpoint:
    target = parse_target(url)
    return Endpoint(platform="shop", service=service, target=target, source="made up", confidence="M", healthy=healthy)


SHOP = catalogue_of({"web": (URL,), "media": (MEDIA,), "chat": (BACKEND,)})


def state(**more: object) -> AgentState:
    facts: dict[str, object] = {"agent": f"censorship-probe/{__version__}", "started_at": BEGAN, "now": BEGAN}
    return AgentState(**(facts | more))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    def values(self, name: str) -> dict[str, float]:
        """The samples of that name, by their labels as written."""
        lines = (line.rpartition(" ") for line in self.text.splitlines() if not line.startswith("#"))
        found = {series: float(value) for series, _, value in lines if series.partition("{")[0] == name}
        return {series.removeprefix(name).strip("{}"): value for series, value in found.items()}

    def value(self, name: str) -> float | None:
        return self.values(name).get("")


@dataclass
class Running:
    port: int
    exporter: Exporter
    headers: dict[str, str] = field(default_factory=dict)

    async def connected(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)

    async def ask(self, target: str, *, method: str = "GET", **headers: str) -> Reply:
        """Underscores in the names of headers stand for hyphens."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        fields = {"Host": f"127.0.0.1:{self.port}", **fields, "Connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return await self.send(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode(), method)

    async def send(self, raw: bytes, method: str = "GET") -> Reply:
        with trio.fail_after(PATIENCE):
            async with await self.connected() as stream:
                await stream.send_all(raw)
                return await read(stream, method)


async def read(stream: trio.SocketStream, method: str = "GET") -> Reply:
    """One response; the connection may stay open after it."""
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    http.send(h11.EndOfMessage())
    status, headers, body = 0, dict[str, str](), b""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await stream.receive_some(65536))
        elif isinstance(event, h11.Response):
            status = event.status_code
            headers = {name.decode(): value.decode() for name, value in event.headers}
        elif isinstance(event, h11.Data):
            body += event.data
        else:
            return Reply(status, headers, body.decode())


def _no_context() -> Context | None:
    return None


@contextlib.asynccontextmanager
async def exporting(
    catalogue: Catalogue = SHOP,
    *,
    seen: Callable[[], AgentState] = state,
    context: Callable[[], Context | None] = _no_context,
    **more: object,
) -> AsyncIterator[Running]:
    exporter = Exporter(catalogue, seen, context, SystemClock(), **more)  # type: ignore[arg-type]
    listeners = await listening("127.0.0.1:0")
    async with trio.open_nursery() as nursery:
        await nursery.start(exporter.serve, "127.0.0.1:0", listeners)
        yield Running(listeners[0].socket.getsockname()[1], exporter)
        nursery.cancel_scope.cancel()
