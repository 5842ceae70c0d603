"""Everything that is not ingest's own goes on to the web process, over a Unix socket, and back as it comes.

One port for all, and still two processes: only ingest reads the requests' heads, so that a client or a proxy may mix
both kinds on one connection. What it passes on is bounded in number, streamed in pieces, and never the sender's
address: only that a proxy stood before us, so that nobody behind one is taken for somebody on this machine. An operator
with many readers lets a reverse proxy send them to the web process's own port instead.
"""

from pathlib import Path
from typing import cast

import h11
import trio
from starlette.types import Receive, Scope, Send

from probe.collector.forwarding import HIDDEN, Headers, is_forwarding, was_forwarded
from probe.collector.ingest_refusals import Refusal, overloaded

_MOST_AT_ONCE = 200
_PATIENCE = 60.0  # seconds for the head of an answer
_PIECE = 1 << 16  # bytes
_METHODS = ("GET", "HEAD", "OPTIONS")
_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
_NOT_RETURNED = _HOP_BY_HOP | {b"date", b"server"}  # our server says them itself
_NOT_RELAYED = _HOP_BY_HOP | {b"content-length"}


class Relay:
    """`socket` is the web process's; None where there is none, and then there is nothing here."""

    def __init__(self, socket: Path | None) -> None:
        self._socket = socket
        self._now = 0

    @property
    def leads_somewhere(self) -> bool:
        return self._socket is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if self._socket is None:
            raise Refusal(404, "invalid", "nothing is here: this process only takes reports")
        if scope["method"] not in _METHODS:
            raise Refusal(405, "method", f"only {', '.join(_METHODS)} here", allow=_METHODS)
        if self._now >= _MOST_AT_ONCE:
            raise overloaded("too many readers at once")
        self._now += 1
        try:
            await _relayed(self._socket, scope, receive, send)
        finally:
            self._now -= 1


async def _relayed(socket: Path, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        stream = await trio.open_unix_socket(str(socket))
    except OSError:
        raise _away() from None
    async with stream:
        source = _Source(stream, scope)
        response = await source.head()
        headers = [(name, value) for name, value in response.headers if name not in _NOT_RETURNED]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_end_with_client, receive, nursery.cancel_scope)
            await source.pass_on(send)
            nursery.cancel_scope.cancel()


class _Source:
    """One request to the web process and its answer, on a connection of its own."""

    def __init__(self, stream: trio.SocketStream, scope: Scope) -> None:
        self._stream = stream
        self._connection = h11.Connection(h11.CLIENT)
        headers = _relayed_headers(scope["headers"])
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        self._request = h11.Request(
            method=scope["method"], target=target, headers=[*headers, (b"connection", b"close")]
        )

    async def head(self) -> h11.Response:
        """Raises Refusal where there is none."""
        try:
            with trio.fail_after(_PATIENCE):
                raw = self._connection.send(self._request) or b""
                await self._stream.send_all(raw + (self._connection.send(h11.EndOfMessage()) or b""))
                while not isinstance(event := await self._event(), h11.Response):
                    if not isinstance(event, h11.InformationalResponse):
                        raise _away()
        except (trio.TooSlowError, trio.BrokenResourceError, h11.ProtocolError):
            raise _away() from None
        return event

    async def pass_on(self, send: Send) -> None:
        """The body as it comes. Of a process that dies in the middle, the client sees that the answer was cut short."""
        try:
            while isinstance(event := await self._event(), h11.Data):
                await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
        except (trio.BrokenResourceError, h11.RemoteProtocolError):
            return
        if isinstance(event, h11.EndOfMessage):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self._connection.next_event()) is h11.NEED_DATA:
            self._connection.receive_data(await self._stream.receive_some(_PIECE))
        return cast("h11.Event | type[h11.PAUSED]", event)


def _relayed_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    passed = [(name, value) for name, value in headers if name not in _NOT_RELAYED and not is_forwarding(name)]
    return [*passed, HIDDEN] if was_forwarded(headers) else passed


async def _end_with_client(receive: Receive, scope: trio.CancelScope) -> None:
    """A reader who goes away ends the stream behind it, which may be an endless one."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _away() -> Refusal:
    return overloaded("the pages are not there just now")
