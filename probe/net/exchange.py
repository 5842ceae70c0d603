"""HTTP over one finished connection: httpx's messages, httpcore's protocols, and no socket but the one given.

httpx would resolve, connect and verify by itself; here each of these is a step of its own, pinned to one address.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import httpcore
import httpx
import trio

from probe.net.meter import ByteStream


class Enough(Exception):
    """Raised where more would be read of a response of which there is enough: it unwinds the protocol in order."""


class Exchange(httpx.AsyncBaseTransport):
    """`h2` is asked by many tasks at a time, HTTP/1.1 by one. Raises what trio and httpcore raise, unmapped."""

    def __init__(self, stream: ByteStream, url: httpx.URL, *, http2: bool) -> None:
        self.wire = _Wire(stream)
        origin = httpcore.Origin(url.raw_scheme, url.raw_host, url.port or {"http": 80}.get(url.scheme, 443))
        protocol = httpcore.AsyncHTTP2Connection if http2 else httpcore.AsyncHTTP11Connection
        self._connection = protocol(origin, self.wire)
        self._origin = origin

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        target = httpcore.URL(
            scheme=self._origin.scheme, host=self._origin.host, port=self._origin.port, target=request.url.raw_path
        )
        sent = httpcore.Request(request.method, target, headers=request.headers.raw, content=_Whole(request.content))
        answer = await self._connection.handle_async_request(sent)
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    async def aclose(self) -> None:
        await self.wire.aclose()


class _Whole:
    """A request's body in one piece. No generator, which a failed write would leave half done."""

    def __init__(self, content: bytes) -> None:
        self._pieces = iter((content,) if content else ())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._answer.stream:  # type: ignore[union-attr]
            yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()


class _Wire(httpcore.AsyncNetworkStream):
    """Set `enough` to have the next read raise; `heard` is called when the peer's first bytes are there."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.enough = False
        self.heard: Callable[[], None] | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109 (httpcore's)
        if self.enough:
            raise Enough
        data = await self._stream.receive_some(max_bytes)
        if data and self.heard is not None:
            self.heard()
        return bytes(data)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        try:
            await self._stream.send_all(buffer)
        except trio.BrokenResourceError as exc:
            raise httpcore.WriteError from exc  # after which HTTP/1.1 still reads: the answer may have come first

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:  # noqa: ARG002
        return None
