"""One client's connection: requests one after the other, each within its time."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import h11
import trio

from probe.agent.exporter.messages import Answer, Request, Response, line

_log = logging.getLogger(__name__)
_FAREWELL = 0.5  # seconds
_LAST_READS = 16
_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
)


@dataclass(frozen=True)
class Limits:
    """Seconds, bytes, connections. `head`: for a whole request to come; `idle`: between two requests; `send`: for a
    whole response to be taken."""

    head: float = 5.0
    idle: float = 15.0
    send: float = 10.0
    head_bytes: int = 8192
    connections: int = 64


class Connection:
    def __init__(self, stream: trio.SocketStream, limits: Limits, answer: Answer) -> None:
        self._stream = stream
        self._limits = limits
        self._answer = answer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_bytes)

    async def turn_away(self) -> None:
        await self._send(line(503, "too many connections"), keep=False)

    async def serve(self, may_stay: Callable[[], bool]) -> None:
        """Ends when the client leaves, is too slow or talks nonsense. Raises what a broken stream raises."""
        patience = self._limits.head
        while (request := await self._request(patience)) is not None:
            response = await self._answered(request)
            whole = self._http.their_state is h11.DONE
            if not await self._send(response, keep=whole and may_stay(), method=request.method):
                return await self._farewell()
            if self._http.our_state is not h11.DONE:
                return await self._farewell()
            self._http.start_next_cycle()
            patience = self._limits.idle
        return None

    async def _request(self, patience: float) -> Request | None:
        """None where there is none to answer. The time for a head begins with its first byte."""
        with trio.move_on_after(patience) as time:
            try:
                head = await self._head(time)
            except h11.RemoteProtocolError as exc:
                await self._refuse(exc.error_status_hint, str(exc))
                return None
        return self._read(head) if not time.cancelled_caught and head is not None else None

    async def _head(self, time: trio.CancelScope) -> h11.Request | None:
        begun = False
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._stream.receive_some(self._limits.head_bytes))
            if not begun:
                begun, time.deadline = True, trio.current_time() + self._limits.head
        if not isinstance(event, h11.Request):
            return None
        self._http.next_event()  # the message's end, where it has no body; one that has is not read
        return event

    def _read(self, head: h11.Request) -> Request:
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
        return Request(head.method.decode("ascii"), head.target.decode("latin-1"), headers, self._gone)

    async def _gone(self) -> None:
        """What a client sends meanwhile is kept: its next request, most likely."""
        try:
            data = await self._stream.receive_some(self._limits.head_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        if data:
            self._http.receive_data(data)
            await trio.sleep_forever()

    async def _answered(self, request: Request) -> Response:
        try:
            return await self._answer(request)
        except Exception:
            _log.exception("a request for %s failed", request.path)
            return line(500, "internal error: the log has it")

    async def _refuse(self, status: int, why: str) -> None:
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            await self._send(line(status, why), keep=False)
            await self._farewell()

    async def _send(self, response: Response, *, keep: bool, method: str = "GET") -> bool:
        """Whether the client took it in time."""
        headers = [*_HEADERS, *response.headers.items(), ("Content-Type", response.content_type)]
        headers += [("Content-Length", str(len(response.body)))]
        headers += [] if keep else [("Connection", "close")]
        head = h11.Response(status_code=response.status, headers=headers)
        data = self._http.send(head) or b""
        if method != "HEAD":
            data += self._http.send(h11.Data(data=response.body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        with trio.move_on_after(self._limits.send) as time:
            await self._stream.send_all(data)
        return not time.cancelled_caught

    async def _farewell(self) -> None:
        """Take what the client still sends: to close on it would reset the connection, and the response be lost."""
        with trio.move_on_after(_FAREWELL):
            await self._stream.send_eof()
            for _ in range(_LAST_READS):
                if not await self._stream.receive_some(65536):
                    return
