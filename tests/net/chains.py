"""Certificates as they are in the world, good and bad, strict and lax."""

import datetime as dt
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def new_key(kind: str = "ec") -> Key:
    return rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Identity:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def issue(
    common_name: str,
    issuer: Identity | None = None,
    *,
    ca: bool = False,
    names: tuple[str, ...] = (),
    start: dt.datetime = NOW - 30 * DAY,
    end: dt.datetime = NOW + 30 * DAY,
    key: Key | None = None,
    strict: bool = True,
    constraints: bool = True,
    usage: x509.ObjectIdentifier | None = None,
    serial: int | None = None,
) -> Identity:
    """`strict`: with key identifiers and key usage, as the CA/Browser Forum wants it."""
    key = key or new_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    extensions = _key_extensions(key, signer, ca=ca) if strict else []
    if ca and constraints:
        extensions.append((x509.BasicConstraints(ca=True, path_length=None), strict))
    if names:
        extensions.append((x509.SubjectAlternativeName([general_name(name) for name in names]), False))
    if usage is not None or (strict and not ca):
        extensions.append((x509.ExtendedKeyUsage([usage or ExtendedKeyUsageOID.SERVER_AUTH]), False))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Identity(builder.sign(signer, hashes.SHA256()), key)


def _key_extensions(key: Key, signer: Key, *, ca: bool) -> list[tuple[x509.ExtensionType, bool]]:
    usages = (not ca, False, False, False, False, ca, ca, False, False)
    return [
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
        (x509.KeyUsage(*usages), True),
    ]


def general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
