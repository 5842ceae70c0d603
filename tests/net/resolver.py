"""A DNS server on loopback that answers what a test says, over UDP and TCP, at one port."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import trio

from .servers import HOST


@dataclass
class Datagram:
    wire: bytes
    after: float = 0.0  # seconds
    ip_ttl: int = 64


@dataclass
class Resolver:
    """`answer` gives the datagrams for a query's bytes; `over_tcp` the one message, or None to close."""

    answer: Callable[[bytes], list[Datagram]]
    over_tcp: Callable[[bytes], bytes | None] | None = None
    port: int = 0
    asked: list[dns.message.Message] = field(default_factory=list)
    asked_over_tcp: int = 0

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.socket.socket(type=socket.SOCK_DGRAM) as sock:
            await sock.bind((HOST, 0))
            self.port = sock.getsockname()[1]
            async with trio.open_nursery() as nursery:
                if self.over_tcp is not None:
                    await nursery.start(trio.serve_tcp, self._serve_tcp, self.port)
                task_status.started()
                while True:
                    wire, peer = await sock.recvfrom(65535)
                    self.asked.append(dns.message.from_wire(wire))
                    for datagram in self.answer(wire):
                        nursery.start_soon(_send, sock, datagram, peer)

    async def _serve_tcp(self, stream: trio.SocketStream) -> None:
        self.asked_over_tcp += 1
        asked = await stream.receive_some()
        if not asked or self.over_tcp is None:
            return
        wire = self.over_tcp(bytes(asked[2:]))
        if wire is None:
            return
        framed = len(wire).to_bytes(2, "big") + wire
        for part in (framed[:3], framed[3:]):  # a message may come in pieces
            await stream.send_all(part)


async def _send(sock: trio.socket.SocketType, datagram: Datagram, peer: tuple[str, int]) -> None:
    await trio.sleep(datagram.after)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, datagram.ip_ttl)
    await sock.sendto(datagram.wire, peer)


def reply(wire: bytes, *records: str, rcode: int = dns.rcode.NOERROR, truncated: bool = False) -> bytes:
    """An answer to the query with records such as `A 192.0.2.1`, all of the name that was asked for."""
    query = dns.message.from_wire(wire)
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.Rcode(rcode))
    for record in records:
        qtype, _, text = record.partition(" ")
        response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", qtype, text))
    if truncated:
        response.flags |= dns.flags.TC
    return response.to_wire()


def always(*records: str, rcode: int = dns.rcode.NOERROR) -> Callable[[bytes], list[Datagram]]:
    return lambda wire: [Datagram(reply(wire, *records, rcode=rcode))]
