"""One measurement of one endpoint: what was seen, where and when, and nothing concluded."""

import datetime as dt

import msgspec

from probe.wire.steps import AnyStep

SCHEMA = 1


class Network(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who the probe is, as far as it could be found out. Never an address."""

    asn: int | None = None
    country: str | None = None  # ISO 3166-1 alpha-2
    name: str | None = None
    resolver_asn: int | None = None  # of the resolver's egress
    vpn: bool | None = None  # suspected: a tunnel carries the traffic, or a VPN's network lets it out
    hosting: bool | None = None  # suspected: a network where servers live, and no subscribers


class AnchorSeen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one anchor answered: `right`, `wrong`, or `silent` with the failure that stopped it."""

    url: str
    operator: str
    seen: str
    failure: str | None = None
    issuer: str | None = None  # of a certificate that did not verify
    country: str | None = None  # of a domestic anchor


class Surroundings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands between the probe and the world in this round. Travels with each measurement, so that it can be
    judged again alone."""

    anchors: tuple[AnchorSeen, ...] = ()
    rewrite: tuple[str, ...] = ()  # what the resolver answers for a name that does not exist
    resolver_ok: bool | None = None  # the system's resolver answers neutral names
    private_neutral: bool = False  # neutral names resolve to private addresses: split horizon
    nat64: str | None = None  # DNS64's prefix
    ipv6: bool | None = None  # IPv6 works
    trusted_resolvers: bool | None = None  # at least one trusted resolver answers over HTTPS


class Measurement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`started_at` is UTC; `duration` in seconds. `endpoint` is the catalogue's URL, or the one asked for by hand."""

    id: str  # UUIDv7
    endpoint: str
    started_at: dt.datetime
    duration: float
    schema: int = SCHEMA
    platform: str | None = None
    service: str | None = None
    mode: str = "default"  # light, default, deep: how far the flow was to go
    network: Network = Network()
    surroundings: Surroundings | None = None
    agent: str | None = None  # name/version
    steps: tuple[AnyStep, ...] = ()
