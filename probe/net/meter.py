"""What arrives on a connection, counted where it leaves the kernel, below TLS and HTTP."""

from collections.abc import Callable
from typing import Protocol

import trio

_HEADERS = 52  # bytes of a packet's IP and TCP headers, IPv4 with timestamps
_SEGMENT = 1448  # bytes of payload in a full packet


class ByteStream(Protocol):
    """The seam between the steps: what TCP gives to TLS, and both to HTTP."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray: ...

    async def send_all(self, data: bytes) -> None: ...

    async def aclose(self) -> None: ...


class Account(Protocol):
    """What bytes are charged to."""

    def add(self, sent: int, received: int) -> None: ...


class Traffic:
    """Bytes on the wire, both ways, as a data budget counts them: what the kernel adds is estimated. `into` is a larger
    account that is charged too."""

    def __init__(self, into: Account | None = None) -> None:
        self.sent = self.received = 0
        self._into = into

    def add(self, sent: int, received: int) -> None:
        self.sent += sent
        self.received += received
        if self._into is not None:
            self._into.add(sent, received)

    def stream(self, sent: int = 0, received: int = 0) -> None:
        """Payload of a TCP connection, with its packets' headers; every second packet is acknowledged, either way."""
        out, back = -(-sent // _SEGMENT), -(-received // _SEGMENT)
        self.add(
            sent + (out + (back + 1) // 2) * _HEADERS,
            received + (back + (out + 1) // 2) * _HEADERS,
        )

    @property
    def total(self) -> int:
        return self.sent + self.received


class Meter:
    """A stream that counts: `received` bytes so far, `ended` once the peer closed. `heard` is called as bytes come;
    `traffic` is charged with them."""

    def __init__(self, stream: ByteStream, traffic: Traffic | None = None) -> None:
        self._stream = stream
        self.traffic = traffic or Traffic()
        self.received = 0
        self.ended = False
        self.heard: Callable[[], None] | None = None

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        self.received += len(data)
        self.traffic.stream(received=len(data))
        self.ended = not data
        if data and self.heard is not None:
            self.heard()
        return data

    async def send_all(self, data: bytes) -> None:
        self.traffic.stream(sent=len(data))
        await self._stream.send_all(data)

    async def aclose(self) -> None:
        """At once: nothing that is still to be sent is waited for."""
        with trio.CancelScope() as scope:
            scope.cancel()
            await self._stream.aclose()
