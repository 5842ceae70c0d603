"""What arrives on a connection, counted where it leaves the kernel, below TLS and HTTP."""

from collections.abc import Callable
from typing import Protocol

import trio


class ByteStream(Protocol):
    """The seam between the steps: what TCP gives to TLS, and both to HTTP."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray: ...

    async def send_all(self, data: bytes) -> None: ...

    async def aclose(self) -> None: ...


class Meter:
    """A stream that counts: `received` bytes so far, `ended` once the peer closed. `heard` is called as bytes come."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.received = 0
        self.ended = False
        self.heard: Callable[[], None] | None = None

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        self.received += len(data)
        self.ended = not data
        if data and self.heard is not None:
            self.heard()
        return data

    async def send_all(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def aclose(self) -> None:
        """At once: nothing that is still to be sent is waited for."""
        with trio.CancelScope() as scope:
            scope.cancel()
            await self._stream.aclose()
