"""The ingest application as a whole, in this process, with real files; its time is set by hand."""

import atexit
import datetime as dt
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import msgspec
import trio
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]

from probe.catalogue.geo import GeoTables
from probe.collector.accounts import Accounts
from probe.collector.config import CollectorConfig, parse_config
from probe.collector.documents import Documents
from probe.collector.ingest_app import IngestApplication, Parts
from probe.collector.ingest_decoding import Here
from probe.collector.ingest_desk import Desk
from probe.collector.ingest_metrics import IngestMetrics
from probe.collector.ingest_relay import Relay
from probe.collector.keys import found, online_key
from probe.collector.log import Entry
from probe.collector.log.sqlite import SqliteLog
from probe.wire.reports import Role

TURKISH, GERMAN, UNLISTED, LOOPBACK = "88.255.10.20", "193.159.1.2", "8.8.4.4", "127.0.0.1"
PROXY = "10.1.2.3"


class Still:
    """A clock that stands until it is set."""

    def __init__(self, now: dt.datetime) -> None:
        self._now = now

    def now(self) -> dt.datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def pass_by(self, **span: float) -> None:
        self._now += dt.timedelta(**span)

    async def sleep(self, seconds: float) -> None:
        until = self.monotonic() + seconds
        while self.monotonic() < until:  # noqa: ASYNC110 (the clock is set by the test)
            await trio.sleep(0.01)


class World:
    def __init__(self, config: CollectorConfig, parts: Parts, log: SqliteLog, documents: Documents) -> None:
        self.config = config
        self.clock = parts.clock
        self.accounts = parts.accounts
        self.documents = documents
        self.desk = parts.desk
        self.metrics = parts.metrics
        self.log = log
        self.app = IngestApplication(parts)

    def token(self, role: Role = "probe", steward: str | None = "Ayşe") -> str:
        return self.accounts.create(role, steward, self.clock.now())[1]

    async def ask(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        """One request from an address (Turkish unless `sender` says otherwise)."""
        transport = httpx.ASGITransport(self.app, client=(more.pop("sender", TURKISH), 40_000))
        headers = httpx.Headers(more.pop("headers", {}))
        if token:
            headers["authorization"] = f"Bearer {token}"
        async with httpx.AsyncClient(transport=transport, base_url="http://collector.example") as client:
            return await client.request(method, f"/api/v1{path}", headers=headers, **more)

    async def send(self, body: bytes, token: str | None, encoding: str = "identity", **more: Any) -> httpx.Response:
        headers = {"content-encoding": encoding, **more.pop("headers", {})}
        return await self.ask("POST", "/reports", token, content=body, headers=headers, **more)

    async def kept(self) -> list[Entry]:
        return await self.log.read(0, 1000)

    def rejected(self, reason: str) -> float:
        found = self.metrics.registry.get_sample_value("collector_report_rejections_total", {"reason": reason})
        return found or 0.0


@asynccontextmanager
async def opened_world(folder: Path, clock: Still, settings: str = "") -> AsyncIterator[World]:
    """`settings` are further lines of the configuration."""
    table = folder / "networks.mmdb"
    write_table(table)
    text = f"state: state\nurl: http://collector.example\ngeo: [{table}]\ntrusted_proxies: [10.0.0.0/8]\n{settings}"
    config = parse_config(text, folder / "collector.yaml")
    shutil.copytree(founded(clock.now()), config.state, dirs_exist_ok=True)
    metrics = IngestMetrics()
    async with AsyncExitStack() as stack:
        log = await SqliteLog.open(config.log_folder, writable=True, observe=metrics.committed)
        stack.push_async_callback(log.aclose)
        accounts = stack.enter_context(closing(Accounts.open(config.accounts_file)))
        documents = stack.enter_context(closing(Documents.open(config.documents_file)))
        tables = stack.enter_context(GeoTables.open(config.geo))
        desk = Desk(documents, clock)
        desk.look()
        parts = Parts(
            config=config,
            clock=clock,
            log=log,
            decoder=Here(),
            accounts=accounts,
            desk=desk,
            tables=tables,
            key=online_key(config),
            metrics=metrics,
            relay=Relay(None),
        )
        yield World(config, parts, log, documents)


@cache
def founded(now: dt.datetime) -> Path:
    """A state folder with keys and signed documents, to be copied: packing the catalogue takes its time."""
    folder = Path(tempfile.mkdtemp(prefix="founded-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config = parse_config("state: state\n", folder / "collector.yaml")
    found(config, folder / "catalogue.pem", now)
    return config.state


def write_table(path: Path) -> None:
    writer = MMDBWriter(4, "Test-Networks", languages=["en"])
    networks = {"88.255.0.0/16": ("TR", 9121, "Türk Telekom"), "193.159.0.0/16": ("DE", 3320, "Deutsche Telekom")}
    for network, (country, asn, name) in networks.items():
        facts = {"autonomous_system_number": asn, "autonomous_system_organization": name}
        writer.insert_network(IPSet([network]), {"country": {"iso_code": country}, **facts})
    writer.to_db_file(str(path))


def refusal(response: httpx.Response) -> tuple[str, str | None]:
    """The one line of a 4xx or 5xx, and the path of the fault."""
    body = msgspec.json.decode(response.content)
    assert "\n" not in body["error"]
    return body["error"], body.get("path")
