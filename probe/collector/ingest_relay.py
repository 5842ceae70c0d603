"""Everything that is not ingest's own goes on to the web process, over a Unix socket, and back as it comes.

One port for all, and still two processes: only ingest reads the requests' heads, so that a client or a proxy may mix
both kinds on one connection. What it passes on is bounded in number, streamed in pieces, and never the sender's
address. An operator with many readers lets a reverse proxy send them to the web process's own port instead.
"""

from contextlib import aclosing
from pathlib import Path

import httpx
import trio
from starlette.types import Receive, Scope, Send

from probe.collector.ingest_refusals import Refusal, overloaded

_MOST_AT_ONCE = 200
_PATIENCE = 60.0  # seconds for the head of an answer
_METHODS = ("GET", "HEAD", "OPTIONS")
_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
_ABOUT_THE_SENDER = frozenset({b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via", b"cf-connecting-ip"})
_NOT_RELAYED = _HOP_BY_HOP | _ABOUT_THE_SENDER | {b"content-length"}


class Relay:
    """`socket` is the web process's; None where there is none, and then there is nothing here."""

    def __init__(self, socket: Path | None) -> None:
        self._room = trio.CapacityLimiter(_MOST_AT_ONCE)
        self._client: httpx.AsyncClient | None = None
        if socket is not None:
            limits = httpx.Limits(max_connections=_MOST_AT_ONCE, max_keepalive_connections=20)
            transport = httpx.AsyncHTTPTransport(uds=str(socket), limits=limits)
            timeout = httpx.Timeout(_PATIENCE, read=None, connect=5.0)
            self._client = httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False)

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if self._client is None:
            raise Refusal(404, "invalid", "nothing is here: this process only takes reports")
        if scope["method"] not in _METHODS:
            raise Refusal(405, "method", f"only {', '.join(_METHODS)} here")
        try:
            self._room.acquire_nowait()
        except trio.WouldBlock:
            raise overloaded("too many readers at once") from None
        try:
            await _relayed(self._client, scope, receive, send)
        finally:
            self._room.release()


async def _relayed(client: httpx.AsyncClient, scope: Scope, receive: Receive, send: Send) -> None:
    request = client.build_request(scope["method"], _url(scope), headers=_passed_on(scope["headers"]))
    request.headers.pop("user-agent", None)
    try:
        with trio.fail_after(_PATIENCE):
            response = await client.send(request, stream=True)
    except (httpx.HTTPError, trio.TooSlowError):
        raise overloaded("the pages are not there just now") from None
    try:
        await _answer(response, receive, send)
    finally:
        with trio.CancelScope(shield=True):
            await response.aclose()


async def _answer(response: httpx.Response, receive: Receive, send: Send) -> None:
    headers = [(name.lower(), value) for name, value in response.headers.raw if name.lower() not in _HOP_BY_HOP]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_end_with_client, receive, nursery.cancel_scope)
        async with aclosing(response.aiter_raw()) as pieces:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        nursery.cancel_scope.cancel()


async def _end_with_client(receive: Receive, scope: trio.CancelScope) -> None:
    """A reader who goes away ends the stream behind it, which may be an endless one."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _url(scope: Scope) -> httpx.URL:
    path, query = scope.get("raw_path") or scope["path"].encode(), scope["query_string"]
    return httpx.URL("http://web", raw_path=path + (b"?" + query if query else b""))


def _passed_on(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name not in _NOT_RELAYED]
