"""The lab's world as the internet has it: trusted resolvers, anchors and the hosts of a catalogue, all healthy, on
addresses from the networks where the real ones are."""

import ipaddress
from collections.abc import Iterable, Iterator
from typing import cast
from urllib.parse import urlsplit

import msgspec

from probe.catalogue.model import Anchor, Catalogue, Endpoint, Infrastructure, TrustedResolver
from probe.lab.model import WEB, Content, DnsOverHttps, Origin, Page, Protocol, Resolver, Site, Visitor, World
from probe.wire.addresses import is_address

_ORIGINS = (
    Origin(prefix="88.255.0.0/16", asn=9121, country="TR", name="TTNET"),
    Origin(prefix="195.175.0.0/16", asn=9121, country="TR", name="TTNET"),
    Origin(prefix="78.160.0.0/11", asn=47331, country="TR", name="TTNET"),
    Origin(prefix="176.216.0.0/14", asn=15897, country="TR", name="VODAFONETURKEY"),
    Origin(prefix="178.240.0.0/13", asn=16135, country="TR", name="TURKCELL"),
    Origin(prefix="212.253.0.0/16", asn=34984, country="TR", name="SUPERONLINE"),
    Origin(prefix="113.64.0.0/11", asn=4134, country="CN", name="CHINANET-BACKBONE"),
    Origin(prefix="119.144.0.0/14", asn=4134, country="CN", name="CHINANET-BACKBONE"),
    Origin(prefix="87.128.0.0/10", asn=3320, country="DE", name="DTAG"),
    Origin(prefix="217.224.0.0/11", asn=3320, country="DE", name="DTAG"),
    Origin(prefix="94.140.14.0/24", asn=212772, country="CY", name="ADGUARD"),
    Origin(prefix="104.244.42.0/24", asn=13414, country="US", name="TWITTER"),
    Origin(prefix="157.240.0.0/16", asn=32934, country="US", name="FACEBOOK"),
    Origin(prefix="142.250.0.0/15", asn=15169, country="US", name="GOOGLE"),
    Origin(prefix="8.8.8.0/24", asn=15169, country="US", name="GOOGLE"),
    Origin(prefix="149.154.160.0/20", asn=62041, country="GB", name="TELEGRAM"),
    Origin(prefix="1.1.1.0/24", asn=13335, country="AU", name="CLOUDFLARENET"),
    Origin(prefix="2a01:358::/32", asn=9121, country="TR", name="TTNET"),
    Origin(prefix="240e::/18", asn=4134, country="CN", name="CHINANET-BACKBONE"),
    Origin(prefix="9.9.9.0/24", asn=19281, country="US", name="QUAD9"),
    Origin(prefix="151.101.0.0/16", asn=54113, country="US", name="FASTLY"),
)
_META = "157.240.0.0/16"
_RANGES = {
    "x": "104.244.42.0/24",
    "facebook": _META,
    "messenger": _META,
    "instagram": _META,
    "threads": _META,
    "whatsapp": _META,
    "youtube": "142.250.0.0/15",
    "google-meet": "142.250.0.0/15",
    "Google": "142.250.0.0/15",
    "telegram": "149.154.160.0/20",
}
_DOMESTIC_RANGES = {"CN": "119.144.0.0/14"}
_ELSEWHERE = "151.101.0.0/16"
_PAGE_SIZE = 100_000  # past what filters let through before they cut


class _Hosts:
    """Hosts as they come up, each with an address of its own and what its endpoints ask of it."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._sites: dict[str, Site] = {}
        self._next: dict[str, int] = {}
        self._taken = set(taken)

    def add(self, host: str, prefix: str, ports: dict[int, Protocol], pages: dict[str, Content]) -> None:
        site = self._sites.get(host)
        if site is None:
            address = host if is_address(host) else self._address(prefix)
            site = Site(name=host, addresses=(address,), ports={})
        ports, pages = _merged(site.ports, ports), {**pages, **site.pages}
        self._sites[host] = msgspec.structs.replace(site, ports=ports, pages=pages)

    def sites(self) -> tuple[Site, ...]:
        return tuple(self._sites.values())

    def _address(self, prefix: str) -> str:
        while True:
            self._next[prefix] = self._next.get(prefix, 0) + 1
            address = str(ipaddress.IPv4Network(prefix)[self._next[prefix]])
            if address not in self._taken:
                return address


def internet(
    catalogue: Catalogue,
    sites: Iterable[Site] = (),
    *,
    platforms: Iterable[str] | None = None,
    resolvers: Iterable[Resolver] = (),
) -> World:
    """A world in which every endpoint of these platforms (all where none are named) and all the infrastructure is
    healthy; `sites` and `resolvers` come beside it, and a site given replaces the catalogue's own of that name."""
    given = tuple(sites)
    wanted = None if platforms is None else set(platforms)
    hosts = _Hosts(_literals(catalogue))
    for anchor in catalogue.infrastructure.anchors:
        _add_anchor(hosts, anchor)
    for name in (*catalogue.infrastructure.neutral, *_hosts_of(catalogue.infrastructure.reflectors)):
        hosts.add(name, _ELSEWHERE, dict(WEB), {"/": Page(size=_PAGE_SIZE)})
    for endpoint in catalogue.endpoints():
        if wanted is None or endpoint.platform in wanted:
            _add_endpoint(hosts, endpoint)
    trusted = catalogue.infrastructure.resolvers
    replaced = {site.name for site in given}
    kept = (site for site in hosts.sites() if site.name not in replaced)
    return World(
        sites=(*kept, *(_over_https(resolver, catalogue.infrastructure) for resolver in trusted), *given),
        resolvers=(*(Resolver(addresses=resolver.addresses, delay=0.02) for resolver in trusted), *resolvers),
        names={"ipv4only.arpa": ("192.0.0.170", "192.0.0.171")},
        origins=_ORIGINS,
    )


def _add_anchor(hosts: _Hosts, anchor: Anchor) -> None:
    url = urlsplit(anchor.url)
    page = Page(status=anchor.status or 200, title=anchor.title or "", body=anchor.body)
    prefix = _DOMESTIC_RANGES.get(anchor.country or "") or _RANGES.get(anchor.operator, _ELSEWHERE)
    hosts.add(url.hostname or "", prefix, dict(WEB), {url.path or "/": page})


def _add_endpoint(hosts: _Hosts, endpoint: Endpoint) -> None:
    target = endpoint.target
    prefix = _RANGES.get(endpoint.platform, _ELSEWHERE)
    page = Page(status=endpoint.healthy[0] if endpoint.healthy else 200, size=_PAGE_SIZE)
    match target.scheme:
        case "https":
            hosts.add(target.host, prefix, {target.port: "https", 80: "http"}, {target.path: page})
        case "http":
            hosts.add(target.host, prefix, {target.port: "http"}, {target.path: page})
        case "tls" | "tcp":
            hosts.add(target.host, prefix, {target.port: cast("Protocol", target.scheme)}, {})
        case "dns" | "quic":
            hosts.add(target.host, prefix, {}, {})


def _over_https(resolver: TrustedResolver, infrastructure: Infrastructure) -> Site:
    """With the page that tells visitors who they are, where the operator has one there."""
    url = urlsplit(resolver.url)
    traces = [urlsplit(trace.url) for trace in infrastructure.traces]
    pages: dict[str, Content] = {trace.path: Visitor() for trace in traces if trace.hostname == url.hostname}
    pages[url.path] = DnsOverHttps(resolver=resolver.addresses[0])
    return Site(name=url.hostname or "", addresses=resolver.addresses, ports={443: "https"}, pages=pages)


def _merged(one: dict[int, Protocol], other: dict[int, Protocol]) -> dict[int, Protocol]:
    """HTTP over TLS says all that TLS alone does, and TLS all that TCP does."""
    rank = ["tcp", "tls", "http", "https"]
    merged = dict(one)
    for port, protocol in other.items():
        merged[port] = max(merged.get(port, protocol), protocol, key=rank.index)
    return merged


def _literals(catalogue: Catalogue) -> Iterator[str]:
    for endpoint in catalogue.endpoints():
        if is_address(endpoint.target.host):
            yield endpoint.target.host
    for resolver in catalogue.infrastructure.resolvers:
        yield from resolver.addresses


def _hosts_of(urls: Iterable[str]) -> Iterator[str]:
    return (urlsplit(url).hostname or "" for url in urls)
