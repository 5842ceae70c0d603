"""Who announces an address and in which country, by local tables in MaxMind's format: no question leaves the machine.

The layouts of GeoLite2, GeoIP2 (its anonymous-address table too), DB-IP and IPinfo are understood; several files
complete each other, and of two that answer the same the first named holds.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from probe.catalogue.model import CatalogueError
from probe.wire.addresses import embedded_ipv4, is_public, parse_address

if TYPE_CHECKING:
    from maxminddb import Reader

_TRIALS = ("1.1.1.1", "88.255.1.1", "151.101.1.1", "212.1.1.1", "2001:4860::1", "2a01:358::1", "240e::1")
_LONGEST_NAME = 80  # characters
_LARGEST_ASN = 4294967295
_BROKEN = (RuntimeError, ValueError, KeyError, IndexError)  # what the reader raises of a broken file is the first


class GeoError(CatalogueError):
    """A table that cannot be used: says which, why and what to do, in one line."""


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the tables say of an address. `hosting` and `vpn` only where a table speaks of such things."""

    asn: int | None = None
    country: str | None = None  # ISO 3166-1 alpha-2
    name: str | None = None  # of the network, as its registry has it
    hosting: bool | None = None
    vpn: bool | None = None


class GeoTable(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its own name for what it holds, and when it was made."""

    file: str
    kind: str
    made_at: dt.datetime


class GeoTables:
    """Close them, or use them as a context. Safe for use by several threads."""

    def __init__(self, readers: "Mapping[Path, Reader]") -> None:
        self._readers = tuple((reader, reader.metadata().ip_version) for reader in readers.values())
        self.tables = tuple(_described(path, reader) for path, reader in readers.items())

    @classmethod
    def open(cls, paths: Iterable[Path]) -> Self:
        """Raises GeoError for a file that is missing or no such table."""
        readers: dict[Path, Reader] = {}
        try:
            for path in paths:
                readers[path] = _opened(path)
        except GeoError:
            for reader in readers.values():
                reader.close()
            raise
        return cls(readers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for reader, _ in self._readers:
            reader.close()

    def locate(self, address: str) -> Place | None:
        """None where no table knows the address, and for what is no public address."""
        parsed = parse_address(address)
        if parsed is None or not is_public(address):
            return None
        looked_up = str(embedded_ipv4(parsed) or parsed)
        able = [reader for reader, version in self._readers if version == 6 or ":" not in looked_up]
        found = [place for reader in able if (place := _place(reader, looked_up)) is not None]
        return _merged(found) if found else None


def _opened(path: Path) -> "Reader":
    if path.is_dir():
        raise GeoError(f"{path}: a folder: name a table in it (.mmdb)")
    from maxminddb import open_database  # noqa: PLC0415 (35 ms that a round without tables does not need)

    try:
        reader = open_database(path)
        for address in _TRIALS:
            if ":" not in address or reader.metadata().ip_version == 6:
                reader.get(address)
    except FileNotFoundError:
        raise GeoError(f"{path}: no such file: name a table in MaxMind's format (.mmdb)") from None
    except OSError as error:
        raise GeoError(f"{path}: cannot be read: {error.strerror or error}") from None
    except _BROKEN:
        hint = ", unpack it first" if path.suffix in {".gz", ".zip", ".tar", ".tgz"} else ""
        raise GeoError(f"{path}: broken, or no table in MaxMind's format (.mmdb){hint or ': fetch it again'}") from None
    return reader


def _described(path: Path, reader: "Reader") -> GeoTable:
    facts = reader.metadata()
    made_at = dt.datetime.fromtimestamp(facts.build_epoch, dt.UTC)
    return GeoTable(file=path.name, kind=str(facts.database_type), made_at=made_at)


def _place(reader: "Reader", address: str) -> Place | None:
    """A table with a hole in it answers nothing there, and the others still do."""
    try:
        record = reader.get(address)
    except _BROKEN:
        return None
    return _read(record) if isinstance(record, dict) else None


def _merged(places: list[Place]) -> Place:
    facts: dict[str, Any] = {}
    for place in places:
        facts = {**msgspec.structs.asdict(place), **{key: value for key, value in facts.items() if value is not None}}
    return Place(**facts)


# --- what the publishers call it ---


def _read(record: dict[str, Any]) -> Place:
    """GeoIP2's larger tables keep the network's facts under `traits`."""
    traits = _mapping(record.get("traits"))
    flat = {**traits, **record}
    return Place(
        asn=_asn(flat.get("autonomous_system_number") or flat.get("asn")),
        country=_country(record),
        name=_name(flat.get("autonomous_system_organization") or flat.get("as_name") or flat.get("name")),
        hosting=_flag(flat, "is_hosting_provider", "hosting"),
        vpn=_flag(flat, "is_anonymous_vpn", "vpn"),
    )


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _asn(value: object) -> int | None:
    """A number, or `AS9121` as IPinfo writes it."""
    digits = value.upper().removeprefix("AS") if isinstance(value, str) else value
    try:
        number = int(digits) if isinstance(digits, int | str) else 0
    except ValueError:
        return None
    return number if 0 < number <= _LARGEST_ASN else None


def _country(record: dict[str, Any]) -> str | None:
    """Where the address is used, else where it is registered. IPinfo's `country` is a code in some of its tables and a
    name in others."""
    candidates = (
        _mapping(record.get("country")).get("iso_code"),
        record.get("country_code"),
        record.get("country"),
        _mapping(record.get("registered_country")).get("iso_code"),
    )
    return next((code for code in candidates if isinstance(code, str) and _is_code(code)), None)


def _is_code(text: str) -> bool:
    return len(text) == 2 and text.isascii() and text.isalpha() and text.isupper()


def _name(value: object) -> str | None:
    return value.strip()[:_LONGEST_NAME] or None if isinstance(value, str) else None


def _flag(record: dict[str, Any], *keys: str) -> bool | None:
    said = [record[key] for key in keys if key in record]
    return any(value in {True, "true", "1"} for value in said if isinstance(value, bool | str)) if said else None
