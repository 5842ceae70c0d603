"""One process of the collector: ingest, or analysis and pages. Which share a process is for `supervise` to say."""

import logging
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from prometheus_client import disable_created_metrics
from starlette.types import ASGIApp

from probe.catalogue.geo import GeoTables
from probe.clock import Clock
from probe.collector.accounts import Accounts
from probe.collector.config import CollectorConfig
from probe.collector.documents import Documents
from probe.collector.ingest_app import IngestApplication, Parts, internal_application
from probe.collector.ingest_decoding import Decoder, Here
from probe.collector.ingest_desk import Desk
from probe.collector.ingest_housekeeping import Housekeeping
from probe.collector.ingest_metrics import IngestMetrics
from probe.collector.ingest_relay import Relay
from probe.collector.ingest_workers import Workers
from probe.collector.keys import online_key
from probe.collector.log.sqlite import SqliteLog
from probe.collector.serve_sockets import INGEST_SOCKET, WEB_SOCKET, inherited, private, public

SUPERVISED = "PROBE_SUPERVISED"  # set for a child, whose standard input ends with its parent
_BEHIND_INGEST = 5  # niceness of analysis and pages: where the processor does not suffice, ingest goes first
GRACE = 10.0  # seconds that requests in hand may take when the process stops
_LOGGER = logging.getLogger("probe.collector")


async def ingest(config: CollectorConfig, clock: Clock, *, relayed: bool) -> None:
    """Until SIGTERM, SIGINT, or the parent's end. Raises CatalogueError, AccountsFault, DocumentsFault, LogDamaged,
    LogUnavailable, ConfigError where it cannot start. `relayed`: other paths go to a web process."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    _allow_connections()
    listening = inherited("public") or public(config)
    internal = inherited("ingest") or [private(config, INGEST_SOCKET)]
    async with _parts(config, clock, relayed) as (parts, log, documents_seen):
        app = IngestApplication(parts)
        aside = internal_application(parts.metrics, lambda: log.waiting_bytes)
        async with trio.open_nursery() as nursery:
            stop = trio.Event()
            nursery.start_soon(_stop_at_signal, stop)
            nursery.start_soon(documents_seen.keep_looking)
            nursery.start_soon(app.callers.keep_noting)
            nursery.start_soon(Housekeeping(log, parts.accounts, clock, config.log).run)
            nursery.start_soon(_serve, aside, _hypercorn(internal, None), stop.wait)
            await _serve(app, _hypercorn(listening, config), _stopping(stop, app.stop_waiting))
            nursery.cancel_scope.cancel()
        await app.callers.write_seen()


def _allow_connections() -> None:
    """As many as the system lets this process have: every waiting probe holds one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@asynccontextmanager
async def _parts(config: CollectorConfig, clock: Clock, relayed: bool) -> AsyncIterator[tuple[Parts, SqliteLog, Desk]]:
    """Everything that ingest needs, open; closed in the end, the log last of all."""
    key = online_key(config)
    metrics = IngestMetrics()
    async with AsyncExitStack() as stack:
        tables = stack.enter_context(GeoTables.open(config.geo))
        log = await SqliteLog.open(config.log_folder, writable=True, observe=metrics.committed)
        stack.push_async_callback(log.aclose)
        accounts = Accounts.open(config.accounts_file)
        stack.callback(accounts.close)
        documents = Documents.open(config.documents_file)
        stack.callback(documents.close)
        relay = Relay(config.sockets / WEB_SOCKET if relayed else None)
        decoder = await stack.enter_async_context(_decoder(config.limits.decoders))
        desk = Desk(documents, clock)
        desk.look()
        parts = Parts(
            config=config,
            clock=clock,
            log=log,
            decoder=decoder,
            accounts=accounts,
            desk=desk,
            tables=tables,
            key=key,
            metrics=metrics,
            relay=relay,
        )
        yield parts, log, desk


@asynccontextmanager
async def _decoder(count: int) -> AsyncIterator[Decoder]:
    if count == 0:
        yield Here()
        return
    workers = Workers(count)
    async with trio.open_nursery() as nursery:
        await nursery.start(workers.run)
        yield workers
        nursery.cancel_scope.cancel()


async def views(config: CollectorConfig, clock: Clock, *, analyse: bool, web: bool, alone: bool) -> None:
    """Analysis, pages, or both, until the process is told to stop. `alone`: without an ingest process before it, the
    pages are on the public port."""
    from probe.collector.analyse.run import run  # noqa: PLC0415 - ingest never loads it
    from probe.collector.compose.run import deliver, maker, shown  # noqa: PLC0415
    from probe.collector.web.application import application  # noqa: PLC0415

    if not alone:
        os.nice(_BEHIND_INGEST)
    async with trio.open_nursery() as nursery:
        stop = trio.Event()
        nursery.start_soon(_stop_at_signal, stop)
        if analyse:
            documents = Documents.open(config.documents_file)
            nursery.start_soon(run, config, clock, maker(config, documents, clock))
            nursery.start_soon(deliver, config, clock)
        if web:
            listening = public(config) if alone else inherited("web") or [private(config, WEB_SOCKET)]
            tls = config if alone else None
            app = application(config, clock, shown(config))
            await _serve(app, _hypercorn(listening, tls), stop.wait)
        await stop.wait()
        nursery.cancel_scope.cancel()


# --- the server ---


async def _serve(app: ASGIApp, config: Config, stop: Callable[[], Awaitable[None]]) -> None:
    await serve(app, config, shutdown_trigger=stop, mode="asgi")  # type: ignore[arg-type]


def _hypercorn(sockets: list[socket.socket], config: CollectorConfig | None) -> Config:
    """HTTP/1.1. No access log, and nothing in any other log says where a request came from."""
    server = Config()
    server.bind = [f"fd://{one.detach()}" for one in sockets]
    server.accesslog = None
    server.errorlog = logging.getLogger("probe.collector.http")
    server.loglevel = "WARNING"
    server.alpn_protocols = ["http/1.1"]
    server.include_server_header = False
    server.keep_alive_timeout = 180  # a probe's next check-in comes within it: a handshake costs more than the word
    server.keep_alive_max_requests = 100_000
    server.graceful_timeout = GRACE
    server.h11_max_incomplete_size = 32 << 10
    if config is not None and config.tls is not None:
        server.certfile, server.keyfile = str(config.tls.certificate), str(config.tls.key)
    return server


def _stopping(stop: trio.Event, first: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def wait() -> None:
        await stop.wait()
        first()

    return wait


async def _stop_at_signal(stop: trio.Event) -> None:
    """Requests in hand are answered first; a second signal does not wait for them."""
    async with trio.open_nursery() as nursery:
        if os.environ.get(SUPERVISED):
            nursery.start_soon(_stop_with_parent, stop)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                if stop.is_set():
                    os._exit(1)
                stop.set()


async def _stop_with_parent(stop: trio.Event) -> None:
    await trio.lowlevel.wait_readable(0)
    stop.set()
