"""A web process over the views of a small history, reached by real HTTP on loopback."""

import datetime as dt
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from starlette.routing import Mount
from starlette.types import ASGIApp

from probe.collector.analyse.crowds import Names
from probe.collector.analyse.schema import VIEWS
from probe.collector.ingest_app import application
from probe.collector.ingest_relay import Relay
from probe.collector.log.sqlite import SqliteLog
from probe.collector.web.access import Access
from probe.collector.web.app import Web
from probe.collector.web.feed import feed_routes
from probe.collector.web.incidents import Incidents, NoIncidents
from probe.collector.web.reading import Reading
from probe.collector.web.site import Site
from probe.wire.reports import Role
from tests.collector.analyse import world
from tests.collector.analyse.history import history

TOKENS: dict[str, Role] = {"reader": "read", "boss": "admin", "volunteer": "probe", "watch": "control"}
DAY = dt.timedelta(days=1)


class Now:
    """A clock that stands still until it is set."""

    def __init__(self, at: dt.datetime) -> None:
        self.at = at

    def now(self) -> dt.datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


class Served(NamedTuple):
    client: httpx.AsyncClient
    clock: Now
    state: Path


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log and the views of it."""
    folder = tmp_path_factory.mktemp("state")
    trio.run(fill, folder, 12)
    return folder


@pytest.fixture(scope="session")
def blocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, ended while X is blocked in Turkey."""
    folder = tmp_path_factory.mktemp("blocked")
    trio.run(fill, folder, 8)
    return folder


async def fill(folder: Path, rounds: int) -> None:
    log = await SqliteLog.open(folder / "log", writable=True)
    for entry in history(rounds):
        await log.append(entry)
    analysis = world.analysis(folder / VIEWS)
    while found := await log.read(analysis.position, 50):
        analysis.advance(found)
    analysis.caught_up(yes=True)
    analysis.close()
    await log.aclose()


@asynccontextmanager
async def serving(
    state: Path,
    *,
    public: bool = True,
    own: bool = False,
    at: dt.datetime = world.START + 2 * DAY,
    agreed: frozenset[int] = frozenset(),
    incidents: Incidents | None = None,
    behind: Path | None = None,
) -> AsyncIterator[Served]:
    """`behind`: a Unix socket on which the pages are, with the relay of ingest before them."""
    clock = Now(at)
    reading = Reading(lambda: state / VIEWS)
    log = await SqliteLog.open(state / "log", writable=False)
    site = Site(
        reading=reading,
        access=Access(TOKENS.get, public=public, own=own),
        log=log,
        rules=world.rules(),
        names=Names.kept(state / "names.key"),
        clock=clock,
        agreed=agreed,
        incidents=incidents or NoIncidents(),
    )
    listening = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listening.getsockname()[1]}"
    front = f"fd://{listening.detach()}"
    stop = trio.Event()
    web = Web(site, feed_routes(site, "a collector", base)).app
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(_serve, web, front if behind is None else f"unix:{behind}", stop)
            if behind is not None:
                await nursery.start(_serve, application([Mount("/", Relay(behind))], 100), front, stop)
            async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=20) as client:
                yield Served(client, clock, state)
            stop.set()
    finally:
        reading.close()
        await log.aclose()


async def _serve(
    app: ASGIApp, bind: str, stop: trio.Event, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED
) -> None:
    config = Config()
    config.bind = [bind]
    config.graceful_timeout = 1
    await serve(app, config, shutdown_trigger=stop.wait, task_status=task_status, mode="asgi")  # type: ignore[arg-type]


@pytest.fixture
async def served(state: Path) -> AsyncIterator[Served]:
    """Public reading, two days after the history began."""
    async with serving(state) as made:
        yield made
