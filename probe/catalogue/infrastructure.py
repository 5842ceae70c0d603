"""What is contacted beyond platforms, checked: anchors, trusted resolvers, neutral names, reflectors."""

from probe.catalogue.forms import AnchorForm, InfrastructureForm, ResolverForm
from probe.catalogue.model import Anchor, CatalogueError, Infrastructure, TrustedResolver
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
    )


def _anchor(form: AnchorForm, where: str) -> Anchor:
    url = _url(form.url, ("http", "https"), f"{where}.url")
    if url.startswith("http:") and form.status is None and form.body is None and form.title is None:
        raise CatalogueError(f"{where}: an http:// anchor needs its known answer: status, body or title")
    return Anchor(
        url=url, operator=form.operator, status=form.status, body=form.body, title=form.title, country=form.country
    )


def _resolver(form: ResolverForm, where: str) -> TrustedResolver:
    addresses = tuple(_address(text, f"{where}.addresses[{i}]") for i, text in enumerate(form.addresses))
    return TrustedResolver(operator=form.operator, url=_url(form.url, ("https",), f"{where}.url"), addresses=addresses)


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
