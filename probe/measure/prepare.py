"""From what a person asks for to the context of a round."""

import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from probe.catalogue.model import Catalogue, TrustedResolver
from probe.measure.context import BUSY_ENDPOINTS, Context, Timeouts
from probe.measure.pace import Pace
from probe.net.doh import TrustedConnection
from probe.net.meter import Account, Traffic
from probe.net.resolvers import is_stub, stub_uplinks, system_resolvers
from probe.net.tls import Roots
from probe.verdict.known import Library
from probe.wire.addresses import parse_address

STEP_SECONDS = 8.0  # the timeout of a connection step, which `step_seconds` replaces and the others follow


@dataclass(frozen=True)
class Wishes:
    """What may be chosen for a round. `resolvers` in place of the system's; `ca_file` in place of the pinned roots."""

    mode: str = "default"
    source: str | None = None
    resolvers: tuple[str, ...] = ()
    ca_file: Path | None = None
    step_seconds: float = STEP_SECONDS
    concurrency: int = BUSY_ENDPOINTS
    agent: str | None = None


@asynccontextmanager
async def prepared(
    wishes: Wishes,
    catalogue: Catalogue,
    library: Library,
    *,
    account: Account | None = None,
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
) -> AsyncIterator[Context]:
    """The context, whose connections to trusted resolvers are closed at the end. What is measured with it is charged
    to `account`. Raises RootsError."""
    roots = Roots.load(wishes.ca_file)
    private = {name: roots.with_private(pem) for name, pem in catalogue.roots.items()}
    trusted = tuple(_connection(resolver, roots, wishes.source) for resolver in catalogue.infrastructure.resolvers)
    resolvers = wishes.resolvers or system_resolvers()
    try:
        yield Context(
            roots=roots,
            infrastructure=catalogue.infrastructure,
            library=library,
            resolvers=resolvers,
            uplinks=stub_uplinks() if any(is_stub(resolver) for resolver in resolvers) else (),
            trusted=trusted,
            udp_resolver=_plain(catalogue.infrastructure.resolvers),
            private_roots=private,
            mode=wishes.mode,
            source=wishes.source,
            timeouts=Timeouts().scaled(wishes.step_seconds / STEP_SECONDS),
            pace=Pace(wishes.concurrency),
            agent=wishes.agent,
            now=now,
            traffic=Traffic(account),
        )
    finally:
        for connection in trusted:
            await connection.aclose()


def _connection(resolver: TrustedResolver, roots: Roots, source: str | None) -> TrustedConnection:
    return TrustedConnection(resolver.url, resolver.addresses, roots, source=source)


def _plain(resolvers: tuple[TrustedResolver, ...]) -> str | None:
    """An IPv4 address of a trusted resolver, to be asked over plain UDP."""
    addresses = [address for resolver in resolvers for address in resolver.addresses]
    return next((place for place in addresses if (parsed := parse_address(place)) and parsed.version == 4), None)
