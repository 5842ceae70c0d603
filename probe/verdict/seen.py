"""What a measurement saw of one host: its steps, sorted by what they were taken for.

A redirect leads to another host with steps of its own; nothing that happened to one hop is judged as another's.
"""

import functools
import ipaddress
from collections.abc import Iterable, Sequence
from urllib.parse import SplitResult, urlsplit

from probe.wire.addresses import is_address, is_bogon, parse_address, unsynthesised
from probe.wire.measurement import Measurement, Surroundings
from probe.wire.steps import AnyStep, DnsStep, HttpStep, TcpStep, TlsStep
from probe.wire.vocabulary import Failure, Purpose

USER_PATH = frozenset({Purpose.TARGET, Purpose.OTHER_ADDRESS, Purpose.TRUSTED_ADDRESS})
_ADDRESS_TYPES = frozenset({"A", "AAAA", "ANY"})
_PORTS = {"https": 443, "http": 80, "tls": 443, "quic": 443, "dns": 53}
TIMEOUTS = frozenset({"generic_timeout_error", "timed_out"})


def unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def split_url(url: str) -> SplitResult | None:
    """The URL's parts; None where it is none, as a lying probe or a censor may have it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    return None if port == 0 else parts


def host_of(url: str) -> str:
    """The host as it is asked for: an A-label name in lower case, or an address; empty where there is none."""
    parts = split_url(url)
    name = ((parts.hostname or parts.path) if parts else "").rstrip(".").lower()
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        return name


def registrable(host: str) -> str:
    """The last two labels, three where the second is a short public one such as `co` or `com`. A guess without the
    public suffix list, used only to call two hosts neighbours."""
    labels = host.rstrip(".").lower().split(".")
    deep = len(labels) > 2 and len(labels[-2]) <= 3 and len(labels[-1]) == 2
    return ".".join(labels[-3:] if deep else labels[-2:])


class Hop:
    """One host of a measurement, the first or one that a redirect led to."""

    def __init__(self, url: str, steps: Sequence[AnyStep], measurement: Measurement, origin: str | None) -> None:
        parts = split_url(url)
        self.url = url
        self.scheme = (parts.scheme if parts else "") or "dns"
        self.host = host_of(url)
        self.port = (parts.port if parts else None) or _PORTS.get(self.scheme, 0)
        self.first = origin is None
        self.origin = origin or self.host  # the host that the measurement was about
        self.surroundings = measurement.surroundings or Surroundings()
        self.network = measurement.network
        self.dns = [step for step in steps if isinstance(step, DnsStep)]
        self.tcp = [step for step in steps if isinstance(step, TcpStep)]
        self.tls = [step for step in steps if isinstance(step, TlsStep)]
        self.http = [step for step in steps if isinstance(step, HttpStep)]

    @functools.cached_property
    def is_literal(self) -> bool:
        return is_address(self.host)

    @property
    def neutral_sites_prove(self) -> bool:
        """Whether a neutral site showed a valid certificate in this round, or none was tried."""
        secure = [anchor for anchor in self.surroundings.anchors if anchor.url.startswith("https:")]
        return not secure or any(anchor.seen == "right" for anchor in secure)

    def queries(self, *purposes: Purpose) -> list[DnsStep]:
        """Questions about this host for its addresses."""
        return [
            step
            for step in self.dns
            if step.purpose in purposes and step.qtype in _ADDRESS_TYPES and step.name.rstrip(".").lower() == self.host
        ]

    @functools.cached_property
    def system(self) -> list[DnsStep]:
        """Questions to the system's resolvers: those about addresses that the probe could use, where there are any."""
        asked = self.queries(Purpose.TARGET)
        if self.surroundings.ipv6 is False:
            return [step for step in asked if step.qtype != "AAAA"] or asked
        return asked

    @functools.cached_property
    def answers(self) -> tuple[str, ...]:
        """What the system's resolver said, at the first try."""
        return self._told(self.system)

    @functools.cached_property
    def repeated_answers(self) -> tuple[str, ...]:
        return self._told(self.queries(Purpose.REPEAT))

    @functools.cached_property
    def trusted_answers(self) -> tuple[str, ...]:
        return self._told(self.queries(Purpose.TRUSTED))

    def _told(self, steps: Iterable[DnsStep]) -> tuple[str, ...]:
        return unique(self.real(answer) for step in steps for answer in step.answers)

    def real(self, address: str) -> str:
        """What an address stands for on a network with NAT64."""
        return unsynthesised(address, self.surroundings.nat64)

    @functools.cached_property
    def trusted_failures(self) -> tuple[str, ...]:
        """Answers of trusted resolvers that name no address, by resolvers that could be asked at all."""
        failures = [step.failure for step in self.queries(Purpose.TRUSTED) if step.failure]
        return unique(failure for failure in failures if failure.startswith("dns_"))

    @functools.cached_property
    def proved(self) -> frozenset[str]:
        """Addresses where a server showed a valid certificate for this host, if only when asked for another name."""
        ours = (step for step in self.tls if step.sni == self.host or step.purpose is Purpose.INNOCUOUS)
        return frozenset(self.real(step.address) for step in ours if step.trusted)

    @functools.cached_property
    def connected(self) -> frozenset[str]:
        reached = (step for step in self.tcp if step.failure is None and step.port == self.port)
        return frozenset(self.real(step.address) for step in reached)

    def among(self, step: TcpStep | TlsStep, honest: frozenset[str] | None) -> bool:
        """Whether the step went to one of these addresses; None stands for all."""
        return honest is None or self.real(step.address) in honest

    def handshakes(self, *purposes: Purpose) -> list[TlsStep]:
        """Handshakes with this host's own name and the ordinary ClientHello."""
        return [
            step
            for step in self.tls
            if step.purpose in purposes and step.port in {self.port, 443} and step.sni in {self.host, None}
        ]

    def connects(self, *purposes: Purpose) -> list[TcpStep]:
        return [step for step in self.tcp if step.purpose in purposes and step.port == self.port and self.counts(step)]

    def counts(self, step: TcpStep | TlsStep) -> bool:
        """Whether the step can tell anything: IPv6 where the probe has none cannot."""
        address = parse_address(step.address)
        if step.failure is None or address is None:
            return True
        if address.version == 4:  # an IPv6-only network routes to names alone, not to literals
            return not (self.surroundings.nat64 and step.failure == Failure.NETWORK_UNREACHABLE)
        return self.surroundings.ipv6 is True

    def pages(self, *purposes: Purpose) -> list[HttpStep]:
        return [step for step in self.http if step.purpose in purposes]


def hops(measurement: Measurement) -> list[Hop]:
    """The measurement cut at its redirects: a hop begins at the first step that is about the host that a redirect led
    to. A redirect that was not followed begins none."""
    url, steps, found = measurement.endpoint, list[AnyStep](), list[Hop]()

    def add(steps: list[AnyStep]) -> None:
        found.append(Hop(url, steps, measurement, found[0].host if found else None))

    location: str | None = None
    for step in measurement.steps:
        if location is not None and _begins(step, location, same=host_of(location) == host_of(url)):
            add(steps)
            url, steps, location = location, [], None
        steps.append(step)
        if isinstance(step, HttpStep) and step.purpose in USER_PATH:
            location = step.location
    add(steps)
    return found


def _begins(step: AnyStep, location: str, *, same: bool) -> bool:
    """Whether the step is an ordinary one, and the first at the host that a redirect led to. The same host is not
    asked for again: there the connection comes first."""
    if step.purpose is not Purpose.TARGET:
        return False
    match step:
        case DnsStep():
            return not same and step.name.rstrip(".").lower() == host_of(location)
        case TcpStep():
            return same or is_address(host_of(location))
        case TlsStep():
            return step.sni == host_of(location)
        case HttpStep():
            return step.url == location


def all_bogus(addresses: Iterable[str]) -> bool:
    listed = list(addresses)
    return bool(listed) and all(is_bogon(address) for address in listed)


def neighbours(left: Iterable[str], right: Iterable[str]) -> bool:
    """Whether any two share a /16 (IPv4) or /32 (IPv6): most likely nodes of one network, one of them unreachable."""
    networks = {_network(address) for address in left}
    return any(_network(address) in networks for address in right)


def _network(text: str) -> str:
    address = parse_address(text)
    if address is None:
        return text
    return str(ipaddress.ip_network((address, 16 if address.version == 4 else 32), strict=False))
