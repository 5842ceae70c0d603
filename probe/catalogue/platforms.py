"""One platform's file, checked: every endpoint a good URL, once, and in a group of its own service."""

from collections.abc import Collection, Iterable, Iterator
from typing import TypeVar

from probe.catalogue.forms import EndpointForm, PlatformForm, ServiceForm
from probe.catalogue.model import CatalogueError, Endpoint, Platform, Service
from probe.catalogue.reading import convert
from probe.catalogue.targets import ascii_name, parse_target

F = TypeVar("F")

_WITH_STATUS = ("http", "https")
_WITH_CERTIFICATE = ("https", "tls", "quic")


def platform_of(document: object, name: str, roots: Collection[str], faults: list[str]) -> Platform | None:
    """The platform that the document describes, or None where it is faulty; what is wrong is added to `faults`.
    `name` is the file's, `roots` the private authorities that there are."""
    reading = _Reading(name, roots)
    platform = reading.platform(document)
    faults += reading.faults
    return None if reading.faults else platform


class _Reading:
    """One file being read: its good endpoints with their paths in it, and what is wrong."""

    def __init__(self, name: str, roots: Collection[str]) -> None:
        self.name = name
        self.roots = roots
        self.places: list[tuple[str, Endpoint]] = []
        self.faults: list[str] = []

    def platform(self, document: object) -> Platform | None:
        form = self._converted(document, PlatformForm, "")
        if form is None:
            return None
        if not form.services:
            self._fault("services", "a platform needs at least one")
        services = [self._service(form.id, service, item) for service, item in form.services.items()]
        for at, fault in _repeated(self.places):
            self._fault(at, fault)
        domains = [self._domain(f"domains[{index}]", domain) for index, domain in enumerate(form.domains)]
        return Platform(
            id=form.id,
            name=form.name,
            services=tuple(service for service in services if service is not None),
            domains=tuple(domain for domain in domains if domain is not None),
        )

    def _service(self, platform: str, service: str, document: object) -> Service | None:
        where = f"services.{service}"
        form = self._converted(document, ServiceForm, where)
        if form is None:
            return None
        if not form.endpoints:
            self._fault(f"{where}.endpoints", "a service needs at least one")
        found = [
            self._endpoint(platform, service, f"{where}.endpoints[{index}]", item)
            for index, item in enumerate(form.endpoints)
        ]
        return Service(
            id=service,
            endpoints=tuple(endpoint for endpoint in found if endpoint is not None),
            sample=form.sample,
            blocked_share=float(form.blocked_share),
        )

    def _endpoint(self, platform: str, service: str, at: str, document: object) -> Endpoint | None:
        form = self._converted(document, EndpointForm, at)
        if form is None:
            return None
        try:
            endpoint = _endpoint(platform, service, form)
        except CatalogueError as error:
            self._fault(f"{at}.url", str(error))
            return None
        for key, fault in _misfits(endpoint, self.roots):
            self._fault(f"{at}{key}", fault)
        self.places.append((at, endpoint))
        return endpoint

    def _domain(self, at: str, text: str) -> str | None:
        try:
            return ascii_name(text)
        except CatalogueError as error:
            self._fault(at, str(error))
            return None

    def _converted(self, document: object, form: type[F], at: str) -> F | None:
        try:
            return convert(document, form, self.name, at)
        except CatalogueError as error:
            self.faults.append(str(error))
            return None

    def _fault(self, at: str, reason: str) -> None:
        self.faults.append(f"{self.name}: {at}: {reason}")


def _endpoint(platform: str, service: str, form: EndpointForm) -> Endpoint:
    return Endpoint(
        platform=platform,
        service=service,
        target=parse_target(form.url),
        source=form.source,
        confidence=form.conf,
        group=form.group,
        method=form.method,
        healthy=form.healthy,
        roots=form.roots,
        note=form.note,
    )


def _misfits(endpoint: Endpoint, roots: Collection[str]) -> Iterator[tuple[str, str]]:
    """Keys that mean nothing with the endpoint's scheme, or that name nothing."""
    scheme = endpoint.target.scheme
    if scheme not in _WITH_STATUS and endpoint.healthy:
        yield ".healthy", "only http:// and https:// have a status"
    if scheme not in _WITH_STATUS and endpoint.method != "GET":
        yield ".method", "only http:// and https:// have a method"
    if endpoint.roots is not None and scheme not in _WITH_CERTIFICATE:
        yield ".roots", f"{scheme}: shows no certificate"
    elif endpoint.roots is not None and endpoint.roots not in roots:
        yield ".roots", f"no file roots/{endpoint.roots}.pem (there are: {', '.join(sorted(roots)) or 'none'})"


def _repeated(places: Iterable[tuple[str, Endpoint]]) -> Iterator[tuple[str, str]]:
    """One URL twice, or one group in two services: neither would be counted as its author thought."""
    urls: dict[str, str] = {}
    groups: dict[str, str] = {}
    for at, endpoint in places:
        if endpoint.url in urls:
            yield f"{at}.url", f"duplicate endpoint {endpoint.url}, also at {urls[endpoint.url]}"
        urls.setdefault(endpoint.url, at)
        if endpoint.group is not None and groups.setdefault(endpoint.group, endpoint.service) != endpoint.service:
            other = groups[endpoint.group]
            yield (
                f"{at}.group",
                f"{endpoint.group!r} is a group of the service {other} already: a group has one service",
            )
