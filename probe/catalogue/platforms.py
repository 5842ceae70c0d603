"""One platform's file, checked: every endpoint a good URL, once, and in a group of its own service."""

from collections.abc import Iterator

from probe.catalogue.forms import EndpointForm, PlatformForm, ServiceForm
from probe.catalogue.model import CatalogueError, Endpoint, Platform, Service
from probe.catalogue.reading import convert, located
from probe.catalogue.targets import ascii_name, parse_target

_WITH_STATUS = ("http", "https")
_WITH_CERTIFICATE = ("https", "tls", "quic")


def platform_of(document: object, name: str, roots: frozenset[str], faults: list[str]) -> Platform | None:
    """The platform that the document describes, or None where it is not one; what is wrong is added to `faults`."""
    try:
        form = convert(document, PlatformForm, name)
    except CatalogueError as error:
        faults.append(str(error))
        return None
    found = len(faults)
    services = tuple(_services(form, name, roots, faults))
    if not form.services:
        faults.append(f"{name}: services: a platform needs at least one")
    faults.extend(_repeated(services, name))
    domains = tuple(_domains(form, name, faults))
    if len(faults) > found:
        return None
    return Platform(id=form.id, name=form.name, services=services, domains=domains)


def _services(form: PlatformForm, name: str, roots: frozenset[str], faults: list[str]) -> Iterator[Service]:
    for id, document in form.services.items():
        where = f"services.{id}"
        try:
            service = convert(document, ServiceForm, name, where)
        except CatalogueError as error:
            faults.append(str(error))
            continue
        if not service.endpoints:
            faults.append(f"{name}: {where}.endpoints: a service needs at least one")
        endpoints = []
        for index, item in enumerate(service.endpoints):
            try:
                endpoints.append(_endpoint(form.id, id, item, name, f"{where}.endpoints[{index}]", roots))
            except CatalogueError as error:
                faults.append(str(error))
        yield Service(
            id=id, endpoints=tuple(endpoints), sample=service.sample, blocked_share=float(service.blocked_share)
        )


def _endpoint(
    platform: str, service: str, document: object, name: str, where: str, roots: frozenset[str]
) -> Endpoint:
    form = convert(document, EndpointForm, name, where)
    try:
        target = parse_target(form.url)
    except CatalogueError as error:
        raise CatalogueError(f"{name}: {where}.url: {error}") from None
    if target.scheme not in _WITH_STATUS and (form.healthy or form.method != "GET"):
        raise CatalogueError(f"{name}: {where}: healthy and method belong to http:// and https:// only")
    if form.roots is not None and target.scheme not in _WITH_CERTIFICATE:
        raise CatalogueError(f"{name}: {where}.roots: {target.scheme}: shows no certificate")
    if form.roots is not None and form.roots not in roots:
        known = ", ".join(sorted(roots)) or "none"
        raise CatalogueError(f"{name}: {where}.roots: no file roots/{form.roots}.pem (known: {known})")
    return Endpoint(
        platform=platform,
        service=service,
        target=target,
        source=form.source,
        confidence=form.conf,
        group=form.group,
        method=form.method,
        healthy=form.healthy,
        roots=form.roots,
        note=form.note,
    )


def _repeated(services: tuple[Service, ...], name: str) -> Iterator[str]:
    """One URL twice, or one group in two services: neither would be counted as its author thought."""
    urls: dict[str, str] = {}
    groups: dict[str, str] = {}
    for service in services:
        for endpoint in service.endpoints:
            if endpoint.url in urls:
                yield located(name, f"services.{service.id}: duplicate endpoint {endpoint.url}, also in {urls[endpoint.url]}")
            urls.setdefault(endpoint.url, service.id)
            if endpoint.group is not None and groups.setdefault(endpoint.group, service.id) != service.id:
                other = groups[endpoint.group]
                yield located(name, f"services.{service.id}: group {endpoint.group!r} is also in {other}")


def _domains(form: PlatformForm, name: str, faults: list[str]) -> Iterator[str]:
    for index, domain in enumerate(form.domains):
        try:
            yield ascii_name(domain)
        except CatalogueError as error:
            faults.append(f"{name}: domains[{index}]: {error}")
