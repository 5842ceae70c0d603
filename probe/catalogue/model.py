"""The catalogue as loaded and checked. YAML files are written by people: see `loader` for their strict form."""

from typing import Literal

import msgspec

Scheme = Literal["https", "http", "tcp", "tls", "dns", "quic"]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint's URL taken apart. `host` is an IDNA A-label name or an address literal without brackets."""

    url: str
    scheme: Scheme
    host: str
    port: int  # 53 for dns:, where it means nothing
    path: str = "/"  # with its query; for http and https


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is tested. Endpoints of a service with the same `group` are alternatives: the group fails only
    if all of them fail. `healthy` are the HTTP statuses that a source fixes; empty means any."""

    platform: str
    service: str
    target: Target
    source: str
    confidence: Literal["D", "C", "M"]  # vendor's or OONI's document; public code; memory
    group: str | None = None
    method: Literal["GET", "POST"] = "GET"  # POST sends an empty body
    healthy: tuple[int, ...] = ()
    roots: str | None = None  # a private root by name, beside the public ones
    note: str | None = None

    @property
    def url(self) -> str:
        return self.target.url


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """`sample` is how many endpoints a light round tests, rotating (None: all). The service is blocked when at least
    `blocked_share` of its tested groups are, partial when fewer but some are."""

    id: str
    endpoints: tuple[Endpoint, ...]
    sample: int | None = None
    blocked_share: float = 1.0


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """`domains` are the platform's own, by registrable suffix: a redirect within them is no block page."""

    id: str
    name: str
    services: tuple[Service, ...]
    domains: tuple[str, ...] = ()


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """A page with a known answer. For https any status over a valid certificate is right."""

    url: str
    operator: str
    status: int | None = None
    body: str | None = None  # the whole body, white space at its ends ignored
    title: str | None = None
    country: str | None = None  # domestic anchor of this country


class TrustedResolver(msgspec.Struct, frozen=True, kw_only=True):
    """DNS over HTTPS at pinned addresses, with the name that its certificate must have."""

    operator: str
    url: str
    addresses: tuple[str, ...]


class TracePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page that tells its visitor's address, in a line `ip=ADDRESS`, over HTTPS at pinned addresses."""

    operator: str
    url: str
    addresses: tuple[str, ...]


class WhoamiName(msgspec.Struct, frozen=True, kw_only=True):
    """A name that resolves to the address from which a resolver asked for it. With `resolver`, the URL of a trusted
    one, it is asked there, and tells the network of whoever asked (EDNS client subnet, RFC 7871)."""

    operator: str
    name: str
    qtype: Literal["A", "AAAA", "TXT"]
    resolver: str | None = None


class OriginZone(msgspec.Struct, frozen=True, kw_only=True):
    """Who announces a prefix, by DNS: reversed octets below `ipv4`, reversed nibbles below `ipv6`, `AS9121` below
    `names`."""

    operator: str
    ipv4: str
    ipv6: str
    names: str


class Infrastructure(msgspec.Struct, frozen=True, kw_only=True):
    """What is contacted beyond platforms. `neutral` are names that no censor minds, with a site over HTTPS each.
    `traces` and `whoami` tell a probe who it is; `origins` only where its owner agreed."""

    anchors: tuple[Anchor, ...]
    resolvers: tuple[TrustedResolver, ...]
    neutral: tuple[str, ...]
    reflectors: tuple[str, ...] = ()  # https URLs whose servers a blocked name may be sent to
    traces: tuple[TracePage, ...] = ()
    whoami: tuple[WhoamiName, ...] = ()
    origins: tuple[OriginZone, ...] = ()


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """`roots` are private certificate authorities by name, PEM."""

    version: str
    platforms: tuple[Platform, ...]
    infrastructure: Infrastructure
    roots: dict[str, str] = {}

    def platform(self, id: str) -> Platform | None:
        return next((platform for platform in self.platforms if platform.id == id), None)

    def endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(e for p in self.platforms for s in p.services for e in s.endpoints)


class CatalogueError(Exception):
    """A fault in a catalogue file or a target: says where, what and what to do, in one line."""


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """A marker of a block page or a forged answer. Fields and scopes as in OONI's blocking-fingerprints.

    `location` is `dns` (an address or a CNAME in the answer), `body`, `title`, `status`, `header.NAME`, or `url` (of
    any hop).
    `scope`: nat, isp, prod, inst, vbw, fp, injb, prov, and ours: opt-in.
    """

    name: str
    location: str
    pattern_type: Literal["full", "prefix", "contains", "regexp"]
    pattern: str
    scope: str
    confidence: int = 5  # 0 to 10, OONI's confidence_no_fp
    countries: tuple[str, ...] = ()
    asns: tuple[int, ...] = ()
    source: str = ""


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """`siblings`: each a set of ASNs that are one organisation. `zones`: IANA time zones by country, first the
    capital's or most populous. `networks`: an ISP's usual name by ASN. `hosting` and `vpn`: networks, by ASN, where
    servers live and where VPNs and anonymisers come out: none is an ISP's."""

    siblings: tuple[frozenset[int], ...] = ()
    zones: dict[str, tuple[str, ...]] = {}
    networks: dict[int, str] = {}
    hosting: dict[int, str] = {}
    vpn: dict[int, str] = {}
