"""What the judge knows beside the measurement itself."""

import msgspec

from probe.catalogue.model import Catalogue
from probe.verdict.fingerprints import Fingerprints
from probe.wire.expectations import Expectation, Expectations


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """`public` says that the endpoint is the catalogue's, and so known to have a publicly valid certificate and public
    addresses. `domains` are the platform's own; `healthy` the statuses that a source fixes."""

    expectation: Expectation | None = None
    fingerprints: Fingerprints = Fingerprints()
    public: bool = False
    domains: tuple[str, ...] = ()
    healthy: tuple[int, ...] = ()


class Library:
    """Everything known of every endpoint: the catalogue, fingerprints and expectations."""

    def __init__(
        self,
        catalogue: Catalogue | None = None,
        fingerprints: Fingerprints | None = None,
        expectations: Expectations | None = None,
    ) -> None:
        self._fingerprints = fingerprints or Fingerprints()
        self._expectations = expectations.endpoints if expectations else {}
        platforms = catalogue.platforms if catalogue else ()
        self._domains = {platform.id: platform.domains for platform in platforms}
        listed = catalogue.endpoints() if catalogue else ()
        self._endpoints = {(endpoint.platform, endpoint.url): endpoint for endpoint in listed}

    def of(self, platform: str | None, url: str, expectation: Expectation | None = None) -> Known:
        """What is known of one endpoint. `expectation` came with the measurement itself, as OONI's control does."""
        endpoint = self._endpoints.get((platform or "", url))
        return Known(
            expectation=expectation or self._expectations.get(url),
            fingerprints=self._fingerprints,
            public=endpoint is not None,
            domains=self._domains.get(endpoint.platform, ()) if endpoint else (),
            healthy=endpoint.healthy if endpoint else (),
        )
