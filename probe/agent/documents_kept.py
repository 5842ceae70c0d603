"""Where a probe's documents come from: signed ones as they lie on disk and what they hold once checked; files.

Everything here is slow for an event loop (YAML, signatures, fsync): it is called in a thread.
"""

import datetime as dt
from pathlib import Path

import msgspec

from probe.agent.durable import StateError, read_small, write_durably
from probe.catalogue.bundle import Unpacked, decode_bundle, unpacked
from probe.catalogue.fingerprints import load_fingerprints
from probe.catalogue.keyring import Keyring
from probe.catalogue.loader import FINGERPRINTS, TABLES, default_catalogue_path, load_catalogue
from probe.catalogue.model import CatalogueError
from probe.catalogue.signatures import LARGEST_SIGNED, SignatureFault
from probe.catalogue.tables import load_tables
from probe.wire.codec import decode_expectations
from probe.wire.expectations import Expectations
from probe.wire.signed import ExpectationsDocument, Signed

FOLDER = "documents"
KINDS = ("keys", "catalogue", "expectations")


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One document as it came, with the version under which the collector served it. Of the keys alone: `keyring` is
    what they and all before them made of those that the owner had accepted, `accepted`."""

    signed: Signed
    version: str
    keyring: Keyring | None = None
    accepted: tuple[str, ...] = ()


class Downloaded(msgspec.Struct, frozen=True, kw_only=True):
    """A catalogue with the times and the key that came with it."""

    version: str
    made_at: dt.datetime
    expires_at: dt.datetime
    unpacked: Unpacked
    signed: Signed


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    made_at: dt.datetime
    expires_at: dt.datetime
    expectations: Expectations
    signed: Signed


def path_of(state: Path, kind: str) -> Path:
    return state / FOLDER / f"{kind}.json"


def read_kept(state: Path, kind: str) -> Kept | None:
    """None where nothing is kept. Raises StateError."""
    path = path_of(state, kind)
    raw = read_small(path, 2 * LARGEST_SIGNED)
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=Kept)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise StateError(f"{path}: broken") from None


def keep(state: Path, kind: str, kept: Kept) -> None:
    """Raises StateError."""
    write_durably(path_of(state, kind), msgspec.json.encode(kept))


def drop(state: Path, kind: str) -> None:
    path_of(state, kind).unlink(missing_ok=True)


def catalogue_in(signed: Signed, keyring: Keyring) -> Downloaded:
    """Raises CatalogueError: a signature that does not hold, or a bundle that is refused."""
    bundle = decode_bundle(keyring.catalogue_payload(signed))
    return Downloaded(
        version=bundle.version,
        made_at=bundle.made_at,
        expires_at=bundle.expires_at,
        unpacked=unpacked(bundle),
        signed=signed,
    )


def expectations_in(signed: Signed, keyring: Keyring, now: dt.datetime | None = None) -> Expected:
    """`now` for a download, whose key must hold today. Raises CatalogueError."""
    payload = keyring.online_payload(signed, now)
    try:
        document = msgspec.json.decode(payload, type=ExpectationsDocument)
        expectations = decode_expectations(document.expectations.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise SignatureFault(f"no expectations: {str(error)[:120]}") from None
    if document.made_at.tzinfo is None or document.expires_at.tzinfo is None:
        raise SignatureFault("the expectations have a time without a zone")
    return Expected(
        version=document.version,
        made_at=document.made_at,
        expires_at=document.expires_at,
        expectations=expectations,
        signed=signed,
    )


def checked_download(fresh: Downloaded | Expected, held: Downloaded | Expected | None, now: dt.datetime) -> None:
    """Raises CatalogueError where a download is expired, or older than what is held."""
    if fresh.expires_at <= now:
        raise CatalogueError(f"expired on {fresh.expires_at:%Y-%m-%d}")
    if held is not None and fresh.made_at < held.made_at:
        raise CatalogueError(f"of {fresh.made_at:%Y-%m-%d %H:%M}, older than the one of {held.made_at:%Y-%m-%d %H:%M}")


def from_files(path: Path) -> Unpacked:
    """A catalogue of files, with the shipped fingerprints and tables where it has none. Raises CatalogueError."""
    folder, shipped = path if path.is_dir() else path.parent, default_catalogue_path()

    def own_or_shipped(name: str) -> Path:
        return folder / name if path.is_dir() and (folder / name).exists() else shipped / name

    return Unpacked(
        catalogue=load_catalogue(path),
        fingerprints=load_fingerprints(own_or_shipped(FINGERPRINTS)),
        tables=load_tables(own_or_shipped(TABLES)),
        skipped=(),
    )
