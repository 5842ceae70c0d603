"""Whether a server's certificate chain proves that it is who the name says, judged apart from the handshake.

OpenSSL verifies it (pyOpenSSL's `X509StoreContext`): it says what the usual clients say, apart from the name and with
a code that tells an unknown authority from an expired certificate. `cryptography.x509.verification` is 1.6 MiB smaller
and with relaxed policies nearly as lenient, but judges chain and name in one, reports its reason as prose only, and
refuses a root without basicConstraints or a leaf without alternative names. OpenSSL builds a path without going back,
100 deep at most, and the handshake takes 100 kB of certificates at most: the work is bounded whatever a server sends.
"""

import datetime as dt
import ipaddress
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import certifi
import msgspec
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

from probe.wire.addresses import Address, parse_address
from probe.wire.vocabulary import Failure

_LARGEST_FILE = 16 << 20  # bytes; all the public roots together are 0.3 MB
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

# X509_V_ERR_*: no path to a root, or (7, 29, 30) a path in name only, which is how a forger imitates an issuer.
_NO_PATH = frozenset({2, 7, 18, 19, 20, 21, 22, 27, 29, 30, 33})


class RootsError(Exception):
    """A file of root certificates that cannot be used: says which, why and what to do, in one line."""


class Roots:
    """The authorities that are trusted: public ones, and where an endpoint has one, its platform's own beside them."""

    def __init__(self, certificates: Sequence[crypto.X509]) -> None:
        self._certificates = tuple(certificates)
        self._latest: tuple[dt.datetime, crypto.X509Store] | None = None

    @classmethod
    def load(cls, ca_file: Path | None) -> Self:
        """The file's certificates (PEM) instead of certifi's, which all probes share. Raises RootsError."""
        path = ca_file or Path(certifi.where())
        try:
            with path.open("rb") as file:  # a device has no end
                pem = file.read(_LARGEST_FILE + 1)
        except OSError as exc:
            raise RootsError(f"{path}: {exc.strerror or exc}: name a readable file of PEM certificates") from exc
        if len(pem) > _LARGEST_FILE:
            raise RootsError(f"{path}: larger than {_LARGEST_FILE >> 20} MiB, which no file of certificates is")
        return cls(_certificates(pem, str(path)))

    def with_private(self, pem: str | bytes) -> "Roots":
        """These roots and the ones in the PEM text. Raises RootsError."""
        raw = pem.encode() if isinstance(pem, str) else pem
        return Roots((*self._certificates, *_certificates(raw, "private root")))

    def _store(self, moment: dt.datetime) -> crypto.X509Store:
        """Of that minute: a store keeps the first time that it was given, whatever it is given later."""
        minute = moment.astimezone(dt.UTC).replace(second=0, microsecond=0)
        if self._latest is not None and self._latest[0] == minute:
            return self._latest[1]
        store = crypto.X509Store()
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)  # whatever was given is trusted, as browsers do
        store.set_time(minute)
        for certificate in self._certificates:
            store.add_cert(certificate)
        self._latest = (minute, store)
        return store

    def failure_of(self, chain: Sequence[bytes], moment: dt.datetime) -> str | None:
        """What is wrong with the chain (DER, leaf first) at that moment, or None: `ssl_unknown_authority` or
        `ssl_invalid_certificate`. The order of what follows the leaf does not matter."""
        try:
            leaf, *others = [crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in chain]
            crypto.X509StoreContext(self._store(moment), leaf, others).verify_certificate()
        except crypto.X509StoreContextError as exc:
            return Failure.SSL_UNKNOWN_AUTHORITY if exc.errors[0] in _NO_PATH else Failure.SSL_INVALID_CERTIFICATE
        except (crypto.Error, ValueError):
            return Failure.SSL_INVALID_CERTIFICATE
        return None


def _certificates(pem: bytes, where: str) -> list[crypto.X509]:
    try:
        found = [crypto.load_certificate(crypto.FILETYPE_PEM, block) for block in _PEM.findall(pem)]
    except crypto.Error as exc:
        raise RootsError(
            f"{where}: a certificate in it is damaged: it must be PEM as its authority published it"
        ) from exc
    if not found:
        raise RootsError(f"{where}: no certificate in it: it must be PEM, with lines BEGIN CERTIFICATE")
    return found


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What a chain proves. `host_match` is judged for invalid chains too; None where the leaf cannot be read."""

    failure: str | None
    host_match: bool | None = None
    issuer: str | None = None
    not_after: str | None = None


def prove(chain: Sequence[bytes], name: str, roots: Roots, moment: dt.datetime) -> Proof:
    failure = roots.failure_of(chain, moment)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd about a certificate is no news for the terminal
            return _read(x509.load_der_x509_certificate(chain[0]), name, failure)
    except Exception:  # cryptography has many words for what cannot be read, without a common one
        return Proof(failure=failure or Failure.SSL_INVALID_CERTIFICATE)


def _read(leaf: x509.Certificate, name: str, failure: str | None) -> Proof:
    if failure is None and not _serves(leaf):
        failure = Failure.SSL_INVALID_CERTIFICATE
    return Proof(
        failure=failure,
        host_match=matches(leaf, name),
        issuer=leaf.issuer.rfc4514_string(),
        not_after=leaf.not_valid_after_utc.isoformat().replace("+00:00", "Z"),
    )


def _serves(leaf: x509.Certificate) -> bool:
    """Whether the leaf may speak for a server (extended key usage), which the store alone does not ask."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage


def matches(leaf: x509.Certificate, name: str) -> bool:
    """Whether the certificate is for that name or address literal (RFC 9525: alternative names only, `*` a whole
    leftmost label)."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    address = parse_address(name)
    if address is not None:
        return _has_address(names, address)
    return any(_dns_name_matches(pattern, name) for pattern in names.get_values_for_type(x509.DNSName))


def _has_address(names: x509.SubjectAlternativeName, address: Address) -> bool:
    return any(
        found == address
        for found in names.get_values_for_type(x509.IPAddress)
        if isinstance(found, ipaddress.IPv4Address | ipaddress.IPv6Address)
    )


def _dns_name_matches(pattern: str, name: str) -> bool:
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if not pattern.startswith("*."):
        return pattern == name
    label, dot, rest = name.partition(".")
    return bool(label and dot) and rest == pattern[2:] and "." in rest and "*" not in rest
