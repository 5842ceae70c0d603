"""HTTP/1.1 for one connection, on h11."""

import h11
import trio.abc

from probe.lab.world.exchange import Request, Respond, Response, host_of

_IDLE = 60.0


async def serve_http1(stream: trio.abc.Stream, client: str, respond: Respond) -> None:
    connection = h11.Connection(h11.SERVER)
    while True:
        with trio.move_on_after(_IDLE) as idle:
            request = await _next_request(stream, connection, client)
        if idle.cancelled_caught or request is None:
            return
        await _reply(stream, connection, await respond(request), request.method)
        if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
            return
        connection.start_next_cycle()


async def _next_request(stream: trio.abc.Stream, connection: h11.Connection, client: str) -> Request | None:
    """None where the client is gone or talks nonsense."""
    head: h11.Request | None = None
    body = b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return None
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(65536)))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return _request(head, body, client)
        else:
            return None


def _request(head: h11.Request, body: bytes, client: str) -> Request:
    host = next((value.decode("latin-1") for name, value in head.headers if name == b"host"), "")
    return Request(
        method=head.method.decode(), host=host_of(host), path=head.target.decode("latin-1"), client=client, body=body
    )


async def _reply(stream: trio.abc.Stream, connection: h11.Connection, response: Response, method: str) -> None:
    head = h11.Response(status_code=response.status, headers=response.fields())
    pending = connection.send(head) or b""
    for piece in response.pieces() if method != "HEAD" else ():
        await stream.send_all(pending + (connection.send(h11.Data(data=piece)) or b""))
        pending = b""
    pending += connection.send(h11.EndOfMessage()) or b""
    if pending:
        await stream.send_all(pending)
