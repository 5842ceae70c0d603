"""Certificate authorities of the lab: one that its probes trust, and those of interception boxes, which nobody does."""

import datetime as dt
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from probe.lab.model import Certificate

_DAY = dt.timedelta(days=1)
_CHAIN_LENGTH = 100


class Authority:
    """A root and an intermediate that issues. One key serves everything: making keys is what costs time."""

    def __init__(self, root: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.root = root
        self._key = key
        self._issuing = self._sign(_name(f"{_common_name(root.subject)} R1"), root.subject, authority=True)

    @classmethod
    def create(cls, common_name: str) -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(common_name)
        return cls(_certificate(subject, subject, key, key, authority=True), key)

    @classmethod
    def load(cls, pem: bytes) -> Self:
        """From what `private_pem` wrote."""
        key = serialization.load_pem_private_key(pem, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("not an elliptic curve key")
        return cls(x509.load_pem_x509_certificate(pem), key)

    def private_pem(self) -> bytes:
        return self._key_pem() + self.public_pem()

    def public_pem(self) -> bytes:
        return self.root.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, kind: Certificate = "valid") -> bytes:
        """Key and chain, PEM, as a server loads them."""
        if kind == "unknown-issuer":
            return Authority.create("Unheard-of CA").issue(name)
        chain = self._chain(name, kind)
        return self._key_pem() + b"".join(c.public_bytes(serialization.Encoding.PEM) for c in chain)

    def _chain(self, name: str, kind: Certificate) -> list[x509.Certificate]:
        match kind:
            case "expired":
                return [self._leaf(name, ends=-30 * _DAY), self._issuing]
            case "wrong-name":
                return [self._leaf("default.hosting-cluster.net"), self._issuing]
            case "self-signed":
                return [_certificate(_name(name), _name(name), self._key, self._key, dns=name)]
            case "long-chain":
                return self._long_chain(name)
            case _:
                return [self._leaf(name), self._issuing]

    def _long_chain(self, name: str) -> list[x509.Certificate]:
        """Valid link by link, and absurd."""
        chain = [self._issuing]
        for number in range(2, _CHAIN_LENGTH):
            chain.insert(0, self._sign(_name(f"Lab Sub CA {number}"), chain[0].subject, authority=True))
        return [self._sign(_name(name), chain[0].subject, dns=name), *chain]

    def _leaf(self, name: str, ends: dt.timedelta = 80 * _DAY) -> x509.Certificate:
        return self._sign(_name(name), self._issuing.subject, dns=name, ends=ends)

    def _sign(
        self,
        subject: x509.Name,
        issuer: x509.Name,
        *,
        dns: str | None = None,
        ends: dt.timedelta = 80 * _DAY,
        authority: bool = False,
    ) -> x509.Certificate:
        return _certificate(subject, issuer, self._key, self._key, dns=dns, ends=ends, authority=authority)

    def _key_pem(self) -> bytes:
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def write_private(path: Path, pem: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(pem)
    return path


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    dns: str | None = None,
    ends: dt.timedelta = 80 * _DAY,
    authority: bool = False,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(min(now, now + ends) - 90 * _DAY)
        .not_valid_after(now + (3650 * _DAY if authority else ends))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(_usage(authority), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    if dns is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    """Common names hold 64 characters at most (X.520)."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _common_name(name: x509.Name) -> str:
    return str(name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
