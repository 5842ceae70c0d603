"""What comes out of a round, gathered for the summary. Steps are not kept, so that memory stays flat."""

from collections.abc import Iterator

from probe.catalogue.model import Catalogue, Endpoint
from probe.verdict.tally import tally_platform, tally_service
from probe.wire.verdicts import Tally, Verdict
from probe.wire.vocabulary import Outcome


class Results:
    """Verdicts by endpoint, and the tallies made of them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.verdicts: dict[str, dict[str, Verdict]] = {}  # by platform, then by URL
        self.typed: dict[str, Verdict] = {}

    def add(self, platform: str | None, url: str, verdict: Verdict) -> None:
        if platform is None:
            self.typed[url] = verdict
        else:
            self.verdicts.setdefault(platform, {})[url] = verdict

    def services(self) -> Iterator[Tally]:
        for platform in self._catalogue.platforms:
            verdicts = self.verdicts.get(platform.id, {})
            tallies = (tally_service(service, verdicts) for service in platform.services)
            yield from (tally for tally in tallies if tally is not None)

    def platforms(self) -> Iterator[Tally]:
        services = list(self.services())
        for platform in self._catalogue.platforms:
            own = [tally for tally in services if tally.platform == platform.id]
            if own:
                yield tally_platform(platform, own, self.verdicts[platform.id].values())

    def telling(self, tally: Tally) -> Verdict:
        """The surest verdict on an endpoint of this service by the technique that the tally names."""
        own = {endpoint.url for endpoint in self._catalogue.endpoints() if self._of(endpoint, tally)}
        verdicts = [verdict for url, verdict in self.verdicts[tally.platform].items() if url in own]
        return max(verdicts, key=lambda verdict: (verdict.technique == tally.technique, verdict.confidence))

    @staticmethod
    def _of(endpoint: Endpoint, tally: Tally) -> bool:
        return (endpoint.platform, endpoint.service) == (tally.platform, tally.service)

    def name(self, platform: str) -> str:
        found = self._catalogue.platform(platform)
        return found.name if found else platform

    @property
    def blocked(self) -> bool:
        every = [*self.typed.values(), *(verdict for group in self.verdicts.values() for verdict in group.values())]
        return any(verdict.outcome is Outcome.BLOCKED for verdict in every)

    @property
    def void(self) -> str | None:
        """The sentence that says why the network was not fit to measure, where it was not."""
        every = [*self.typed.values(), *(verdict for group in self.verdicts.values() for verdict in group.values())]
        found = next((verdict for verdict in every if verdict.outcome is Outcome.VOID), None)
        return found.evidence[0].text if found else None
