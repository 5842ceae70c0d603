"""The collector's two keys, and what they have to sign before the first probe comes.

The catalogue key says what probes may be asked to contact: it signs the catalogue and the key document, and belongs
offline. The online key lies beside the collector and signs what changes by the hour: leases and expectations. The key
document, signed with the catalogue key, names the online key, so that a stolen one can be revoked.
"""

import datetime as dt
from pathlib import Path

import msgspec

from probe.catalogue.bundle import decode_bundle, packed
from probe.catalogue.keyring import Keyring
from probe.catalogue.loader import default_catalogue_path
from probe.catalogue.model import CatalogueError
from probe.catalogue.signatures import Keypair, SignatureFault, decode_signed, public_text, sign
from probe.collector.config import CollectorConfig
from probe.collector.documents import Documents
from probe.wire.signed import KeyDocument, OnlineKey, Signed

DOCUMENTS_HOLD = dt.timedelta(days=400)  # catalogue and keys: signed again once a year


class NoKeys(CatalogueError):
    """The collector was not set up: says what to do."""


def online_key(config: CollectorConfig) -> Keypair:
    """Raises CatalogueError."""
    if not _is_there(config.online_key_file):
        raise NoKeys(f"{config.online_key_file}: no such key: run `probe collector init {config.file}`")
    return Keypair.load(config.online_key_file)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # a folder on the way to it is closed to this user
        raise SignatureFault(
            f"{path}: cannot be read: {error.strerror or error}: run this as the user that the collector runs as"
        ) from None


def found(config: CollectorConfig, catalogue_key: Path, now: dt.datetime) -> str:
    """Make the keys that are missing, then sign and publish key document and catalogue, with fresh dates. The name of
    the catalogue key. Raises CatalogueError, DocumentsFault."""
    has_a_place(catalogue_key)
    _make(config.state)
    owner = _key(catalogue_key)
    _make(config.online_key_file.parent)
    online = _key(config.online_key_file)
    documents = Documents.open(config.documents_file)
    try:
        before = documents.current("keys")
        document = _renewed(before.body if before else None, owner, online, now)
        signed = sign(msgspec.json.encode(document), owner)
        documents.publish("keys", signed, _version(now), document.expires_at)
        publish_catalogue(documents, owner, config.catalogue, now)
    finally:
        documents.close()
    return owner.name


def has_a_place(catalogue_key: Path) -> None:
    """The stick that is to hold the key may not be there: a folder made in its place would keep the key on the server.
    Raises SignatureFault."""
    folder = catalogue_key.absolute().parent
    if not _is_there(folder):
        raise SignatureFault(f"{catalogue_key}: there is no folder {folder}: mount what is to hold the key, or make it")


def publish_catalogue(documents: Documents, owner: Keypair, folder: Path | None, now: dt.datetime) -> None:
    """Pack the folder (the shipped catalogue where there is none), sign it and publish it."""
    bundle = packed(folder or default_catalogue_path(), now, now + DOCUMENTS_HOLD)
    documents.publish("catalogue", sign(msgspec.json.encode(bundle), owner), bundle.version, bundle.expires_at)


def publish_signed(documents: Documents, raw: bytes, what: str, now: dt.datetime) -> str:
    """Publish a catalogue or key document that was signed elsewhere, if a catalogue key that holds signed it. Which of
    both it was. `what` names it in the CatalogueError that is raised."""
    signed = decode_signed(raw, what)
    ring = keyring(documents)
    payload = ring.catalogue_payload(signed)
    if "files" in _fields(payload):
        bundle = decode_bundle(payload)
        if bundle.expires_at <= now:
            raise SignatureFault(f"{what}: expired on {bundle.expires_at:%Y-%m-%d}: sign it again")
        documents.publish("catalogue", signed, bundle.version, bundle.expires_at)
        return "catalogue"
    renewed = ring.after(signed, now)
    documents.publish("keys", signed, _version(renewed.made_at or now), now + DOCUMENTS_HOLD)
    return "keys"


def _fields(payload: bytes) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _version(made_at: dt.datetime) -> str:
    return made_at.astimezone(dt.UTC).isoformat(timespec="microseconds")


def keyring(documents: Documents) -> Keyring:
    """The keys that hold by the published key document. Raises NoKeys where there is none."""
    current = documents.current("keys")
    if current is None:
        raise NoKeys("this collector has no key document: run `probe collector init`")
    signed = decode_signed(current.body, "the key document")
    document = msgspec.json.decode(signed.payload, type=KeyDocument)
    return Keyring(
        catalogue=document.catalogue, online=document.online, revoked=document.revoked, made_at=document.made_at
    )


def invitation_key(documents: Documents) -> str:
    """The name of the catalogue key that invitations name: the one that signed the key document. Raises NoKeys."""
    keyring(documents)
    current = documents.current("keys")
    return msgspec.json.decode(current.body, type=Signed).key if current else ""


def online_publics(documents: Documents) -> tuple[bytes, ...]:
    """The keys with which leases may have been signed. Raises NoKeys."""
    return keyring(documents).online_keys()


def _key(path: Path) -> Keypair:
    if _is_there(path):
        return Keypair.load(path)
    key = Keypair.generate()
    key.save(path)
    return key


def _make(folder: Path) -> None:
    """For its owner alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SignatureFault(f"{folder}: cannot be made: {error.strerror or error}") from None


def _renewed(before: bytes | None, owner: Keypair, online: Keypair, now: dt.datetime) -> KeyDocument:
    """What the document before listed stays, so that successors and revocations are not forgotten."""
    expires = now + DOCUMENTS_HOLD
    old = KeyDocument(made_at=now, expires_at=expires, catalogue=())
    if before is not None:
        old = msgspec.json.decode(msgspec.json.decode(before, type=Signed).payload, type=KeyDocument)
    mine = OnlineKey(public=public_text(online.public), not_after=expires)
    others = tuple(key for key in old.online if key.public != mine.public and key.not_after > now)
    return KeyDocument(
        made_at=now,
        expires_at=expires,
        catalogue=tuple(dict.fromkeys((public_text(owner.public), *old.catalogue))),
        online=(mine, *others),
        revoked=old.revoked,
    )
