"""TLS contexts of sites, made when first asked for."""

import ssl
from pathlib import Path

from probe.lab.authority import Authority, write_private
from probe.lab.model import Certificate


class Certificates:
    """`folder` holds one for the moment in which OpenSSL reads it: from nowhere else can it."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self._authority = authority
        self._folder = folder
        self._contexts: dict[tuple[str, Certificate], ssl.SSLContext] = {}

    def context(self, name: str, kind: Certificate = "valid") -> ssl.SSLContext:
        key = (name, kind)
        if key not in self._contexts:
            self._contexts[key] = self.make(name, kind)
        return self._contexts[key]

    def make(
        self, name: str, kind: Certificate = "valid", alpn: tuple[str, ...] = ("h2", "http/1.1")
    ) -> ssl.SSLContext:
        """A new one each time."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pem = write_private(self._folder / "issued.pem", self._authority.issue(name, kind))
        context.load_cert_chain(pem)
        pem.unlink()
        context.set_alpn_protocols(list(alpn))
        return context
