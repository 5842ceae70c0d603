"""Ed25519 signatures (RFC 8032) over documents, and the keys that make them.

A signature covers the payload's bytes as they travel. Keys are kept as PEM files (PKCS #8, unencrypted, readable by
their owner alone) and named by the first 16 hex digits of the SHA-256 of their 32 public bytes.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from probe.catalogue.model import CatalogueError
from probe.wire.signed import Signed

LARGEST_SIGNED = 16 << 20  # bytes of a signed document as it travels, payload escaped as a JSON text
_PUBLIC_SIZE = 32
_LARGEST_KEY_FILE = 16 << 10


class SignatureFault(CatalogueError):
    """A signature, a key or a signed document that does not hold: says which and why, in one line."""


class Keypair:
    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> Self:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises SignatureFault."""
        raw = _key_file(path)
        try:
            key = serialization.load_pem_private_key(raw, password=None)
        except TypeError:
            raise SignatureFault(f"{path}: the key is encrypted: decrypt it first (openssl pkey -in {path})") from None
        except (ValueError, UnsupportedAlgorithm):
            hint = "a public key, which cannot sign" if b"PUBLIC KEY" in raw else "no private key in PEM form"
            raise SignatureFault(f"{path}: {hint}: make one with `probe catalogue keys new`") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise SignatureFault(f"{path}: not an Ed25519 key: make one with `probe catalogue keys new`")
        return cls(key)

    def save(self, path: Path) -> None:
        """A new file, readable by its owner alone. Raises SignatureFault where there is a file already: a key that is
        written over cannot be had back."""
        pem = self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        create_file(path, pem, 0o600)

    @property
    def name(self) -> str:
        return key_name(self.public)

    def signature(self, payload: bytes) -> bytes:
        return self._private.sign(payload)


def create_file(path: Path, content: bytes, mode: int) -> None:
    """A file that was not there before, on disk when this returns. Raises SignatureFault."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise SignatureFault(f"{path}: exists already and is not written over: name another file") from None
    except OSError as error:
        raise SignatureFault(f"{path}: cannot be written: {error.strerror or error}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise SignatureFault(f"{path}: cannot be written: {error.strerror or error}") from None


def key_name(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]


def public_text(public: bytes) -> str:
    return base64.b64encode(public).decode("ascii")


def public_key(text: str) -> bytes:
    """The 32 bytes of a public key as documents write it, in base64. Raises SignatureFault."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != _PUBLIC_SIZE:
        raise SignatureFault(f"{text[:60]!r} is no public key: it is the base64 of {_PUBLIC_SIZE} bytes")
    return raw


def read_public(path: Path) -> bytes:
    """The public key in a file: as base64, in PEM form, or that of a private key. Raises SignatureFault."""
    raw = _key_file(path)
    if b"PRIVATE KEY" in raw:
        return Keypair.load(path).public
    if b"PUBLIC KEY" not in raw:
        try:
            return public_key(raw.decode("ascii", "replace").strip())
        except SignatureFault:
            raise SignatureFault(f"{path}: holds no public key, neither in base64 nor in PEM form") from None
    try:
        key = serialization.load_pem_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        raise SignatureFault(f"{path}: a broken public key") from None
    if not isinstance(key, Ed25519PublicKey):
        raise SignatureFault(f"{path}: not an Ed25519 key")
    return key.public_bytes_raw()


def sign(payload: bytes, key: Keypair) -> Signed:
    """`payload` is UTF-8 text, JSON in all our documents."""
    signature = base64.b64encode(key.signature(payload)).decode("ascii")
    return Signed(payload=payload.decode("utf-8"), key=key.name, signature=signature)


def opened(signed: Signed, publics: Iterable[bytes]) -> bytes:
    """The payload, signed by one of the keys. Raises SignatureFault."""
    named = [public for public in publics if key_name(public) == signed.key]
    if not named:
        raise SignatureFault(f"signed with the key {signed.key[:32]!r}, which is not accepted here")
    payload = signed.payload.encode("utf-8", "surrogatepass")
    if not any(_holds(public, signed.signature, payload) for public in named):
        raise SignatureFault(f"the signature by the key {signed.key!r} does not hold: the document was changed")
    return payload


def _holds(public: bytes, signature: str, payload: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(signature, validate=True), payload)
    except (ValueError, binascii.Error, InvalidSignature):
        return False
    return True


def encode_signed(signed: Signed) -> bytes:
    return msgspec.json.encode(signed) + b"\n"


def decode_signed(raw: bytes, what: str) -> Signed:
    """`what` names the document or its file in the SignatureFault that is raised."""
    if len(raw) > LARGEST_SIGNED:
        raise SignatureFault(f"{what}: larger than {LARGEST_SIGNED >> 20} MiB")
    try:
        return msgspec.json.decode(raw, type=Signed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise SignatureFault(f"{what}: no signed document") from None


def _key_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_KEY_FILE)
    except OSError as error:
        raise SignatureFault(f"{path}: cannot read the key: {error.strerror or error}") from None
