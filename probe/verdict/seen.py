"""What a measurement saw of one host: its steps, sorted by what they were taken for.

A redirect leads to another host with steps of its own; nothing that happened to one hop is judged as another's.
"""

import functools
import ipaddress
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from probe.wire.addresses import is_address, is_bogon, parse_address
from probe.wire.measurement import Measurement, Surroundings
from probe.wire.steps import AnyStep, DnsStep, HttpStep, TcpStep, TlsStep
from probe.wire.vocabulary import Purpose

USER_PATH = frozenset({Purpose.TARGET, Purpose.OTHER_ADDRESS, Purpose.TRUSTED_ADDRESS})
_ADDRESS_TYPES = frozenset({"A", "AAAA", "ANY"})
_PORTS = {"https": 443, "http": 80, "tls": 443, "quic": 443, "dns": 53}
TIMEOUTS = frozenset({"generic_timeout_error", "timed_out"})


def unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def registrable(host: str) -> str:
    """The last two labels, three where the second is a short public one such as `co` or `com`. A guess without the
    public suffix list, used only to call two hosts neighbours."""
    labels = host.rstrip(".").lower().split(".")
    deep = len(labels) > 2 and len(labels[-2]) <= 3 and len(labels[-1]) == 2
    return ".".join(labels[-3:] if deep else labels[-2:])


class Hop:
    """One host of a measurement, the first or one that a redirect led to."""

    def __init__(
        self, url: str, steps: Sequence[AnyStep], surroundings: Surroundings | None, origin: str | None
    ) -> None:
        parts = urlsplit(url)
        self.url = url
        self.scheme = parts.scheme or "dns"
        self.host = (parts.hostname or parts.path).rstrip(".").lower()
        self.port = parts.port or _PORTS.get(self.scheme, 0)
        self.first = origin is None
        self.origin = origin or self.host  # the host that the measurement was about
        self.surroundings = surroundings or Surroundings()
        self.dns = [step for step in steps if isinstance(step, DnsStep)]
        self.tcp = [step for step in steps if isinstance(step, TcpStep)]
        self.tls = [step for step in steps if isinstance(step, TlsStep)]
        self.http = [step for step in steps if isinstance(step, HttpStep)]

    @functools.cached_property
    def is_literal(self) -> bool:
        return is_address(self.host)

    def queries(self, *purposes: Purpose) -> list[DnsStep]:
        """Questions about this host for its addresses."""
        return [
            step
            for step in self.dns
            if step.purpose in purposes and step.qtype in _ADDRESS_TYPES and step.name.rstrip(".").lower() == self.host
        ]

    @functools.cached_property
    def system(self) -> list[DnsStep]:
        return self.queries(Purpose.TARGET)

    @functools.cached_property
    def answers(self) -> tuple[str, ...]:
        """What the system's resolver said, at the first try."""
        return unique(answer for step in self.system for answer in step.answers)

    @functools.cached_property
    def repeated_answers(self) -> tuple[str, ...]:
        return unique(answer for step in self.queries(Purpose.REPEAT) for answer in step.answers)

    @functools.cached_property
    def trusted_answers(self) -> tuple[str, ...]:
        return unique(answer for step in self.queries(Purpose.TRUSTED) for answer in step.answers)

    @functools.cached_property
    def trusted_failures(self) -> tuple[str, ...]:
        """Answers of trusted resolvers that name no address, by resolvers that could be asked at all."""
        failures = [step.failure for step in self.queries(Purpose.TRUSTED) if step.failure]
        return unique(failure for failure in failures if failure.startswith("dns_"))

    @functools.cached_property
    def proved(self) -> frozenset[str]:
        """Addresses where a server showed a valid certificate for this host, if only when asked for another name."""
        ours = (step for step in self.tls if step.sni == self.host or step.purpose is Purpose.INNOCUOUS)
        return frozenset(step.address for step in ours if step.trusted)

    @functools.cached_property
    def connected(self) -> frozenset[str]:
        return frozenset(step.address for step in self.tcp if step.failure is None and step.port == self.port)

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
        return step.failure is None or address is None or address.version == 4 or self.surroundings.ipv6 is True

    def pages(self, *purposes: Purpose) -> list[HttpStep]:
        return [step for step in self.http if step.purpose in purposes]


def hops(measurement: Measurement) -> list[Hop]:
    """The measurement cut at its redirects. What follows a redirect's response belongs to the next hop."""
    url, steps, found = measurement.endpoint, list[AnyStep](), list[Hop]()

    def add(steps: list[AnyStep]) -> None:
        found.append(Hop(url, steps, measurement.surroundings, found[0].host if found else None))

    for step in measurement.steps:
        steps.append(step)
        if isinstance(step, HttpStep) and step.location and step.purpose in USER_PATH:
            add(steps)
            url, steps = step.location, []
    if steps or not found:
        add(steps)
    return found


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
