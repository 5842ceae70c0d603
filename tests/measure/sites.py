"""Sites and a resolver on loopback: real sockets at real ports, with every name at an address of 127.0.0.0/8."""

import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import dns.message
import dns.rcode
import dns.rrset
import pytest
import trio
import trustme

from probe.catalogue.model import Infrastructure
from probe.measure.context import Context, Timeouts
from probe.net.chain import Roots
from probe.verdict.known import Library

RESOLVER = "127.0.0.77"  # questions go to port 53 alone
HERE, PRIVATE = "127.0.0.1", "127.0.0.2"  # where measuring is allowed, and where it is not
NEUTRAL = ("neutral.test", "other-neutral.test")


@dataclass
class Names:
    """A resolver; it knows these names, and none else."""

    addresses: dict[str, str]
    asked: list[str] = field(default_factory=list)

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.socket.socket(type=socket.SOCK_DGRAM) as sock:
            try:
                await sock.bind((RESOLVER, 53))
            except OSError as error:
                if error.errno != errno.EACCES:
                    raise
                pytest.skip("port 53 of loopback is for root")
            task_status.started()
            while True:
                wire, peer = await sock.recvfrom(4096)
                await sock.sendto(self._reply(wire), peer)

    def _reply(self, wire: bytes) -> bytes:
        query = dns.message.from_wire(wire)
        question, reply = query.question[0], dns.message.make_response(query)
        name = question.name.to_text(omit_final_dot=True)
        self.asked.append(name)
        if name not in self.addresses:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype == dns.rdatatype.A:
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", self.addresses[name]))
        return reply.to_wire()


@dataclass
class Web:
    """A server over plain HTTP, or TLS. `answer(host, path)` is the whole response."""

    answer: Callable[[str, str], bytes]
    address: str = HERE
    tls: ssl.SSLContext | None = None
    port: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)
    connections: int = 0
    names: list[str | None] = field(default_factory=list)  # SNI of each handshake

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        listeners = await trio.open_tcp_listeners(0, host=self.address)
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._connection, listeners)

    async def _connection(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        async with stream:
            try:
                await self._secured(stream) if self.tls else await self._speak(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async def _secured(self, stream: trio.SocketStream) -> None:
        assert self.tls is not None
        self.tls.sni_callback = lambda _connection, name, _context: self.names.append(name)
        await self._speak(trio.SSLStream(stream, self.tls, server_side=True, https_compatible=True))

    async def _speak(self, stream: trio.abc.Stream) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            piece = await stream.receive_some(4096)
            if not piece:
                return
            received += piece
        head = received.decode().split("\r\n")
        path = head[0].split(" ")[1]
        host = next(line.partition(": ")[2] for line in head if line.lower().startswith("host: "))
        self.requests.append((host.partition(":")[0], path))
        await stream.send_all(self.answer(host, path))


def page(body: bytes = b"<title>Here</title>", status: str = "200 OK", **headers: str) -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body


def redirect(location: str) -> bytes:
    return page(b"", "302 Found", Location=location)


def certified(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA).configure_cert(context)
    return context


def context_of(roots: Roots, **more: object) -> Context:
    facts: dict[str, object] = {
        "roots": roots,
        "infrastructure": Infrastructure(anchors=(), resolvers=(), neutral=NEUTRAL),
        "library": Library(),
        "resolvers": (RESOLVER,),
        "trusted": (),
        "udp_resolver": None,
        "timeouts": Timeouts().scaled(0.1),
        "allowed": HERE.__eq__,
    }
    return Context(**(facts | more))  # type: ignore[arg-type]


async def start(nursery: trio.Nursery, *servers: Names | Web) -> None:
    for server in servers:
        await nursery.start(partial(server.serve))
