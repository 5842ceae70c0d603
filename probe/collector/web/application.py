"""The web process: opens what the pages need when the server starts, and closes it when it ends."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import trio
from starlette.types import ASGIApp, Receive, Scope, Send

from probe.clock import Clock
from probe.collector.accounts import Accounts
from probe.collector.analyse.crowds import Names
from probe.collector.analyse.rules import published_rules
from probe.collector.analyse.schema import current_views
from probe.collector.config_form import CollectorConfig
from probe.collector.documents import Documents
from probe.collector.ingest_metrics import ingest_exposition
from probe.collector.log.sqlite import SqliteLog
from probe.collector.web.access import Access, only_here
from probe.collector.web.app import Web
from probe.collector.web.feed import feed_routes
from probe.collector.web.front import front_routes
from probe.collector.web.incidents import Incidents, NoIncidents
from probe.collector.web.reading import Reading
from probe.collector.web.site import Site
from probe.wire.reports import Role


def application(config: CollectorConfig, clock: Clock, incidents: Incidents | None = None) -> ASGIApp:
    """An ASGI application with a lifespan of its own. What is missing when it starts is raised there: CatalogueError,
    AccountsFault, DocumentsFault."""
    return _Application(lambda: opened(config, clock, incidents or NoIncidents()))


def names_file(config: CollectorConfig) -> Path:
    """The secret from which probes get their public names."""
    return config.state / "keys" / "names.key"


@asynccontextmanager
async def opened(config: CollectorConfig, clock: Clock, incidents: Incidents) -> AsyncIterator[Web]:
    async with AsyncExitStack() as stack:
        accounts = Accounts.open(config.accounts_file)
        stack.callback(accounts.close)
        documents = Documents.open(config.documents_file)
        stack.callback(documents.close)
        log = await SqliteLog.open(config.log_folder, writable=False)
        stack.push_async_callback(log.aclose)
        reading = Reading(lambda: current_views(config.state))
        stack.callback(reading.close)
        site = Site(
            reading=reading,
            access=Access(_role_of(accounts), public=config.web.public, own=only_here(config)),
            log=log,
            rules=await trio.to_thread.run_sync(published_rules, config, documents),
            names=Names.kept(names_file(config)),
            clock=clock,
            agreed=frozenset(config.web.agreed),
            incidents=incidents,
            ingest=_ingest_text(config),
        )
        yield Web(site, [*feed_routes(site, config.name, config.url), *front_routes(config.name)])


def _role_of(accounts: Accounts) -> Callable[[str], Role | None]:
    def role_of(token: str) -> Role | None:
        account = accounts.authenticated(token)
        return account.role if account else None

    return role_of


def _ingest_text(config: CollectorConfig) -> Callable[[str], Awaitable[bytes]]:
    async def text(accept: str) -> bytes:
        return await ingest_exposition(config, accept)

    return text


class _Application:
    """The lifespan task of the server owns what is open; requests wait until it is."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[Web]]) -> None:
        self._make = make
        self._web: Web | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._web is not None:
            await self._web.app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        async with self._make() as web, trio.open_nursery() as nursery:
            self._web = web
            nursery.start_soon(web.keep_up)
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            nursery.cancel_scope.cancel()
        self._web = None
        await send({"type": "lifespan.shutdown.complete"})
