"""What a lab consists of, as data that travels to the processes inside it as one JSON file."""

from typing import Literal

import msgspec

Certificate = Literal["valid", "expired", "wrong-name", "self-signed", "unknown-issuer", "long-chain"]
Protocol = Literal["https", "http", "tls", "tcp", "silent", "noise", "sni-proxy"]


WEB: dict[int, Protocol] = {443: "https", 80: "http"}


class Page(msgspec.Struct, frozen=True, kw_only=True, tag="page"):
    """One response. `size` in bytes fills the body up where `body` is not given."""

    status: int = 200
    title: str = ""
    body: str | None = None
    size: int = 4096
    headers: tuple[tuple[str, str], ...] = ()


class Redirects(msgspec.Struct, frozen=True, kw_only=True, tag="redirects"):
    """`hops` redirects on the same site, then the page."""

    hops: int
    page: Page = Page()


class DnsOverHttps(msgspec.Struct, frozen=True, kw_only=True, tag="dns-over-https"):
    """RFC 8484, answered by the resolver that listens on this address."""

    resolver: str


class Visitor(msgspec.Struct, frozen=True, kw_only=True, tag="visitor"):
    """A page that tells its visitor's address, in a line `ip=ADDRESS`."""


Content = Page | Redirects | DnsOverHttps | Visitor


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A name and what answers for it. What `ports` does not list is closed. `pages` by path; every other path gets
    `content`, and clients of ISPs get `to_isps` where it is given. `rate` in bytes a second slows all that is sent.
    `published` are the addresses that resolvers give, where not all. A site named by an address answers to every Host.
    `strangers` is how a handshake for a name that nobody here has, or for none, is met; more connections than `at_once`
    are refused by a reset.
    """

    name: str
    addresses: tuple[str, ...]
    ports: dict[int, Protocol] = msgspec.field(default_factory=lambda: dict(WEB))
    certificate: Certificate = "valid"
    content: Content = Page()
    pages: dict[str, Content] = {}
    to_isps: Content | None = None
    rate: float | None = None
    published: tuple[str, ...] | None = None
    strangers: Literal["served", "closed", "reset", "alert"] = "served"
    at_once: int | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a resolver, or a forger, says to a question for an address. `truncated`: over UDP only, then the truth.
    `alias` stands before the addresses as a CNAME."""

    kind: Literal["address", "nxdomain", "refused", "servfail", "formerr", "no-answer", "timeout", "truncated"] = (
        "address"
    )
    addresses: tuple[str, ...] = ()
    alias: str | None = None


class Resolver(msgspec.Struct, frozen=True, kw_only=True):
    """`answers` by name; a key that begins with a dot holds for every name below it, `.` for every name at all.
    `rewrite` are the addresses given for names that do not exist. `delay` in seconds is the distance to it; questions
    of the types in `ignores` meet silence. With `dns64`, a /96, names without IPv6 addresses get some (RFC 6147)."""

    addresses: tuple[str, ...]
    answers: dict[str, Answer] = {}
    rewrite: tuple[str, ...] = ()
    duplicates: bool = False
    edns: Literal["understood", "formerr", "dropped"] = "understood"  # old forwarders and firewalls know none
    ignores: tuple[str, ...] = ()
    dns64: str | None = None
    delay: float = 0.01


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Who announces a prefix."""

    prefix: str
    asn: int
    country: str
    name: str


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Everything beyond the ISPs. `names` are further names with their addresses, beside the sites' own."""

    sites: tuple[Site, ...] = ()
    resolvers: tuple[Resolver, ...] = ()
    names: dict[str, tuple[str, ...]] = {}
    origins: tuple[Origin, ...] = ()

    def addresses(self, target: str) -> tuple[str, ...]:
        """Those of a name; an address or prefix is itself."""
        found = tuple(a for site in self.sites if site.name == target for a in site.addresses)
        return found or self.names.get(target) or (target,)

    def zone(self) -> dict[str, tuple[str, ...]]:
        zone: dict[str, tuple[str, ...]] = dict(self.names)
        for site in self.sites:
            published = site.addresses if site.published is None else site.published
            zone[site.name] = (*zone.get(site.name, ()), *published)
        return zone

    def site(self, name: str) -> Site:
        return next(site for site in self.sites if site.name == name)


class Isp(msgspec.Struct, frozen=True, kw_only=True):
    """A provider: the addresses of its customers, and the resolver that it hands them."""

    asn: int
    name: str
    country: str
    subnet: str  # IPv4, /24 or larger
    resolver: str
    ipv6: str = "2a01:358:4000::/64"
    resolver6: str | None = None  # the same resolver over IPv6, at an address that no other has
    domestic: tuple[str, ...] = ()  # prefixes that stay reachable when the country is cut off


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """A vantage point in a network that nobody censors, cabled to the world without a router of its own."""

    asn: int
    name: str
    country: str
    address: str
    gateway: str
    resolver: str
    address6: str | None = None


GERMANY = Control(
    asn=3320,
    name="Deutsche Telekom",
    country="DE",
    address="87.128.1.10",
    gateway="87.128.1.1",
    resolver="217.237.148.22",
    address6="2003:0:4000::10",
)
TURK_TELEKOM = Isp(
    asn=9121,
    name="Türk Telekom",
    country="TR",
    subnet="88.255.1.0/24",
    resolver="195.175.39.39",
    resolver6="2a01:358:4014::53",
    domestic=("88.255.0.0/16", "195.175.0.0/16", "212.175.0.0/16"),
)
CHINA_TELECOM = Isp(
    asn=4134,
    name="China Telecom",
    country="CN",
    subnet="113.64.1.0/24",
    resolver="119.147.1.53",
    ipv6="240e:1:4000::/64",
    resolver6="240e:1:4014::53",
    domestic=("113.64.0.0/11", "119.144.0.0/14"),
)


class LabError(Exception):
    """Why a lab cannot be built or used: one line that says what to do."""


class CommandFailed(LabError):
    """A command inside the lab took too long or ended badly: the lab itself is well."""
