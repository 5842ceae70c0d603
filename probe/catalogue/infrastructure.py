"""What is contacted beyond platforms, checked: anchors, trusted resolvers, neutral names, reflectors, and what tells a
probe who it is."""

from probe.catalogue.forms import AnchorForm, InfrastructureForm, OriginForm, ResolverForm, TraceForm, WhoamiForm
from probe.catalogue.model import (
    Anchor,
    CatalogueError,
    Infrastructure,
    OriginZone,
    TracePage,
    TrustedResolver,
    WhoamiName,
)
from probe.catalogue.reading import convert
from probe.catalogue.targets import ascii_name, parse_target
from probe.wire.addresses import is_public, parse_address


def infrastructure_of(document: object, name: str) -> Infrastructure:
    """Raises CatalogueError at the first fault."""
    form = convert(document, InfrastructureForm, name)
    return Infrastructure(
        anchors=tuple(_anchor(anchor, f"{name}: anchors[{i}]") for i, anchor in enumerate(form.anchors)),
        resolvers=tuple(_resolver(resolver, f"{name}: resolvers[{i}]") for i, resolver in enumerate(form.resolvers)),
        neutral=tuple(_name(neutral.name, f"{name}: neutral[{i}].name") for i, neutral in enumerate(form.neutral)),
        reflectors=tuple(
            _url(reflector.url, ("https",), f"{name}: reflectors[{i}].url")
            for i, reflector in enumerate(form.reflectors)
        ),
        traces=tuple(_trace(trace, f"{name}: identity.traces[{i}]") for i, trace in enumerate(form.identity.traces)),
        whoami=tuple(
            _whoami(whoami, {resolver.url for resolver in form.resolvers}, f"{name}: identity.whoami[{i}]")
            for i, whoami in enumerate(form.identity.whoami)
        ),
        origins=tuple(_origin(zone, f"{name}: identity.origins[{i}]") for i, zone in enumerate(form.identity.origins)),
    )


def _anchor(form: AnchorForm, where: str) -> Anchor:
    url = _url(form.url, ("http", "https"), f"{where}.url")
    if url.startswith("http:") and form.status is None and form.body is None and form.title is None:
        raise CatalogueError(f"{where}: an http:// anchor needs its known answer: status, body or title")
    return Anchor(
        url=url, operator=form.operator, status=form.status, body=form.body, title=form.title, country=form.country
    )


def _resolver(form: ResolverForm, where: str) -> TrustedResolver:
    url, addresses = _url(form.url, ("https",), f"{where}.url"), _addresses(form.addresses, where)
    return TrustedResolver(operator=form.operator, url=url, addresses=addresses)


def _trace(form: TraceForm, where: str) -> TracePage:
    url, addresses = _url(form.url, ("https",), f"{where}.url"), _addresses(form.addresses, where)
    return TracePage(operator=form.operator, url=url, addresses=addresses)


def _whoami(form: WhoamiForm, trusted: set[str], where: str) -> WhoamiName:
    if form.resolver is not None and form.resolver not in trusted:
        raise CatalogueError(f"{where}.resolver: {form.resolver!r} is none of the trusted resolvers' URLs")
    name = _name(form.name, f"{where}.name")
    return WhoamiName(operator=form.operator, name=name, qtype=form.qtype, resolver=form.resolver)


def _origin(form: OriginForm, where: str) -> OriginZone:
    ipv4, ipv6 = _name(form.ipv4, f"{where}.ipv4"), _name(form.ipv6, f"{where}.ipv6")
    return OriginZone(operator=form.operator, ipv4=ipv4, ipv6=ipv6, names=_name(form.names, f"{where}.names"))


def _addresses(texts: tuple[str, ...], where: str) -> tuple[str, ...]:
    return tuple(_address(text, f"{where}.addresses[{i}]") for i, text in enumerate(texts))


def _address(text: str, where: str) -> str:
    address = parse_address(text)
    if address is None or not is_public(text):
        raise CatalogueError(f"{where}: {text!r} is not a public address")
    return str(address)


def _name(text: str, where: str) -> str:
    try:
        return ascii_name(text)
    except CatalogueError as error:
        raise CatalogueError(f"{where}: {error}") from None


def _url(text: str, schemes: tuple[str, ...], where: str) -> str:
    try:
        target = parse_target(text)
    except CatalogueError as error:
        raise CatalogueError(f"{where}: {error}") from None
    if target.scheme not in schemes:
        raise CatalogueError(f"{where}: {text!r}: must be {' or '.join(f'{scheme}://' for scheme in schemes)}")
    return target.url
