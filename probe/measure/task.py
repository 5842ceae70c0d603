"""What is to be measured."""

from dataclasses import dataclass

from probe.catalogue.model import Catalogue, Endpoint, Target


@dataclass(frozen=True)
class Task:
    """One endpoint. `domains` are its platform's own, within which redirects are followed; None for a URL asked for by
    hand, whose redirects are followed wherever they lead. `roots` names a private authority."""

    target: Target
    platform: str | None = None
    service: str | None = None
    method: str = "GET"
    domains: tuple[str, ...] | None = None
    roots: str | None = None

    @classmethod
    def of(cls, endpoint: Endpoint, catalogue: Catalogue) -> "Task":
        platform = catalogue.platform(endpoint.platform)
        return cls(
            target=endpoint.target,
            platform=endpoint.platform,
            service=endpoint.service,
            method=endpoint.method,
            domains=platform.domains if platform else (),
            roots=endpoint.roots,
        )
