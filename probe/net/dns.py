"""One question to one resolver over UDP, with everything that comes back.

A stub resolver takes the first reply that matches, which is the injected one, and never sees the rest. Here the socket
stays open after it: a forged answer and the real one that it raced both end up in the record, each with the time at
which the kernel received it and its IP TTL, in which an injector seldom agrees with the server.
"""

import socket
import struct
import sys
import time
from typing import Any

import dns.exception
import trio

from probe.net.dns_message import BadName, Question, Reply
from probe.net.failures import causes, failure_of_oserror, unknown
from probe.net.resolvers import is_stub, stub_uplinks, system_resolvers
from probe.net.tcp import family_of
from probe.net.trace import Trace
from probe.wire.addresses import parse_address
from probe.wire.steps import DnsStep
from probe.wire.vocabulary import Failure, Purpose

__all__ = ["failure_of", "is_stub", "query_udp", "stub_uplinks", "system_resolvers"]

_AGAIN = (1.0, 2.5)  # seconds after the first datagram at which the question is sent once more
_MOST_REPLIES = 32  # kept of one question,
_MOST_NOISE = 24  # of which this many that do not match: noise cannot crowd out an answer
_SO_TIMESTAMPNS = 35  # Linux
_TTL_OPTION = {  # platform: (IP_RECVTTL, type of the ancillary message)
    "linux": (12, 2),
    "darwin": (24, 24),
}
_HEADERS = {socket.AF_INET: 28, socket.AF_INET6: 48}  # bytes of a datagram's IP and UDP headers
_OVER_TCP = 400  # bytes that one question over TCP costs beside its answer
_OLDEST = 5.0  # seconds for which a reply can plausibly have lain in the kernel


async def query_udp(
    trace: Trace,
    name: str,
    qtype: str,
    resolver: str,
    *,
    port: int = 53,
    purpose: Purpose = Purpose.TARGET,
    timeout: float = 4.0,  # noqa: ASYNC109 (it is recorded, not raised)
    linger: float = 0.3,
    source: str | None = None,
) -> DnsStep:
    """After the first usable reply more are waited for, for `linger` seconds or twice the time that it took
    since the last datagram went out.

    A truncated reply is kept and the question put again over TCP: then `transport` is `tcp` if that answered, its
    reply is the last, and the answers are its. `sent` counts datagrams. Nothing is verified of `resolver`: the
    system's own is usually a private address.
    """
    t0 = trace.now()
    facts: dict[str, Any] = {"t0": t0, "qtype": qtype, "resolver": resolver, "purpose": purpose}
    question = _question(name, qtype) if parse_address(resolver) is not None else None
    if question is None:
        facts |= {"name": name, "transport": "udp", "sent": 0}
        return DnsStep(t=trace.now(), failure=Failure.INVALID_ARGUMENT, **facts)
    inquiry = _Inquiry(trace, question, resolver, port, source)
    await inquiry.over_udp(timeout, linger)
    if inquiry.chosen is not None and inquiry.chosen.record.truncated:
        await inquiry.over_tcp(max(0.0, t0 + timeout - trace.now()))
    return DnsStep(t=trace.now(), name=question.name, **facts, **inquiry.facts())


def _question(name: str, qtype: str) -> Question | None:
    try:
        return Question(name, qtype)
    except BadName:
        return None


class _Inquiry:
    """One question being asked: what was sent, what came, and what a stub resolver would make of it."""

    def __init__(self, trace: Trace, question: Question, resolver: str, port: int, source: str | None) -> None:
        self._trace, self._question = trace, question
        self._resolver, self._port, self._source = resolver, port, source
        self._replies: list[Reply] = []
        self._error: str | None = None
        self._edns = True
        self._sent, self._sent_at = 0, 0.0
        self._transport = "udp"
        self.chosen: Reply | None = None

    def facts(self) -> dict[str, Any]:
        answers = self.chosen.answers if self.chosen is not None and self.chosen.failure is None else ()
        return {
            "transport": self._transport,
            "sent": self._sent,
            "replies": tuple(reply.record for reply in self._replies),
            "answers": answers,
            "failure": self._failure(),
        }

    def _failure(self) -> str | None:
        if self.chosen is not None and (self.chosen.answers or not self.chosen.record.truncated):
            return self.chosen.failure
        if self._error is not None:
            return self._error
        return Failure.DNS_SERVER_MISBEHAVING if self._replies else Failure.GENERIC_TIMEOUT_ERROR

    async def over_udp(self, seconds: float, linger: float) -> None:
        try:
            with _opened(self._resolver, socket.SOCK_DGRAM) as sock:
                await _connect(sock, self._resolver, self._port, self._source)
                _ask_for_arrival_facts(sock)
                await self._converse(sock, seconds, linger)
        except OSError as exc:
            self._error = failure_of(exc)

    async def _converse(self, sock: trio.socket.SocketType, seconds: float, linger: float) -> None:
        start = trio.current_time()
        end, again = start + seconds, [start + later for later in reversed(_AGAIN)]
        await self._send(sock)
        if self._error is not None:  # it never left this machine
            return
        while (now := trio.current_time()) < end:
            if self.chosen is None and self._error is None and again and now >= again[-1]:
                again.pop()
                self._edns = False  # which some firewalls drop without a word, and most stubs do not use
                await self._send(sock)
            settled = self.chosen is not None or self._error is not None
            with trio.move_on_at(end if settled or not again else min(end, again[-1])):
                if await self._heard(sock):
                    now = trio.current_time()
                    end = min(end, now + max(linger, 2 * (now - self._sent_at)))

    async def _send(self, sock: trio.socket.SocketType) -> None:
        self._sent, self._sent_at = self._sent + 1, trio.current_time()
        wire = self._question.wire(edns=self._edns)
        self._trace.traffic.add(len(wire) + _HEADERS[sock.family], 0)
        try:
            await sock.send(wire)
        except OSError as exc:  # the answer, by ICMP, to what was sent before
            self._error = self._error or failure_of(exc)

    async def _heard(self, sock: trio.socket.SocketType) -> bool:
        """Takes what comes next; whether that settles the question: the first usable reply, or word that nobody
        listens there. Even then replies may follow: whoever injects them does not mind."""
        try:
            wire, arrived, ip_ttl = await _receive(sock, self._trace)
        except OSError as exc:
            settled = self._error is None and self.chosen is None
            self._error = self._error or failure_of(exc)
            return settled
        self._trace.traffic.add(0, len(wire) + _HEADERS[sock.family])
        reply = self._question.read(wire, arrived, ip_ttl)
        self._keep(reply)
        if reply.wants_no_edns and self._edns and self.chosen is None:
            self._edns = False
            await self._send(sock)
            return False
        if not reply.usable or self.chosen is not None:
            return False
        self.chosen = reply
        return True

    def _keep(self, reply: Reply) -> None:
        noise = sum(not kept.usable for kept in self._replies)
        if len(self._replies) < _MOST_REPLIES and (reply.usable or noise < _MOST_NOISE):
            self._replies.append(reply)

    async def over_tcp(self, seconds: float) -> None:
        """Where that fails the truncated reply has to do: what it holds was answered after all."""
        try:
            with trio.fail_after(seconds), _opened(self._resolver, socket.SOCK_STREAM) as sock:
                await _connect(sock, self._resolver, self._port, self._source)
                wire = await _exchange_tcp(trio.SocketStream(sock), self._question.wire(edns=self._edns))
        except (OSError, EOFError, trio.BrokenResourceError, trio.TooSlowError) as exc:
            self._error = failure_of(exc)
            return
        self._trace.traffic.add(_OVER_TCP, _OVER_TCP + len(wire))
        reply = self._question.read(wire, self._trace.now())
        self._replies.append(reply)
        if reply.usable:
            self.chosen, self._transport = reply, "tcp"


def _opened(resolver: str, kind: socket.SocketKind) -> trio.socket.SocketType:
    return trio.socket.socket(family_of(resolver), kind)


async def _connect(sock: trio.socket.SocketType, resolver: str, port: int, source: str | None) -> None:
    """Connected also over UDP: only then does the kernel say that the port is closed."""
    if source is not None:
        await sock.bind((source, 0))
    await sock.connect((resolver, port))


def _ask_for_arrival_facts(sock: trio.socket.SocketType) -> None:
    options = []
    if sys.platform == "linux":
        options.append((socket.SOL_SOCKET, _SO_TIMESTAMPNS))
    if sock.family == socket.AF_INET and sys.platform in _TTL_OPTION:
        options.append((socket.IPPROTO_IP, _TTL_OPTION[sys.platform][0]))
    if sock.family == socket.AF_INET6 and hasattr(socket, "IPV6_RECVHOPLIMIT"):
        options.append((socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT))
    for level, option in options:
        try:
            sock.setsockopt(level, option, 1)
        except OSError:  # a fact that this system does not give
            continue


async def _receive(sock: trio.socket.SocketType, trace: Trace) -> tuple[bytes, float, int | None]:
    """A datagram, when it arrived, and its IP TTL."""
    if not hasattr(sock, "recvmsg"):  # Windows
        return await sock.recv(65535), trace.now(), None
    wire, ancillary, _, _ = await sock.recvmsg(65535, 512)
    arrived, ip_ttl = trace.now(), None
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and sys.platform == "linux":
            arrived -= _age(data)
        elif level in {socket.IPPROTO_IP, socket.IPPROTO_IPV6}:
            ip_ttl = int.from_bytes(data[:4], sys.byteorder)
    return wire, round(arrived, 6), ip_ttl


def _age(timespec: bytes) -> float:
    """Seconds since the kernel's stamp, by the clock that stamps use; nothing where that clock was set meanwhile."""
    if len(timespec) < struct.calcsize("@ll"):
        return 0.0
    seconds, nanoseconds = struct.unpack_from("@ll", timespec)
    age = (time.time_ns() - seconds * 10**9 - nanoseconds) / 1e9
    return age if 0 <= age <= _OLDEST else 0.0


async def _exchange_tcp(stream: trio.SocketStream, wire: bytes) -> bytes:
    """RFC 1035, 4.2.2: two bytes of length before each message."""
    await stream.send_all(struct.pack("!H", len(wire)) + wire)
    (length,) = struct.unpack("!H", await _exactly(stream, 2))
    return await _exactly(stream, length)


async def _exactly(stream: trio.SocketStream, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        more = await stream.receive_some(count - len(data))
        if not more:
            raise EOFError
        data += more
    return bytes(data)


_FAILURES: tuple[tuple[type[BaseException], Failure], ...] = (
    (BadName, Failure.INVALID_ARGUMENT),
    (EOFError, Failure.EOF_ERROR),
    (trio.TooSlowError, Failure.GENERIC_TIMEOUT_ERROR),
    (dns.exception.Timeout, Failure.GENERIC_TIMEOUT_ERROR),
    (dns.exception.DNSException, Failure.DNS_SERVER_MISBEHAVING),
)


def failure_of(exc: BaseException) -> str:
    for link in causes(exc):
        if isinstance(link, OSError):
            return failure_of_oserror(link)
        for kind, failure in _FAILURES:
            if isinstance(link, kind):
                return failure
    return Failure.CONNECTION_RESET if isinstance(exc, trio.BrokenResourceError) else unknown(exc)
