"""A folder of catalogue files as one document, so that it can be signed and sent; and back.

Packing is strict, as everything is that people write: what the folder lacks comes from the shipped catalogue. Reading
is lenient, since a probe may be older than the catalogue: a key, an entry or a file that it does not know is left out
and named. It is never lenient with an address or a name of a private network: such a bundle is refused whole.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from probe.catalogue.bundle_sieve import Sieve
from probe.catalogue.fingerprints import load_fingerprints, merge_fingerprints
from probe.catalogue.loader import (
    FINGERPRINTS,
    INFRASTRUCTURE,
    TABLES,
    certificates,
    default_catalogue_path,
    load_catalogue,
    platform_files,
)
from probe.catalogue.model import Catalogue, CatalogueError, Fingerprint, Platform, Tables
from probe.catalogue.reading import decode_text, read_bytes
from probe.catalogue.tables import load_tables
from probe.wire.signed import CatalogueBundle

MOST_FILES = 1000
MOST_PLATFORMS = 500
MOST_ENDPOINTS = 5000
LARGEST = 4 << 20  # characters of all files together

_PLATFORMS, _ROOTS = "platforms/", "roots/"


class Unpacked(NamedTuple):
    """`skipped` names what was left out because this version does not know it."""

    catalogue: Catalogue
    fingerprints: tuple[Fingerprint, ...]
    tables: Tables
    skipped: tuple[str, ...]


def packed(folder: Path, made_at: dt.datetime, expires_at: dt.datetime) -> CatalogueBundle:
    """The whole catalogue of the folder, checked. Raises CatalogueError (CatalogueFaults with everything wrong)."""
    shipped = default_catalogue_path()
    load_catalogue(folder)
    load_fingerprints(_own_or(folder, shipped, FINGERPRINTS))
    load_tables(_own_or(folder, shipped, TABLES))
    files = {f"{_PLATFORMS}{file.name}": _text(file) for file in platform_files(folder)}
    files |= {name: _text(_own_or(folder, shipped, name)) for name in (INFRASTRUCTURE, FINGERPRINTS, TABLES)}
    roots = [*(shipped / "roots").glob("*.pem"), *(folder / "roots").glob("*.pem")]
    files |= {f"{_ROOTS}{file.name}": _text(file) for file in roots}
    bundle = CatalogueBundle(version=_version(files), made_at=made_at, expires_at=expires_at, files=files)
    unpacked(bundle)
    return bundle


def decode_bundle(payload: bytes) -> CatalogueBundle:
    """Raises CatalogueError."""
    try:
        bundle = msgspec.json.decode(payload, type=CatalogueBundle)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CatalogueError(f"no bundle of a catalogue: {str(error)[:120]}") from None
    if bundle.made_at.tzinfo is None or bundle.expires_at.tzinfo is None:
        raise CatalogueError("the bundle has a time without a zone")
    return bundle


def unpacked(bundle: CatalogueBundle) -> Unpacked:
    """Raises CatalogueError where the bundle is too large, holds nothing to test, names anything private, or does not
    say in full what is contacted beyond platforms."""
    _check_size(bundle.files)
    sieve = Sieve()
    roots = _roots(bundle.files, sieve)
    platforms = _platforms(bundle.files, roots, sieve)
    if INFRASTRUCTURE not in bundle.files:
        raise CatalogueError(f"{INFRASTRUCTURE}: missing from the bundle")
    infrastructure = sieve.infrastructure(bundle.files[INFRASTRUCTURE], INFRASTRUCTURE)
    fingerprints = sieve.fingerprints(bundle.files.get(FINGERPRINTS, ""), FINGERPRINTS)
    tables = sieve.tables(bundle.files.get(TABLES, ""), TABLES)
    known = (INFRASTRUCTURE, FINGERPRINTS, TABLES)
    for name in bundle.files:
        if name not in known and not _is_ours(name):
            sieve.skip(f"{name}: unknown file")
    catalogue = Catalogue(version=bundle.version, platforms=platforms, infrastructure=infrastructure, roots=roots)
    if len(catalogue.endpoints()) > MOST_ENDPOINTS:
        raise CatalogueError(f"the bundle has more than {MOST_ENDPOINTS} endpoints")
    return Unpacked(catalogue, merge_fingerprints(fingerprints), tables, tuple(sieve.skipped))


def _own_or(folder: Path, shipped: Path, name: str) -> Path:
    return folder / name if (folder / name).exists() else shipped / name


def _text(file: Path) -> str:
    return decode_text(read_bytes(file, file.name), file.name)


def _version(files: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name, text in sorted(files.items()):
        raw = text.encode()
        digest.update(f"{name}\0{len(raw)}\0".encode())
        digest.update(raw)
    return digest.hexdigest()[:16]


def _check_size(files: Mapping[str, str]) -> None:
    if len(files) > MOST_FILES:
        raise CatalogueError(f"the bundle has more than {MOST_FILES} files")
    if sum(map(len, files.values())) > LARGEST:
        raise CatalogueError(f"the bundle is larger than {LARGEST >> 20} MiB")


def _is_ours(name: str) -> bool:
    return _stem(name, _PLATFORMS, ".yaml", ".yml") is not None or _stem(name, _ROOTS, ".pem") is not None


def _stem(name: str, folder: str, *suffixes: str) -> str | None:
    """The file's name without folder and suffix, where it lies in the folder itself and has one of the suffixes."""
    stem = name.removeprefix(folder)
    suffix = next((suffix for suffix in suffixes if stem.endswith(suffix)), None)
    return stem.removesuffix(suffix) if suffix and stem != name and "/" not in stem else None


def _roots(files: Mapping[str, str], sieve: Sieve) -> dict[str, str]:
    roots: dict[str, str] = {}
    for name in sorted(files):
        if (stem := _stem(name, _ROOTS, ".pem")) is not None:
            with sieve.tolerant():
                roots[stem] = certificates(files[name], name)
    return roots


def _platforms(files: Mapping[str, str], roots: Mapping[str, str], sieve: Sieve) -> tuple[Platform, ...]:
    names = [name for name in sorted(files) if _stem(name, _PLATFORMS, ".yaml", ".yml") is not None]
    if len(names) > MOST_PLATFORMS:
        raise CatalogueError(f"the bundle has more than {MOST_PLATFORMS} platforms")
    found: dict[str, Platform] = {}
    for name in names:
        platform = sieve.platform(files[name], name, roots)
        if platform is not None and found.setdefault(platform.id, platform) is not platform:
            sieve.skip(f"{name}: id: duplicate id {platform.id!r}")
    if not found:
        raise CatalogueError("the bundle holds no platform that can be tested")
    return tuple(found.values())
