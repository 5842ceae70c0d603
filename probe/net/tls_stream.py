"""TLS over `ssl.MemoryBIO`: this module, not the library, moves the bytes, so it sees when each flight comes and how
much of it, sends any server name or none, and can cut the ClientHello in two.

Nothing is verified here. A client that does not verify sends no alert and sees a forger's whole chain; the chain is
judged afterwards (`chain`). Whatever is sent to a server that was not proven must hold no secret.
"""

import _ssl
import functools
import ssl
from collections.abc import Callable
from typing import Any

import trio

from probe.net.meter import ByteStream, Meter

_READ = 65536
_SPLIT_PAUSE = 0.02  # seconds between the halves of a split ClientHello
_SMALL_CIPHERS = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
_GROUPS = "X25519:P-256:P-384"


@functools.lru_cache(maxsize=16)
def context_for(alpn: tuple[str, ...], profile: str) -> ssl.SSLContext:
    """Cheap because it holds no roots: loading them is what makes a context cost 20 ms and more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if profile == "small":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_SMALL_CIPHERS)
        context.options |= ssl.OP_NO_TICKET
    elif alpn:
        context.set_alpn_protocols(list(alpn))
    if profile != "small" and ssl.OPENSSL_VERSION_INFO >= (3, 5):
        _one_classical_share(context)
    return context


def _one_classical_share(context: Any) -> None:
    """OpenSSL 3.5 also offers a share of 1,216 bytes, with which the hello needs two segments; before, X25519 was the
    only share. Where Python cannot name several groups (before 3.15) it has to be P-256, which RFC 8446 makes
    everyone speak: X25519 alone would exclude TLS 1.2 servers with an ECDSA certificate."""
    if hasattr(context, "set_groups"):
        context.set_groups(_GROUPS)
    else:
        context.set_ecdh_curve("prime256v1")


class TlsStream:
    """A peer's close is the end of the data, with or without its close_notify; an RST, an alert and a broken record
    raise `trio.BrokenResourceError` from the cause. Reading and writing may go on at the same time."""

    def __init__(self, stream: ByteStream, context: ssl.SSLContext, sni: str | None) -> None:
        self.meter = Meter(stream)
        self.hello_size: int | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=sni)
        self._sending = trio.Lock()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        while True:
            try:
                return self._tls.read(max_bytes or _READ)
            except ssl.SSLWantReadError:
                pass
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as exc:
                raise trio.BrokenResourceError from exc
            await self._flush()
            await self._feed()

    async def send_all(self, data: bytes) -> None:
        try:
            self._tls.write(data)
        except ssl.SSLError as exc:
            raise trio.BrokenResourceError from exc
        await self._flush()

    async def aclose(self) -> None:
        await self.meter.aclose()

    async def negotiate(self, cut: Callable[[bytes], int] | None = None) -> None:
        """The handshake; the ClientHello goes out in two segments, the first as long as `cut` says. Raises what ssl
        and trio raise."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await (self._flush() if self.hello_size else self._send_hello(cut))
                await self._feed()
            else:
                return await self._flush()

    async def _send_hello(self, cut: Callable[[bytes], int] | None) -> None:
        hello = self._outgoing.read()
        self.hello_size = len(hello)
        at = cut(hello) if cut is not None else 0
        if at:
            await self.meter.send_all(hello[:at])
            await trio.sleep(_SPLIT_PAUSE)
        await self.meter.send_all(hello[at:])

    async def _flush(self) -> None:
        async with self._sending:  # a reader may have a key update to send while a writer is at it
            if self._outgoing.pending:
                await self.meter.send_all(self._outgoing.read())

    async def _feed(self) -> None:
        data = await self.meter.receive_some(_READ)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    @property
    def alpn(self) -> str | None:
        return self._tls.selected_alpn_protocol()

    @property
    def version(self) -> str | None:
        return self._tls.version()

    @property
    def cipher(self) -> str | None:
        cipher = self._tls.cipher()
        return cipher[0] if cipher else None

    def chain(self) -> tuple[bytes, ...]:
        """The certificates that the server sent, DER, leaf first, whether or not they verify."""
        tls: Any = self._tls
        if hasattr(tls, "get_unverified_chain"):  # public from Python 3.13
            return tuple(tls.get_unverified_chain())
        certificates = tls._sslobj.get_unverified_chain() or ()
        return tuple(certificate.public_bytes(_ssl.ENCODING_DER) for certificate in certificates)
