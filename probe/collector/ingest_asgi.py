"""Small parts of the ASGI interface: responses as the endpoints give them, and a body that nobody wants drained."""

from collections.abc import Mapping

import trio
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MOST_DRAINED = 8 << 20  # bytes of a refused body that are read before the answer
_PATIENCE = 5.0  # seconds


async def respond(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    """One whole response of JSON."""
    lines = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


def json_response(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, headers=dict(headers) if headers else None, media_type="application/json")


class Draining:
    """Reads what an endpoint left of a request's body.

    A client sends its body whole before it looks at the answer, and would see a reset instead of a refusal; and the
    server waits with the rest of a body until somebody takes it. So a moderate rest is read before the answer begins,
    and whatever still comes while the answer is on its way is taken and dropped.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_bodiless(scope):
            await self._app(scope, receive, send)
            return
        await _Drained(receive, send).run(self._app, scope)


class _Drained:
    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._complete = False
        self._answering = False

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        await app(scope, self._receiving, self._sending)

    async def _receiving(self) -> Message:
        message = await self._receive()
        self._complete = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def _sending(self, message: Message) -> None:
        if not self._answering and not self._complete:
            await self._drain_politely()
        self._answering = True
        if self._complete:
            await self._send(message)
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._drain)
            await self._send(message)
            nursery.cancel_scope.cancel()

    async def _drain_politely(self) -> None:
        size = 0
        with trio.move_on_after(_PATIENCE):
            while not self._complete and size < _MOST_DRAINED:
                size += len((await self._receiving()).get("body", b""))

    async def _drain(self) -> None:
        while not self._complete:
            await self._receiving()


def _is_bodiless(scope: Scope) -> bool:
    names = {name for name, _ in scope["headers"]}
    return b"content-length" not in names and b"transfer-encoding" not in names
