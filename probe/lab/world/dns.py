"""Resolvers: what each answers, over UDP, TCP and HTTPS."""

import ipaddress
import struct
from collections.abc import Iterable, Iterator
from functools import partial

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import trio

from probe.lab.model import Answer, Origin, Resolver
from probe.lab.world.whoami import Whoami

_TTL = 120
_RCODES = {
    "nxdomain": dns.rcode.NXDOMAIN,
    "refused": dns.rcode.REFUSED,
    "servfail": dns.rcode.SERVFAIL,
    "formerr": dns.rcode.FORMERR,
}
_SOA = "a.root-servers.net. nstld.verisign-grs.com. 2026010100 1800 900 604800 86400"


class Zone:
    """All names of the world. `names` maps each, lower case and without the last dot, to its addresses."""

    def __init__(self, names: dict[str, tuple[str, ...]], origins: tuple[Origin, ...] = ()) -> None:
        self._names = {name.lower(): addresses for name, addresses in names.items()}
        self._whoami = Whoami(origins)
        self._changed: dict[str, Resolver] = {}

    def change(self, resolvers: Iterable[Resolver]) -> None:
        """From now on they answer like this."""
        self._changed |= {address: resolver for resolver in resolvers for address in resolver.addresses}

    def respond(self, query: bytes, resolver: Resolver, *, stream: bool, client: str | None = None) -> list[bytes]:
        """The datagrams that this resolver sends back, none where it stays silent; a `stream` truncates nothing. Of a
        `client` it tells the network to whoever answers."""
        resolver = self._changed.get(resolver.addresses[0], resolver)
        try:
            message = dns.message.from_wire(query)
        except dns.exception.DNSException:
            return []
        if not message.question or message.flags & dns.flags.QR:
            return []
        if message.edns >= 0 and resolver.edns != "understood":
            return [_formerr_without_edns(message)] if resolver.edns == "formerr" else []
        if dns.rdatatype.to_text(message.question[0].rdtype) in resolver.ignores:
            return []
        reply = self.reply(message, resolver, stream=stream, client=client)
        if reply is None:
            return []
        return [part.to_wire(want_shuffle=False) for part in _copies(reply, resolver.duplicates)]

    def reply(
        self, query: dns.message.Message, resolver: Resolver, *, stream: bool, client: str | None = None
    ) -> dns.message.Message | None:
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        answer = answer_for(name, resolver.answers)
        if answer is not None and not (stream and answer.kind == "truncated"):
            return forged(query, answer)
        return self._honest(query, name, resolver, client)

    def _honest(
        self, query: dns.message.Message, name: str, resolver: Resolver, client: str | None
    ) -> dns.message.Message:
        qtype = query.question[0].rdtype
        reply = _reply_to(query)
        text = self._whoami.texts(name, resolver.addresses[0], client)
        if text and qtype == dns.rdatatype.TXT:
            return _with_records(reply, qtype, tuple(f'"{line}"' for line in text))
        known = self._names.get(name) or self._whoami.addresses(name, resolver.addresses[0])
        if known is None and not text:
            if resolver.rewrite:
                return _with_records(reply, qtype, _of_type(resolver.rewrite, qtype))
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return _with_records(reply, qtype, _of_type(known or (), qtype) or _synthesised(known or (), qtype, resolver))


def answer_for(name: str, answers: dict[str, Answer]) -> Answer | None:
    """The name's own, else that of the nearest parent with a leading dot, else that of `.`."""
    if name in answers:
        return answers[name]
    labels = name.split(".")
    parents = (f".{'.'.join(labels[position:])}" for position in range(1, len(labels)))
    return next((answers[parent] for parent in (*parents, ".") if parent in answers), None)


def forged(query: dns.message.Message, answer: Answer) -> dns.message.Message | None:
    """What somebody who does not ask the world answers; None is silence."""
    reply = _reply_to(query)
    if answer.kind == "timeout":
        return None
    if answer.kind == "truncated":
        reply.flags |= dns.flags.TC
        return reply
    if answer.kind in _RCODES:
        reply.set_rcode(_RCODES[answer.kind])
        return reply
    qtype = query.question[0].rdtype
    return _with_records(reply, qtype, _of_type(answer.addresses, qtype), answer.alias)


def _reply_to(query: dns.message.Message) -> dns.message.Message:
    reply = dns.message.make_response(query, recursion_available=True)
    reply.flags &= ~dns.flags.CD
    return reply


def _formerr_without_edns(query: dns.message.Message) -> bytes:
    reply = _reply_to(query)
    reply.use_edns(False)
    reply.set_rcode(dns.rcode.FORMERR)
    return reply.to_wire()


def _with_records(
    reply: dns.message.Message,
    qtype: dns.rdatatype.RdataType,
    records: tuple[str, ...],
    alias: str | None = None,
) -> dns.message.Message:
    """Without records the reply says so with the zone's SOA (RFC 2308)."""
    owner = reply.question[0].name
    if alias is not None:
        reply.answer.append(dns.rrset.from_text(owner, _TTL, "IN", "CNAME", f"{alias}."))
        owner = dns.name.from_text(alias)
    if records:
        reply.answer.append(dns.rrset.from_text_list(owner, _TTL, "IN", qtype, records))
    else:
        reply.authority.append(dns.rrset.from_text(".", _TTL, "IN", "SOA", _SOA))
    return reply


def _of_type(addresses: tuple[str, ...], qtype: dns.rdatatype.RdataType) -> tuple[str, ...]:
    if qtype == dns.rdatatype.A:
        return tuple(a for a in addresses if ":" not in a)
    if qtype == dns.rdatatype.AAAA:
        return tuple(a for a in addresses if ":" in a)
    return ()


def _synthesised(addresses: tuple[str, ...], qtype: dns.rdatatype.RdataType, resolver: Resolver) -> tuple[str, ...]:
    if resolver.dns64 is None or qtype != dns.rdatatype.AAAA:
        return ()
    prefix = int(ipaddress.IPv6Network(resolver.dns64).network_address)
    return tuple(str(ipaddress.IPv6Address(prefix + int(ipaddress.IPv4Address(a)))) for a in addresses)


def _copies(reply: dns.message.Message, twice: bool) -> Iterator[dns.message.Message]:
    yield reply
    if not twice:
        return
    rotated = dns.message.from_wire(reply.to_wire(want_shuffle=False))
    rotated.answer = [_rotated(records) for records in rotated.answer]
    yield rotated


def _rotated(records: dns.rrset.RRset) -> dns.rrset.RRset:
    first, *others = records
    return dns.rrset.from_rdata_list(records.name, records.ttl, [*others, first])


async def serve_udp(
    address: str, port: int, resolver: Resolver, zone: Zone, *, task_status: trio.TaskStatus[None]
) -> None:
    sock = trio.socket.socket(trio.socket.AF_INET6 if ":" in address else trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    await sock.bind((address, port))
    async with trio.open_nursery() as nursery:
        task_status.started()
        while True:
            query, client = await sock.recvfrom(4096)
            nursery.start_soon(_answer_datagram, sock, query, client, resolver, zone)


async def _answer_datagram(
    sock: trio.socket.SocketType, query: bytes, client: tuple[str, int], resolver: Resolver, zone: Zone
) -> None:
    await trio.sleep(resolver.delay)
    for reply in zone.respond(query, resolver, stream=False):
        await sock.sendto(reply, client)


async def serve_tcp(
    address: str, resolver: Resolver, zone: Zone, *, task_status: trio.TaskStatus[list[trio.SocketListener]]
) -> None:
    await trio.serve_tcp(
        partial(_answer_stream, resolver=resolver, zone=zone), 53, host=address, task_status=task_status
    )


async def _answer_stream(stream: trio.SocketStream, resolver: Resolver, zone: Zone) -> None:
    """RFC 7766: two bytes of length before each message."""
    received = b""
    try:
        with trio.move_on_after(10):
            while chunk := await stream.receive_some(4096):
                received += chunk
                while len(received) >= 2 and len(received) >= 2 + (size := struct.unpack("!H", received[:2])[0]):
                    query, received = received[2 : 2 + size], received[2 + size :]
                    await trio.sleep(resolver.delay)
                    for reply in zone.respond(query, resolver, stream=True)[:1]:
                        await stream.send_all(struct.pack("!H", len(reply)) + reply)
    except trio.BrokenResourceError:
        return
