"""What a bundle holds, without what this version does not know: the rest then passes the strict reading of files.

Unknown keys are dropped, an entry that cannot be read is left out, each with a line that says so. An entry that names a
private network is no matter of versions: `NotPublic` is raised and the bundle refused.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from probe.catalogue.fingerprints import fingerprints_document, fingerprints_of
from probe.catalogue.forms import (
    AnchorForm,
    EndpointForm,
    Form,
    IdentityForm,
    InfrastructureForm,
    NeutralForm,
    OriginForm,
    PlatformForm,
    ReflectorForm,
    ResolverForm,
    ServiceForm,
    TraceForm,
    WhoamiForm,
)
from probe.catalogue.infrastructure import infrastructure_of
from probe.catalogue.model import CatalogueError, Fingerprint, Infrastructure, Platform, Tables
from probe.catalogue.platforms import platform_of
from probe.catalogue.reading import convert, parse_yaml
from probe.catalogue.tables import tables_of
from probe.catalogue.targets import NotPublic, ascii_name, parse_target
from probe.wire.addresses import is_bogon

MOST_NODES = 100_000  # values in one file: YAML's aliases make much out of little
MOST_ENTRIES = 100  # of one kind of infrastructure
MOST_MARKERS = 20_000
MOST_SKIPPED = 200

_INFRASTRUCTURE: dict[str, type[Form]] = {
    "anchors": AnchorForm,
    "resolvers": ResolverForm,
    "neutral": NeutralForm,
    "reflectors": ReflectorForm,
}
_IDENTITY: dict[str, type[Form]] = {"traces": TraceForm, "whoami": WhoamiForm, "origins": OriginForm}
_NAMES = ("name", "ipv4", "ipv6", "names")  # keys of infrastructure that hold a domain name


class Sieve:
    """One bundle being read; `skipped` names what was left out."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def skip(self, line: str) -> None:
        if len(self.skipped) < MOST_SKIPPED:
            self.skipped.append(line)

    @contextmanager
    def tolerant(self) -> Iterator[None]:
        """What fails inside is left out, unless it names a private network."""
        try:
            yield
        except NotPublic:
            raise
        except CatalogueError as error:
            self.skip(str(error))

    def platform(self, text: str, name: str, roots: Collection[str]) -> Platform | None:
        with self.tolerant():
            form = self._known(_document(text, name), PlatformForm, name)
            for domain in _listed(form, "domains"):
                _refuse_private(ascii_name, domain, f"{name}: domains")
            services = form.get("services")
            form["services"] = {
                key: service
                for key, item in (services.items() if isinstance(services, dict) else ())
                if (service := self._service(item, f"{name}: services.{key}", roots)) is not None
            }
            faults: list[str] = []
            platform = platform_of(form, name, roots, faults)
            if platform is not None:
                return platform
            raise CatalogueError(faults[0])
        return None

    def _service(self, item: object, where: str, roots: Collection[str]) -> dict[str, Any] | None:
        with self.tolerant():
            form = self._known(item, ServiceForm, where)
            endpoints = [
                endpoint
                for index, entry in enumerate(_listed(form, "endpoints"))
                if (endpoint := self._endpoint(entry, f"{where}.endpoints[{index}]", roots)) is not None
            ]
            if endpoints:
                return {**form, "endpoints": endpoints}
            self.skip(f"{where}: no endpoint is left")
        return None

    def _endpoint(self, item: object, where: str, roots: Collection[str]) -> dict[str, Any] | None:
        with self.tolerant():
            form = self._known(item, EndpointForm, where)
            _refuse_private(parse_target, form.get("url"), f"{where}.url")
            faults: list[str] = []
            alone = {"id": "x", "name": "x", "services": {"x": {"endpoints": [form]}}}
            if platform_of(alone, where, roots, faults) is not None:
                return form
            raise CatalogueError(faults[0].replace(" services.x.endpoints[0]", ""))
        return None

    def infrastructure(self, text: str, name: str) -> Infrastructure:
        """Strict where nothing would be left: a probe must know in full what it may contact. Raises CatalogueError."""
        form = self._known(_document(text, name), InfrastructureForm, name)
        entries = {key: self._entries(form, key, kind, name) for key, kind in _INFRASTRUCTURE.items()}
        if "identity" in form:
            identity = self._known(form["identity"], IdentityForm, f"{name}: identity")
            entries["identity"] = {key: self._entries(identity, key, kind, name) for key, kind in _IDENTITY.items()}
        return infrastructure_of(entries, name)

    def _entries(self, form: dict[str, Any], key: str, kind: type[Form], name: str) -> Any:
        items = _listed(form, key)
        if len(items) > MOST_ENTRIES:
            raise CatalogueError(f"{name}: {key}: more than {MOST_ENTRIES} entries")
        found = [self._entry(item, kind, f"{name}: {key}[{index}]") for index, item in enumerate(items)]
        return [entry for entry in found if entry is not None]

    def _entry(self, item: object, kind: type[Form], where: str) -> dict[str, Any] | None:
        with self.tolerant():
            form = self._known(item, kind, where)
            for address in _listed(form, "addresses"):
                if is_bogon(str(address)):
                    raise NotPublic(f"{where}: {str(address)[:100]!r} is not a public address")
            if "url" in form:
                _refuse_private(parse_target, form["url"], where)
            for key in _NAMES:
                if key in form:
                    _refuse_private(ascii_name, form[key], where)
            convert(form, kind, where)
            return form
        return None

    def fingerprints(self, text: str, name: str) -> list[Fingerprint]:
        found: list[Fingerprint] = []
        with self.tolerant():
            document = fingerprints_document(text, name) if text else None
            rows = _listed(document, "fingerprints")
            if len(rows) > MOST_MARKERS:
                raise CatalogueError(f"{name}: more than {MOST_MARKERS} fingerprints")
            for index, row in enumerate(rows):
                with self.tolerant():
                    found += fingerprints_of({"fingerprints": [row]}, f"{name}[{index}]")
        return found

    def tables(self, text: str, name: str) -> Tables:
        with self.tolerant():
            if text:
                return tables_of(_document(text, name), name)
        return Tables()

    def _known(self, item: object, form: type[Form], where: str) -> dict[str, Any]:
        """The mapping without the keys that this version does not know."""
        if not isinstance(item, dict):
            raise CatalogueError(f"{where}: not a mapping")
        fields = form.__struct_fields__
        for key in item:
            if key not in fields:
                self.skip(f"{where}: unknown key {str(key)[:60]!r}")
        return {key: value for key, value in item.items() if key in fields}


def _document(text: str, name: str) -> object:
    document = parse_yaml(text, name)
    _count(document, [MOST_NODES], name)
    return document


def _count(item: object, left: list[int], name: str) -> None:
    """Each alias counts as what it stands for, so that no small file becomes a huge one."""
    left[0] -= 1
    if left[0] < 0:
        raise CatalogueError(f"{name}: more than {MOST_NODES} values")
    inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    for value in inner:
        _count(value, left, name)


def _listed(form: object, key: str) -> list[Any]:
    items = form.get(key) if isinstance(form, dict) else None
    return items if isinstance(items, list) else []


def _refuse_private(read: Any, text: object, where: str) -> None:
    """Raises NotPublic for a private address or name; whether the text is right otherwise is asked elsewhere."""
    try:
        read(text if isinstance(text, str) else "")
    except NotPublic as error:
        raise NotPublic(f"{where}: {error}") from None
    except CatalogueError:
        return
