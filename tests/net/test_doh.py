import datetime as dt
import functools

import dns.message
import dns.rcode
import pytest
import trio
import trustme

from probe.net.chain import Roots
from probe.net.doh import TrustedConnection
from probe.net.trace import Trace
from probe.wire.steps import DnsStep
from probe.wire.vocabulary import Failure, Purpose

from .resolver import reply
from .servers import HOST, Handler, Http2, anywhere, closed_port, listen, over_tls, reset, server_context, silence

TYPE = {"content-type": "application/dns-message"}


@pytest.fixture(scope="session")
def resolver_certificate(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("dns.example")


def answering(*records: str, rcode: int = dns.rcode.NOERROR, farewell_after: int | None = None) -> Http2:
    return Http2(lambda _, body: (200, TYPE, iter([reply(body, *records, rcode=rcode)])), farewell_after)


async def connection(
    nursery: trio.Nursery, server: Handler, roots: Roots, addresses: tuple[str, ...] = (HOST,)
) -> TrustedConnection:
    port = await listen(nursery, server)
    return TrustedConnection(f"https://dns.example:{port}/dns-query", addresses, roots, allowed=anywhere)


async def ask_many(trusted: TrustedConnection, count: int, timeout: float = 2.0) -> list[DnsStep]:  # noqa: ASYNC109
    trace, steps = Trace(), list[DnsStep]()

    async def ask(number: int) -> None:
        steps.append(await trusted.query(trace, f"n{number}.example", "A", timeout=timeout))

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(ask, number)
    return steps


async def test_an_answer_over_http2(
    nursery: trio.Nursery, resolver_certificate: trustme.LeafCert, roots: Roots, trace: Trace
) -> None:
    asked: list[tuple[dict[str, str], bytes]] = []

    def answer(headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], object]:
        asked.append((headers, body))
        return 200, TYPE, iter([reply(body, "CNAME edge.example.", "A 104.244.42.1")])

    server = over_tls(server_context(resolver_certificate, "h2"), Http2(answer))  # type: ignore[arg-type]
    async with await connection(nursery, server, roots) as trusted:
        step = await trusted.query(trace, "x.com", "A")
    assert (step.failure, step.answers, step.transport) == (None, ("104.244.42.1",), "https")
    assert (step.purpose, step.name, step.qtype) == (Purpose.TRUSTED, "x.com", "A")
    assert step.resolver.startswith("https://dns.example:")
    (only,) = step.replies
    assert (only.rcode, only.cnames, only.matches, only.ip_ttl) == ("NOERROR", ("edge.example",), True, None)
    ((headers, body),) = asked
    assert (headers[":method"], headers["content-type"]) == ("POST", "application/dns-message")
    assert dns.message.from_wire(body).id == 0
    assert len(body) < 64


async def test_an_answer_over_http1(
    nursery: trio.Nursery, resolver_certificate: trustme.LeafCert, roots: Roots
) -> None:
    connections = 0

    async def handler(stream: trio.abc.Stream) -> None:
        nonlocal connections
        connections += 1
        while request := await stream.receive_some(65536):
            head, _, body = bytes(request).partition(b"\r\n\r\n")
            while not body:
                body = bytes(await stream.receive_some(65536))
            assert head.startswith(b"POST /dns-query HTTP/1.1")
            wire = reply(body, "A 192.0.2.1")
            fields = b"Content-Type: application/dns-message\r\nContent-Length: %d" % len(wire)
            await stream.send_all(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n" + wire)

    async with await connection(nursery, over_tls(server_context(resolver_certificate), handler), roots) as trusted:
        steps = await ask_many(trusted, 12)
    assert [(step.failure, step.answers) for step in steps] == [(None, ("192.0.2.1",))] * 12
    assert connections == 1


async def test_many_questions_share_one_connection(
    nursery: trio.Nursery, resolver_certificate: trustme.LeafCert, roots: Roots
) -> None:
    server = answering("A 192.0.2.1")
    async with await connection(
        nursery, over_tls(server_context(resolver_certificate, "h2"), server), roots
    ) as trusted:
        steps = await ask_many(trusted, 100)
    assert {step.answers for step in steps} == {("192.0.2.1",)}
    assert {step.name for step in steps} == {f"n{number}.example" for number in range(100)}
    assert (server.connections, server.requests) == (1, 100)


@pytest.mark.parametrize(
    ("rcode", "failure"),
    [
        (dns.rcode.NXDOMAIN, "dns_nxdomain_error"),
        (dns.rcode.SERVFAIL, "dns_servfail_error"),
        (dns.rcode.NOERROR, "dns_no_answer"),
    ],
)
async def test_a_negative_answer(
    rcode: int, failure: str, nursery: trio.Nursery, resolver_certificate: trustme.LeafCert, roots: Roots
) -> None:
    server = over_tls(server_context(resolver_certificate, "h2"), answering(rcode=rcode))
    async with await connection(nursery, server, roots) as trusted:
        (step,) = await ask_many(trusted, 1)
    assert (step.failure, step.answers, len(step.replies)) == (failure, (), 1)


async def received_over(
    nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots
) -> tuple[bytes, list[DnsStep]]:
    """All that the client sent inside TLS, and what it recorded of four questions."""
    got = bytearray()

    async def handler(stream: trio.abc.Stream) -> None:
        while data := await stream.receive_some(65536):
            got.extend(data)

    async with await connection(nursery, over_tls(server_context(certificate, "h2"), handler), roots) as trusted:
        steps = await ask_many(trusted, 4, 0.5)
    return bytes(got), steps


async def test_nothing_is_sent_to_an_unknown_authority(nursery: trio.Nursery, roots: Roots) -> None:
    forged = trustme.CA().issue_cert("dns.example")
    sent, steps = await received_over(nursery, forged, roots)
    assert sent == b""
    assert {step.failure for step in steps} == {Failure.SSL_UNKNOWN_AUTHORITY}


async def test_nothing_is_sent_to_another_name(
    nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots
) -> None:
    sent, steps = await received_over(nursery, certificate, roots)
    assert sent == b""
    assert {step.failure for step in steps} == {Failure.SSL_INVALID_HOSTNAME}


async def test_nothing_is_sent_where_the_certificate_expired_by_the_clock_that_is_given(
    nursery: trio.Nursery, authority: trustme.CA, roots: Roots
) -> None:
    until = dt.datetime(2021, 1, 1, tzinfo=dt.UTC)
    server = answering("A 192.0.2.1")
    context = server_context(authority.issue_cert("dns.example", not_after=until), "h2")
    port = await listen(nursery, over_tls(context, server))
    for moment, failure in ((until - dt.timedelta(1), None), (until + dt.timedelta(1), "ssl_invalid_certificate")):
        url = f"https://dns.example:{port}/dns-query"
        async with TrustedConnection(
            url,
            (HOST,),
            roots,
            allowed=anywhere,
            now=functools.partial(dt.datetime.fromtimestamp, moment.timestamp(), dt.UTC),
        ) as trusted:
            (step,) = await ask_many(trusted, 1)
        assert step.failure == failure
    assert server.requests == 1


async def test_a_sound_server_is_sent_something_so_that_the_two_above_could_fail(
    nursery: trio.Nursery, resolver_certificate: trustme.LeafCert, roots: Roots
) -> None:
    sent, steps = await received_over(nursery, resolver_certificate, roots)
    assert sent.startswith(b"PRI * HTTP/2.0")
    assert {step.failure for step in steps} == {Failure.GENERIC_TIMEOUT_ERROR}


async def test_a_goaway_is_answered_by_one_reconnect(
    nursery: trio.Nursery, resolver_certificate: trustme.LeafCert, roots: Roots, trace: Trace
) -> None:
    server = answering("A 192.0.2.1", farewell_after=3)
    async with await connection(
        nursery, over_tls(server_context(resolver_certificate, "h2"), server), roots
    ) as trusted:
        steps = [await trusted.query(trace, "x.com", "A") for _ in range(5)]
    assert [step.answers for step in steps] == [("192.0.2.1",)] * 5
    assert server.connections == 2


async def test_a_connection_that_the_server_closed_while_idle_is_opened_anew(
    nursery: trio.Nursery, resolver_certificate: trustme.LeafCert, roots: Roots, trace: Trace
) -> None:
    server, context = answering("A 192.0.2.1"), server_context(resolver_certificate, "h2")

    async def briefly(stream: trio.abc.Stream) -> None:
        with trio.move_on_after(0.5):
            await server(stream)

    async with await connection(nursery, over_tls(context, briefly), roots) as trusted:
        first = await trusted.query(trace, "x.com", "A")
        await trio.sleep(0.8)
        second = await trusted.query(trace, "x.com", "A")
    assert (first.failure, second.failure, server.connections) == (None, None, 2)


async def test_the_second_address_is_tried_when_the_first_refuses(
    nursery: trio.Nursery, resolver_certificate: trustme.LeafCert, roots: Roots, trace: Trace
) -> None:
    listeners = await trio.open_tcp_listeners(0, host=HOST)
    port = listeners[0].socket.getsockname()[1]
    handler = over_tls(server_context(resolver_certificate, "h2"), answering("A 192.0.2.1"))
    nursery.start_soon(trio.serve_listeners, handler, listeners)
    url = f"https://dns.example:{port}/dns-query"
    async with TrustedConnection(url, ("127.0.0.2", HOST), roots, allowed=anywhere) as trusted:
        step = await trusted.query(trace, "x.com", "A")
    nursery.cancel_scope.cancel()
    assert (step.failure, step.answers) == (None, ("192.0.2.1",))


async def test_a_reset_of_the_first_question_is_given_one_more_try(
    nursery: trio.Nursery, resolver_certificate: trustme.LeafCert, roots: Roots, trace: Trace
) -> None:
    server, context, opened = answering("A 192.0.2.1"), server_context(resolver_certificate, "h2"), 0

    async def handler(stream: trio.abc.Stream) -> None:
        nonlocal opened
        opened += 1
        if opened > 1:
            return await server(stream)
        assert isinstance(stream, trio.SSLStream)
        await stream.receive_some(1)
        return reset(stream.transport_stream)

    async with await connection(nursery, over_tls(context, handler), roots) as trusted:
        step = await trusted.query(trace, "x.com", "A")
    assert (step.failure, opened) == (None, 2)


@pytest.mark.parametrize("when", ["before the handshake", "after it"])
async def test_the_second_address_is_tried_when_the_first_is_silent(
    when: str, nursery: trio.Nursery, resolver_certificate: trustme.LeafCert, roots: Roots
) -> None:
    context, server, opened = server_context(resolver_certificate, "h2"), answering("A 192.0.2.1"), 0

    async def mute(stream: trio.abc.Stream) -> None:
        while await stream.receive_some(65536):
            pass

    async def handler(stream: trio.SocketStream) -> None:
        nonlocal opened
        opened += 1
        first = silence if when == "before the handshake" else over_tls(context, mute)
        await (first if opened == 1 else over_tls(context, server))(stream)

    async with await connection(nursery, handler, roots, (HOST, HOST)) as trusted:
        steps = await ask_many(trusted, 5, 4.0)
    assert {(step.failure, step.answers) for step in steps} == {(None, ("192.0.2.1",))}
    assert max(step.t for step in steps) < 3.9


async def test_what_could_not_be_reached_stays_so_and_costs_one_timeout(nursery: trio.Nursery, roots: Roots) -> None:
    opened = 0

    async def handler(stream: trio.SocketStream) -> None:
        nonlocal opened
        opened += 1
        await silence(stream)

    trusted = await connection(nursery, handler, roots)
    started = trio.current_time()
    first = await ask_many(trusted, 10, 1.0)
    second = await ask_many(trusted, 10, 1.0)
    assert {step.failure for step in [*first, *second]} == {Failure.GENERIC_TIMEOUT_ERROR}
    assert trio.current_time() - started < 1.95
    assert opened == 1


async def test_a_reset_on_the_resolvers_name_is_the_failure_of_every_question(
    nursery: trio.Nursery, roots: Roots
) -> None:
    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        reset(stream)

    trusted = await connection(nursery, handler, roots)
    assert {step.failure for step in await ask_many(trusted, 3)} == {Failure.CONNECTION_RESET}


async def test_a_refused_connection_is_the_failure_of_every_question(roots: Roots) -> None:
    url = f"https://dns.example:{await closed_port()}/dns-query"
    trusted = TrustedConnection(url, (HOST,), roots, allowed=anywhere)
    assert {step.failure for step in await ask_many(trusted, 3)} == {Failure.CONNECTION_REFUSED}


async def test_an_address_that_is_not_public_is_never_contacted(roots: Roots) -> None:
    trusted = TrustedConnection("https://dns.example/dns-query", ("127.0.0.1", "10.0.0.1"), roots)
    assert {step.failure for step in await ask_many(trusted, 2)} == {Failure.DNS_BOGON_ERROR}


@pytest.mark.parametrize(
    "response",
    [
        (503, "application/dns-message", b""),
        (200, "text/html", b"<html>"),
        (200, "application/dns-message", b""),
        (200, "application/dns-message", b"no DNS message at all"),
        (200, "application/dns-message", b"x" * 200_000),
    ],
)
async def test_an_answer_that_is_none_is_a_misbehaving_server(
    nursery: trio.Nursery, resolver_certificate: trustme.LeafCert, roots: Roots, response: tuple[int, str, bytes]
) -> None:
    status, kind, body = response
    chunks = [body[at : at + 16_000] for at in range(0, len(body), 16_000)]
    server = Http2(lambda *_: (status, {"content-type": kind}, iter(chunks)))
    async with await connection(
        nursery, over_tls(server_context(resolver_certificate, "h2"), server), roots
    ) as trusted:
        (step,) = await ask_many(trusted, 1)
    assert (step.failure, step.answers) == (Failure.DNS_SERVER_MISBEHAVING, ())


async def test_one_slow_question_does_not_end_the_connection_of_the_others(
    nursery: trio.Nursery, resolver_certificate: trustme.LeafCert, roots: Roots, trace: Trace
) -> None:
    server = answering("A 192.0.2.1")
    server.ignores = b"slow"
    async with await connection(
        nursery, over_tls(server_context(resolver_certificate, "h2"), server), roots
    ) as trusted:
        assert (await trusted.query(trace, "x.com", "A")).failure is None
        slow = await trusted.query(trace, "slow.example", "A", timeout=1.0)
        assert (await trusted.query(trace, "y.com", "A")).failure is None
    assert slow.failure == Failure.GENERIC_TIMEOUT_ERROR
    assert server.connections == 1


@pytest.mark.parametrize("name", ["a" * 64 + ".com", "two..dots"])
async def test_a_name_that_dns_cannot_carry_is_a_failure_and_nothing_is_opened(name: str, roots: Roots) -> None:
    trusted = TrustedConnection("https://dns.example/dns-query", (HOST,), roots)
    step = await trusted.query(Trace(), name, "A")
    assert step.failure == Failure.INVALID_ARGUMENT


async def test_cancelling_the_question_that_opens_does_not_condemn_the_resolver(
    nursery: trio.Nursery, resolver_certificate: trustme.LeafCert, roots: Roots, trace: Trace
) -> None:
    opened = 0
    context, server = server_context(resolver_certificate, "h2"), answering("A 192.0.2.1")

    async def handler(stream: trio.SocketStream) -> None:
        nonlocal opened
        opened += 1
        if opened == 1:
            await trio.sleep(0.3)
        await over_tls(context, server)(stream)

    async with await connection(nursery, handler, roots) as trusted:
        with trio.move_on_after(0.1) as scope:
            await trusted.query(trace, "x.com", "A")
        assert scope.cancelled_caught
        assert (await trusted.query(trace, "x.com", "A")).failure is None


def serves_one(status_line: bytes, fields: bytes, *, sized: bool = True) -> Handler:
    """A server of old: one request, one answer, and the connection is closed."""

    async def handler(stream: trio.abc.Stream) -> None:
        received = b""
        while not received.partition(b"\r\n\r\n")[2]:
            piece = await stream.receive_some(65536)
            if not piece:
                return
            received += piece
        wire = reply(received.partition(b"\r\n\r\n")[2], "A 192.0.2.1")
        length = b"Content-Length: %d\r\n" % len(wire) if sized else b""
        head = status_line + b"\r\nContent-Type: application/dns-message\r\n" + fields + length
        await stream.send_all(head + b"\r\n" + wire)
        await stream.aclose()

    return handler


@pytest.mark.parametrize("addresses", [(HOST,), (HOST, HOST)])
@pytest.mark.parametrize(
    ("status_line", "fields", "sized"),
    [
        (b"HTTP/1.0 200 OK", b"", True),
        (b"HTTP/1.0 200 OK", b"", False),
        (b"HTTP/1.1 200 OK", b"Connection: close\r\n", True),
        (b"HTTP/1.1 200 OK", b"connection: Close\r\n", False),
    ],
)
async def test_a_server_that_closes_after_each_answer_answers_all_the_same(
    *,
    status_line: bytes,
    fields: bytes,
    sized: bool,
    addresses: tuple[str, ...],
    nursery: trio.Nursery,
    resolver_certificate: trustme.LeafCert,
    roots: Roots,
) -> None:
    opened, serve = 0, serves_one(status_line, fields, sized=sized)

    async def handler(stream: trio.SocketStream) -> None:
        nonlocal opened
        opened += 1
        await serve(stream)

    server = over_tls(server_context(resolver_certificate), handler)  # type: ignore[arg-type]
    async with await connection(nursery, server, roots, addresses) as trusted:
        steps = await ask_many(trusted, 8)
    assert [(step.failure, step.answers) for step in steps] == [(None, ("192.0.2.1",))] * 8
    assert {step.name for step in steps} == {f"n{number}.example" for number in range(8)}
    assert opened == 8
