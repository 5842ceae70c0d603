"""The connection to the collector: directly or through a SOCKS5 proxy, and what it costs on the wire.

Bytes are counted below TLS, as the socket takes and gives them: handshakes, headers and all. What carries them is
estimated: a packet of 52 bytes of headers (IPv4, TCP with timestamps) for every 1,400 bytes, an acknowledgement for
every second one, and seven packets to open and close. Link headers and retransmissions are not in it.

A SOCKS5 proxy gets the collector's name, never an address of it, so names that only Tor knows work.
"""

import ipaddress
import os
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import trio

from probe.wire.addresses import parse_address

Meter = Callable[[int, int], None]  # bytes sent, bytes received

PACKET = 52  # bytes of IPv4 and TCP headers
_SEGMENT = 1400  # bytes of payload in a full packet
_OPENING, _CLOSING = 2 * PACKET + 16, 2 * PACKET  # sent; of the peer one packet less, and as many
_WRITTEN_AT_ONCE = 64 << 10  # bytes that must be taken within the time for one write
_Options = Iterable[Any]


class Wire(httpcore.AsyncNetworkBackend):
    """What httpcore connects with. `connects` counts connections that were made."""

    def __init__(
        self, meter: Meter, socks: httpcore.URL | None = None, auth: tuple[bytes, bytes] | None = None
    ) -> None:
        self._meter, self._socks, self._auth = meter, socks, auth
        self.connects = 0

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's)
        local_address: str | None = None,
        socket_options: _Options | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        via = (self._socks.host.decode(), self._socks.port or 1080) if self._socks else (host, port)
        with _mapped(httpcore.ConnectTimeout, httpcore.ConnectError), trio.fail_after(_limit(timeout)):
            stream = _Counted(await trio.open_tcp_stream(*via, local_address=local_address), self._meter)
            try:
                if self._socks is not None:
                    await _through_socks(stream, host, port, self._auth)
            except BaseException:
                await trio.aclose_forcefully(stream)
                raise
        self.connects += 1
        return _Stream(stream)


class _Counted(trio.abc.Stream):
    def __init__(self, stream: trio.SocketStream, meter: Meter) -> None:
        self.inner, self._meter = stream, meter
        self._open = True
        meter(_OPENING, _OPENING - PACKET)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._meter(_carried(len(data)), _acknowledged(len(data)))  # also where it fails: some of it went out
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self.inner.receive_some(max_bytes)
        self._meter(_acknowledged(len(data)), _carried(len(data)))
        return data

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self._meter(_CLOSING, _CLOSING)
        await self.inner.aclose()


def _carried(size: int) -> int:
    return size + PACKET * -(-size // _SEGMENT)


def _acknowledged(size: int) -> int:
    return PACKET * -(-size // (2 * _SEGMENT))


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, counted: _Counted, stream: trio.abc.Stream | None = None) -> None:
        self._counted, self._stream = counted, stream or counted
        self._refused: str | None = None

    def refuse(self, reason: str) -> None:
        """Nothing more is read."""
        self._refused = reason

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 (httpcore's)
        if self._refused is not None:
            raise httpcore.ReadError(self._refused)
        with _mapped(httpcore.ReadTimeout, httpcore.ReadError), trio.fail_after(_limit(timeout)):
            return bytes(await self._stream.receive_some(max_bytes))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 (httpcore's)
        """After a WriteError httpcore still reads: the answer may have come before the body was through."""
        for start in range(0, len(buffer), _WRITTEN_AT_ONCE):
            with _mapped(httpcore.WriteTimeout, httpcore.WriteError), trio.fail_after(_limit(timeout)):
                await self._stream.send_all(memoryview(buffer)[start : start + _WRITTEN_AT_ONCE])

    async def aclose(self) -> None:
        """At once: nothing that is still to be sent is waited for."""
        await trio.aclose_forcefully(self._stream)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's)
    ) -> httpcore.AsyncNetworkStream:
        secured = trio.SSLStream(self._stream, ssl_context, server_hostname=server_hostname, https_compatible=True)
        try:
            with _mapped(httpcore.ConnectTimeout, httpcore.ConnectError), trio.fail_after(_limit(timeout)):
                await secured.do_handshake()
        except BaseException:
            await self.aclose()
            raise
        return _Stream(self._counted, secured)

    def get_extra_info(self, info: str) -> Any:
        """An idle connection on which something can be read was closed by the server."""
        return self._counted.inner.socket.is_readable() if info == "is_readable" else None


def _limit(timeout: float | None) -> float:
    return float("inf") if timeout is None else timeout


@contextmanager
def _mapped(slow: type[Exception], broken: type[Exception]) -> Iterator[None]:
    try:
        yield
    except trio.TooSlowError as exc:
        raise slow("no answer in time") from exc
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as exc:
        raise broken(_cause(exc)) from exc


def _cause(exc: BaseException) -> str:
    """The reason in the library's words, without a host that may be an address."""
    root: BaseException = exc
    while isinstance(root, BaseExceptionGroup) or root.__cause__ is not None:
        root = root.exceptions[0] if isinstance(root, BaseExceptionGroup) else root.__cause__  # type: ignore[assignment]
    match root:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not valid: {root.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {(root.reason or 'closed').lower().replace('_', ' ')}"
        case socket.gaierror():
            return "its name cannot be resolved"
        case OSError():
            return os.strerror(root.errno).lower() if root.errno else "the connection failed"
    return "the connection broke"


# --- SOCKS5: RFC 1928, and RFC 1929 for a name and password ---

_REPLIES = {
    2: "the proxy does not allow it",
    3: "network unreachable from the proxy",
    4: "host unreachable from the proxy",
    5: "refused, as the proxy says",
    6: "expired on the way from the proxy",
}
_REST_OF_ADDRESS = {1: 4, 4: 16}


async def _through_socks(stream: _Counted, host: str, port: int, auth: tuple[bytes, bytes] | None) -> None:
    method = 2 if auth else 0
    await stream.send_all(bytes((5, 1, method)))
    if await _exactly(stream, 2) != bytes((5, method)):
        raise httpcore.ProxyError("it is no SOCKS5 proxy, or wants another authentication")
    if auth:
        await stream.send_all(b"\x01" + b"".join(bytes((len(part),)) + part for part in auth))
        if (await _exactly(stream, 2))[1]:
            raise httpcore.ProxyError("the proxy refuses the name and password")
    await stream.send_all(b"\x05\x01\x00" + _destination(host) + port.to_bytes(2))
    _, reply, _, kind = await _exactly(stream, 4)
    if reply:
        raise httpcore.ProxyError(_REPLIES.get(reply, f"the proxy failed (reply {reply})"))
    rest = _REST_OF_ADDRESS[kind] if kind in _REST_OF_ADDRESS else (await _exactly(stream, 1))[0]
    await _exactly(stream, rest + 2)


def _destination(host: str) -> bytes:
    match parse_address(host):
        case ipaddress.IPv4Address() as address:
            return b"\x01" + address.packed
        case ipaddress.IPv6Address() as address:
            return b"\x04" + address.packed
    name = host.encode("ascii")
    return b"\x03" + bytes((len(name),)) + name


async def _exactly(stream: _Counted, size: int) -> bytes:
    got = b""
    while len(got) < size:
        data = await stream.receive_some(size - len(got))
        if not data:
            raise httpcore.ProxyError("the proxy closed the connection")
        got += bytes(data)
    return got
