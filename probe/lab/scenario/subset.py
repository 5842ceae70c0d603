"""The part of the catalogue that a scenario's probes measure: few endpoints of each service, for quick rounds."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from probe.catalogue.model import Catalogue, Endpoint, Platform, Service
from probe.lab.scenario.model import Scenario

_GROUPS = 1  # of a service: what stops a service stops all of it,
_GROUPS_SHARED = 4  # but where a share is stopped the others must be seen


def subset(catalogue: Catalogue, scenario: Scenario) -> Catalogue:
    """Only what the scenario names, the events' services and platforms included."""
    shared = {
        service
        for event in scenario.events
        if event.share < 1
        for service in services_of(event.platforms, event.services, catalogue)
    }
    platforms = tuple(
        _platform(platform, scenario.subjects, shared)
        for platform in catalogue.platforms
        if platform.id in scenario.platform_ids
    )
    return msgspec.structs.replace(catalogue, platforms=platforms)


def write_catalogue(catalogue: Catalogue, folder: Path) -> Path:
    """As a folder for `--catalogue`; what it lacks comes from the shipped one. JSON is YAML too."""
    folder.mkdir()
    for platform in catalogue.platforms:
        (folder / f"{platform.id}.yaml").write_bytes(msgspec.json.encode(_form(platform)))
    return folder


def services_of(platforms: Iterable[str], services: Iterable[str], catalogue: Catalogue) -> tuple[str, ...]:
    """Each as `platform.service`; a platform stands for all of its own."""
    whole = [f"{p.id}.{s.id}" for p in catalogue.platforms if p.id in set(platforms) for s in p.services]
    return (*whole, *services)


def hosts_of(services: Iterable[str], catalogue: Catalogue, share: float = 1.0) -> tuple[str, ...]:
    """The hosts of that share of each service's endpoints, alternatives of one group together."""
    hosts: dict[str, None] = {}
    for platform in catalogue.platforms:
        for service in platform.services:
            if f"{platform.id}.{service.id}" in services:
                groups = _groups(service.endpoints)
                stopped = groups[: math.ceil(share * len(groups))]
                hosts.update(dict.fromkeys(endpoint.target.host for group in stopped for endpoint in group))
    return tuple(hosts)


def _platform(platform: Platform, subjects: Iterable[str], shared: set[str]) -> Platform:
    whole = platform.id in subjects
    services = tuple(
        _service(service, _GROUPS_SHARED if f"{platform.id}.{service.id}" in shared else _GROUPS)
        for service in platform.services
        if whole or f"{platform.id}.{service.id}" in subjects
    )
    return msgspec.structs.replace(platform, services=services)


def _service(service: Service, groups: int) -> Service:
    endpoints = [endpoint for group in _groups(service.endpoints)[:groups] for endpoint in group]
    return msgspec.structs.replace(service, endpoints=tuple(endpoints), sample=None)


def _groups(endpoints: Iterable[Endpoint]) -> list[list[Endpoint]]:
    groups: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        groups.setdefault(endpoint.group or endpoint.url, []).append(endpoint)
    return list(groups.values())


def _form(platform: Platform) -> dict[str, object]:
    """As a person would write the file."""
    services = {
        service.id: {
            "blocked_share": service.blocked_share,
            "endpoints": [dict(_endpoint(endpoint)) for endpoint in service.endpoints],
        }
        for service in platform.services
    }
    return {"id": platform.id, "name": platform.name, "domains": platform.domains, "services": services}


def _endpoint(endpoint: Endpoint) -> Iterator[tuple[str, object]]:
    yield from (("url", endpoint.url), ("source", endpoint.source), ("conf", endpoint.confidence))
    for key in ("group", "healthy", "roots", "note"):
        if value := getattr(endpoint, key):
            yield key, value
    if endpoint.method != "GET":
        yield "method", endpoint.method
