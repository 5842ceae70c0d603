"""What the judge knows beside the measurement itself."""

from collections.abc import Iterable

import msgspec

from probe.catalogue.model import Catalogue, Tables
from probe.verdict.fingerprints import Fingerprints
from probe.verdict.seen import host_of
from probe.wire.expectations import Expectation, Expectations
from probe.wire.measurement import Network


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """`public` says that the endpoint is the catalogue's, and so known to have a publicly valid certificate and public
    addresses. `domains` are the platform's own; `healthy` the statuses that a source fixes; `siblings` the sets of ASNs
    that are one organisation."""

    expectation: Expectation | None = None
    fingerprints: Fingerprints = Fingerprints()
    siblings: tuple[frozenset[int], ...] = ()
    public: bool = False
    domains: tuple[str, ...] = ()
    healthy: tuple[int, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the control found the host."""
        return self.expectation.addresses if self.expectation else ()

    def resolver_scope(self, network: Network) -> str | None:
        """`resolver` where the resolver is none of the ISP's: an ad blocker's or a company's own choice."""
        isp, resolver = network.asn, network.resolver_asn
        if isp is None or resolver is None or isp == resolver:
            return None
        return None if any({isp, resolver} <= asns for asns in self.siblings) else "resolver"


class Library:
    """Everything known of every endpoint: the catalogue, fingerprints, tables and expectations. `tables` speak of
    networks and countries."""

    def __init__(
        self,
        catalogue: Catalogue | None = None,
        fingerprints: Fingerprints | None = None,
        expectations: Expectations | None = None,
        tables: Tables | None = None,
    ) -> None:
        self._fingerprints = fingerprints or Fingerprints()
        self._expectations = expectations.endpoints if expectations else {}
        self.tables = tables or Tables()
        platforms = catalogue.platforms if catalogue else ()
        self._domains = {platform.id: platform.domains for platform in platforms}
        self._owners = {domain: platform.domains for platform in platforms for domain in platform.domains}
        listed = catalogue.endpoints() if catalogue else ()
        self._endpoints = {(endpoint.platform, endpoint.url): endpoint for endpoint in listed}

    def of(self, platform: str | None, url: str, expectation: Expectation | None = None) -> Known:
        """What is known of one endpoint. `expectation` came with the measurement itself, as OONI's control does."""
        endpoint = self._endpoints.get((platform or "", url))
        return Known(
            expectation=expectation or self._expectations.get(url),
            fingerprints=self._fingerprints,
            siblings=self.tables.siblings,
            public=endpoint is not None,
            domains=self._domains[endpoint.platform] if endpoint else self._owner(host_of(url)),
            healthy=endpoint.healthy if endpoint else (),
        )

    def _owner(self, host: str) -> tuple[str, ...]:
        """The domains of the platform that a host belongs to, asked for by hand or by OONI."""
        return next((self._owners[name] for name in _suffixes(host) if name in self._owners), ())


def _suffixes(host: str) -> Iterable[str]:
    labels = host.split(".")
    return (".".join(labels[start:]) for start in range(len(labels)))
