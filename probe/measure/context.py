"""What a round lends to each of its measurements. Nothing here is global."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

from probe.catalogue.model import Infrastructure
from probe.measure.pace import Pace
from probe.net.doh import TrustedConnection
from probe.net.meter import Traffic
from probe.net.tls import Roots
from probe.verdict.known import Library
from probe.wire.addresses import is_public, parse_address
from probe.wire.measurement import Network, Surroundings

BUSY_ENDPOINTS = 32


@dataclass(frozen=True)
class Timeouts:
    """Seconds, as 3-method fixes them. A repeated step gets half."""

    dns: float = 4.0
    tcp: float = 8.0
    tls: float = 8.0
    http_idle: float = 8.0
    http_whole: float = 20.0

    def scaled(self, factor: float) -> "Timeouts":
        return Timeouts(*(factor * value for value in (self.dns, self.tcp, self.tls, self.http_idle, self.http_whole)))


@dataclass(frozen=True)
class Context:
    """`resolvers` are the system's, in order; `trusted` those over HTTPS; `udp_resolver` is the trusted one that is
    asked over plain UDP. `now` is the wall clock, which may be a scenario's; `today` the machine's own, at which
    certificates must be valid. `allowed` tells which addresses may be connected to."""

    roots: Roots
    infrastructure: Infrastructure
    library: Library
    resolvers: tuple[str, ...]
    trusted: tuple[TrustedConnection, ...]
    udp_resolver: str | None
    reflectors: tuple[str, ...] = ()  # addresses that a blocked name may be sent to
    uplinks: tuple[str, ...] = ()  # what a stub among the resolvers forwards to
    hits: dict[str, tuple[float, str]] = field(default_factory=dict)  # by address: when which name's handshake failed
    private_roots: dict[str, Roots] = field(default_factory=dict)
    mode: str = "default"
    small: bool = True  # a round of few endpoints, which can afford facts beyond what the verdicts need
    source: str | None = None
    timeouts: Timeouts = Timeouts()
    pace: Pace = field(default_factory=lambda: Pace(BUSY_ENDPOINTS))
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    today: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    allowed: Callable[[str], bool] = is_public
    network: Network = field(default_factory=Network)
    surroundings: Surroundings | None = None
    agent: str | None = None
    traffic: Traffic = field(default_factory=Traffic)  # what all of it costs on the wire

    @property
    def ipv6(self) -> bool:
        return bool(self.surroundings and self.surroundings.ipv6)

    def source_for(self, address: str) -> str | None:
        """The configured source address, where it is of the family that the address needs."""
        source, target = parse_address(self.source or ""), parse_address(address)
        return self.source if source and target and source.version == target.version else None

    def roots_for(self, name: str | None) -> Roots:
        return self.private_roots.get(name or "", self.roots)
