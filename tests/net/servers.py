"""Servers on loopback that behave, and misbehave, as a test says."""

import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.events
import trio
import trustme

from probe.net import tcp
from probe.net.trace import Trace

HOST = "127.0.0.1"
Handler = Callable[[trio.SocketStream], Awaitable[None]]


def anywhere(_: str) -> bool:
    """`allowed` for tests: loopback too."""
    return True


async def listen(nursery: trio.Nursery, handler: Handler) -> int:
    """The port at which each connection is given to the handler, and closed after it."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await handler(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    listeners = await nursery.start(trio.serve_tcp, serve, 0)
    port: int = listeners[0].socket.getsockname()[1]
    return port


async def closed_port() -> int:
    with trio.socket.socket() as sock:
        await sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


async def connected(trace: Trace, port: int) -> trio.SocketStream:
    step, stream = await tcp.connect(trace, HOST, port, allowed=anywhere)
    assert stream is not None, step
    return stream


def reset(stream: trio.SocketStream) -> None:
    """A real RST."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


def sends(data: bytes) -> Handler:
    """Reads a request, sends the bytes, closes."""

    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(data)

    return handler


async def silence(stream: trio.SocketStream) -> None:
    while await stream.receive_some():
        pass


def server_context(certificate: trustme.LeafCert, *alpn: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def over_tls(context: ssl.SSLContext, handler: Callable[[trio.abc.Stream], Awaitable[None]]) -> Handler:
    async def handle(stream: trio.SocketStream) -> None:
        secured = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        await secured.do_handshake()
        await handler(secured)

    return handle


Answers = Callable[[dict[str, str], bytes], tuple[int, dict[str, str], Iterator[bytes]]]


@dataclass
class Http2:
    """An HTTP/2 server that answers each request by `answer(headers, body)`. `farewell_after`: GOAWAY after as many
    requests, in place of the answer to the last."""

    answer: Answers
    farewell_after: int | None = None
    ignores: bytes | None = None  # requests with this in their body
    connections: int = 0
    requests: int = 0

    async def __call__(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        await stream.send_all(connection.data_to_send())
        headers: dict[int, dict[str, str]] = {}
        bodies: dict[int, bytes] = {}
        while data := await stream.receive_some(65536):
            for event in connection.receive_data(data):
                match event:
                    case h2.events.RequestReceived():
                        headers[event.stream_id] = {k.decode(): v.decode() for k, v in event.headers}
                        bodies[event.stream_id] = b""
                    case h2.events.DataReceived():
                        bodies[event.stream_id] += event.data
                        connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    case h2.events.StreamEnded() if (
                        self.ignores is not None and self.ignores in bodies[event.stream_id]
                    ):
                        pass
                    case h2.events.StreamEnded():
                        self.requests += 1
                        if self.requests == self.farewell_after:
                            connection.close_connection()
                            await stream.send_all(connection.data_to_send())
                            return
                        await self._respond(stream, connection, event.stream_id, headers, bodies)
            await stream.send_all(connection.data_to_send())

    async def _respond(
        self,
        stream: trio.abc.Stream,
        connection: h2.connection.H2Connection,
        id: int,
        headers: dict[int, dict[str, str]],
        bodies: dict[int, bytes],
    ) -> None:
        status, fields, body = self.answer(headers[id], bodies[id])
        connection.send_headers(id, [(":status", str(status)), *fields.items()])
        for chunk in body:
            if connection.local_flow_control_window(id) < len(chunk):
                return
            connection.send_data(id, chunk)
            await stream.send_all(connection.data_to_send())
        connection.end_stream(id)
