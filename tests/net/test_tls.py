import datetime as dt
import ssl

import pytest
import trio
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.net import tls
from probe.net.chain import Roots
from probe.net.trace import Trace
from probe.wire.steps import TlsStep
from probe.wire.vocabulary import Failure, Purpose

from .servers import HOST, Handler, connected, listen, over_tls, reset, server_context, silence

NAME = "site.example"


async def shake(
    nursery: trio.Nursery, handler: Handler, roots: Roots, sni: str | None = NAME, **options: object
) -> tuple[TlsStep, tls.TlsStream | None]:
    trace, port = Trace(), await listen(nursery, handler)
    options.setdefault("timeout", 2.0)
    return await tls.handshake(trace, await connected(trace, port), HOST, port, sni, roots=roots, **options)  # type: ignore[arg-type]


async def echo(stream: trio.abc.Stream) -> None:
    while data := await stream.receive_some(65536):
        await stream.send_all(data)


async def test_a_healthy_handshake(nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots) -> None:
    handler = over_tls(server_context(certificate, "h2", "http/1.1"), echo)
    step, stream = await shake(nursery, handler, roots, purpose=Purpose.OTHER_ADDRESS)
    assert stream is not None
    assert (step.failure, step.trusted, step.alert, step.purpose) == (None, True, None, Purpose.OTHER_ADDRESS)
    assert (step.sni, step.version, step.alpn, step.profile) == (NAME, "TLSv1.3", "h2", "default")
    assert step.cipher
    assert step.cipher.startswith("TLS_")
    assert step.first_byte is not None
    assert step.t0 < step.first_byte <= step.t
    assert len(step.chain) == 1
    assert step.bytes_read > len(step.chain[0])
    assert len(step.chain_sha256 or "") == 64
    assert "trustme" in (step.issuer or "")
    assert dt.datetime.fromisoformat(step.not_after or "").tzinfo is not None
    await stream.send_all(b"x" * 300_000)
    received = b""
    while len(received) < 300_000:
        received += await stream.receive_some()
    assert received == b"x" * 300_000
    await stream.aclose()


def seen_by_server(context: ssl.SSLContext) -> list[str | None]:
    names: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)
    return names


@pytest.mark.parametrize("sni", [NAME, "other.example", None, "192.0.2.1", "2001:db8::1"])
async def test_the_name_that_is_sent(
    sni: str | None, nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots
) -> None:
    context = server_context(certificate)
    names = seen_by_server(context)
    step, stream = await shake(nursery, over_tls(context, echo), roots, sni, verify_name=NAME)
    expected = sni if sni is not None and sni.endswith("example") else None
    assert stream is not None
    assert (names, step.sni, step.trusted) == ([expected], expected, True)
    await stream.aclose()


async def test_a_literal_is_held_against_the_addresses_of_the_certificate(
    nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots
) -> None:
    step, stream = await shake(nursery, over_tls(server_context(certificate), echo), roots, None)
    assert stream is not None
    assert step.host_match is True
    await stream.aclose()


async def segments(nursery: trio.Nursery, roots: Roots, sni: str | None, profile: str) -> tuple[list[bytes], TlsStep]:
    """What arrives, read by read, until the other side has waited for long enough."""
    got: list[bytes] = []

    async def read(stream: trio.SocketStream) -> None:
        while data := await stream.receive_some():
            got.append(bytes(data))

    step, _ = await shake(nursery, read, roots, sni, profile=profile, timeout=0.2)
    return got, step


async def test_a_split_hello_comes_in_two_segments_cut_inside_the_name(nursery: trio.Nursery, roots: Roots) -> None:
    (first, second), step = await segments(nursery, roots, NAME, "split")
    assert NAME.encode() not in first
    assert NAME.encode() not in second
    assert NAME.encode() in first + second
    assert (step.hello_size, step.profile) == (len(first) + len(second), "split")


async def test_a_split_hello_without_a_name_is_cut_all_the_same(nursery: trio.Nursery, roots: Roots) -> None:
    got, _ = await segments(nursery, roots, None, "split")
    assert len(got) == 2


async def test_an_ordinary_hello_is_one_segment_with_one_key_share(nursery: trio.Nursery, roots: Roots) -> None:
    (hello,), step = await segments(nursery, roots, NAME, "default")
    assert step.hello_size == len(hello) < 1200
    assert step.t - step.t0 < 1.5


async def test_the_small_hello_is_small_and_speaks_with_ordinary_servers(
    nursery: trio.Nursery, authority: trustme.CA, roots: Roots
) -> None:
    for kind in trustme.KeyType:
        context = server_context(authority.issue_cert(NAME, key_type=kind), "h2")
        step, stream = await shake(nursery, over_tls(context, echo), roots, profile="small")
        assert stream is not None, step
        assert (step.version, step.alpn, step.trusted) == ("TLSv1.2", None, True)
        assert (step.hello_size or 999) < 180
        await stream.aclose()


@pytest.mark.parametrize(
    "case",
    [
        (True, NAME, None, True),
        (True, "other.example", None, False),
        (False, NAME, "ssl_unknown_authority", True),
        (False, "other.example", "ssl_unknown_authority", False),
    ],
)
async def test_chain_and_host_are_judged_apart_and_neither_ends_the_handshake(
    nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots, case: tuple[bool, str, str | None, bool]
) -> None:
    known, name, failure, match = case
    handler = over_tls(server_context(certificate), echo)
    step, stream = await shake(nursery, handler, roots if known else PUBLIC, name)
    assert stream is not None
    assert (step.failure, step.chain_failure, step.host_match) == (None, failure, match)
    assert step.chain_valid is known
    assert step.trusted is (known and match)
    await stream.send_all(b"the page behind a forged certificate can be asked for")
    assert await stream.receive_some()
    await stream.aclose()


async def test_validity_is_judged_at_the_moment_that_is_given(
    nursery: trio.Nursery, authority: trustme.CA, roots: Roots
) -> None:
    expired = authority.issue_cert(NAME, not_after=dt.datetime(2021, 1, 1, tzinfo=dt.UTC))
    handler = over_tls(server_context(expired), echo)
    for moment, failure in ((dt.datetime(2020, 1, 1, tzinfo=dt.UTC), None), (None, "ssl_invalid_certificate")):
        step, stream = await shake(nursery, handler, roots, now=moment)
        assert stream is not None
        await stream.aclose()
        assert step.chain_failure == failure


async def test_a_reset_on_the_hello(nursery: trio.Nursery, roots: Roots) -> None:
    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        reset(stream)

    step, stream = await shake(nursery, handler, roots)
    assert (stream, step.failure, step.bytes_read, step.first_byte) == (None, Failure.CONNECTION_RESET, 0, None)
    assert step.hello_size


async def test_a_fin_on_the_hello(nursery: trio.Nursery, roots: Roots) -> None:
    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some()

    step, stream = await shake(nursery, handler, roots)
    assert (stream, step.failure, step.bytes_read) == (None, Failure.EOF_ERROR, 0)


async def test_silence_after_the_hello(nursery: trio.Nursery, roots: Roots) -> None:
    step, stream = await shake(nursery, silence, roots, timeout=0.2)
    assert (stream, step.failure, step.bytes_read) == (None, Failure.GENERIC_TIMEOUT_ERROR, 0)
    assert 0.2 <= step.t - step.t0 < 2


def cut_after(certificate: trustme.LeafCert, count: int, end: str) -> Handler:
    """A server whose first flight stops after so many bytes: then RST, FIN or silence."""

    async def handler(stream: trio.SocketStream) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = server_context(certificate).wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(await stream.receive_some())
        with pytest.raises(ssl.SSLWantReadError):
            server.do_handshake()
        await stream.send_all(outgoing.read()[:count])
        await trio.sleep(0.05)
        if end == "reset":
            reset(stream)
        if end == "silence":
            await silence(stream)

    return handler


@pytest.mark.parametrize(
    ("end", "failure"),
    [("reset", "connection_reset"), ("fin", "eof_error"), ("silence", "generic_timeout_error")],
)
async def test_a_cut_after_server_hello_tells_how_far_it_came(
    end: str, failure: str, nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots
) -> None:
    step, stream = await shake(nursery, cut_after(certificate, 300, end), roots, timeout=0.4)
    assert (stream, step.failure, step.bytes_read) == (None, failure, 300)
    assert step.first_byte is not None


@pytest.mark.parametrize(
    ("code", "name"), [(40, "handshake_failure"), (112, "unrecognized_name"), (80, "internal_error")]
)
async def test_an_alert_is_named(code: int, name: str, nursery: trio.Nursery, roots: Roots) -> None:
    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(bytes([21, 3, 3, 0, 2, 2, code]))

    step, _ = await shake(nursery, handler, roots)
    assert (step.failure, step.alert, step.bytes_read) == (Failure.SSL_FAILED_HANDSHAKE, name, 7)


async def test_a_server_without_a_version_in_common_says_so(
    nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots
) -> None:
    context = server_context(certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_3

    async def handler(stream: trio.SocketStream) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(await stream.receive_some())
        with pytest.raises(ssl.SSLError):
            server.do_handshake()
        await stream.send_all(outgoing.read())

    step, _ = await shake(nursery, handler, roots, profile="small")
    assert (step.failure, step.alert) == (Failure.SSL_FAILED_HANDSHAKE, "protocol_version")


async def test_garbage_is_a_failed_handshake_without_an_alert(nursery: trio.Nursery, roots: Roots) -> None:
    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n<html>blocked</html>")

    step, _ = await shake(nursery, handler, roots)
    assert (step.failure, step.alert) == (Failure.SSL_FAILED_HANDSHAKE, None)
    assert step.bytes_read > 0


@pytest.mark.parametrize("sni", ["", ".", "a" * 64 + ".com", "x" * 300, "two..dots", "bad\x00name"])
async def test_what_is_no_host_name_is_a_failure(sni: str, nursery: trio.Nursery, roots: Roots) -> None:
    step, stream = await shake(nursery, silence, roots, sni, timeout=0.1)
    assert stream is None
    assert step.failure in {Failure.INVALID_ARGUMENT, Failure.GENERIC_TIMEOUT_ERROR}


async def test_a_chain_of_a_hundred_is_recorded_in_time(nursery: trio.Nursery, authority: trustme.CA) -> None:
    context, certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), authority.issue_cert(NAME)
    blobs = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    filler = b"".join(trustme.CA(key_type=trustme.KeyType.ECDSA).cert_pem.bytes() for _ in range(99))
    with trustme.Blob(certificate.private_key_pem.bytes() + blobs + filler).tempfile() as path:
        context.load_cert_chain(path)
    step, stream = await shake(nursery, over_tls(context, echo), Roots.load(None))
    assert stream is not None
    assert (len(step.chain), step.chain_failure, step.host_match) == (100, "ssl_unknown_authority", True)
    await stream.aclose()


async def test_the_end_of_the_data_comes_with_and_without_close_notify_and_a_reset_raises(
    nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots
) -> None:
    async def polite(stream: trio.abc.Stream) -> None:
        assert isinstance(stream, trio.SSLStream)
        await stream.receive_some(1)
        await stream.unwrap()

    async def abrupt(stream: trio.abc.Stream) -> None:
        assert isinstance(stream, trio.SSLStream)
        await stream.receive_some(1)
        stream.transport_stream.socket.shutdown(trio.socket.SHUT_WR)
        await trio.sleep(0.1)

    async def violent(stream: trio.abc.Stream) -> None:
        assert isinstance(stream, trio.SSLStream)
        await stream.receive_some(1)
        reset(stream.transport_stream)

    for end in (polite, abrupt):
        _, stream = await shake(nursery, over_tls(server_context(certificate), end), roots)
        assert stream is not None
        await stream.send_all(b"x")
        assert await stream.receive_some() == b""
        await stream.aclose()
    _, stream = await shake(nursery, over_tls(server_context(certificate), violent), roots)
    assert stream is not None
    await stream.send_all(b"x")
    with pytest.raises(trio.BrokenResourceError):
        await stream.receive_some()
    await stream.aclose()


async def test_reading_and_writing_go_on_together(
    nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots
) -> None:
    _, stream = await shake(nursery, over_tls(server_context(certificate), echo), roots)
    assert stream is not None
    total = 4_000_000

    async def write() -> None:
        for _ in range(total // 40_000):
            await stream.send_all(b"x" * 40_000)

    async with trio.open_nursery() as both:
        both.start_soon(write)
        received = 0
        while received < total:
            received += len(await stream.receive_some())
    await stream.aclose()


async def test_cancelling_closes_the_stream_beneath(nursery: trio.Nursery, roots: Roots) -> None:
    closed = trio.Event()

    async def handler(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            pass
        closed.set()

    with trio.move_on_after(0.1) as scope:
        await shake(nursery, handler, roots, timeout=9)
    assert scope.cancelled_caught
    with trio.fail_after(1):
        await closed.wait()


@given(st.lists(st.binary(max_size=200), max_size=4), st.booleans())
@settings(max_examples=40, deadline=None)
def test_any_bytes_from_a_server_give_a_record_in_time(flights: list[bytes], typed: bool) -> None:
    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        for data in flights:
            framed = b"\x16\x03\x03" + len(data).to_bytes(2, "big") + data if typed else data
            await stream.send_all(framed)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            step, stream = await shake(nursery, handler, PUBLIC, timeout=0.5)
            assert stream is None
            assert step.failure
            assert step.t - step.t0 < 4
            nursery.cancel_scope.cancel()

    trio.run(main)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_server_flight_gives_a_record_in_time(data: st.DataObject) -> None:
    at, flip = data.draw(st.integers(0, 900)), data.draw(st.integers(1, 255))

    async def handler(stream: trio.SocketStream) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = SERVER.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(await stream.receive_some())
        with pytest.raises(ssl.SSLWantReadError):
            server.do_handshake()
        flight = bytearray(outgoing.read())
        flight[at % len(flight)] ^= flip
        await stream.send_all(flight)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            step, stream = await shake(nursery, handler, PUBLIC, timeout=0.5)
            assert (stream is None) is (step.failure is not None)
            if stream is not None:
                await stream.aclose()
            nursery.cancel_scope.cancel()

    trio.run(main)


PUBLIC = Roots.load(None)
SERVER = server_context(trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert(NAME, key_type=trustme.KeyType.ECDSA))
SERVER.maximum_version = ssl.TLSVersion.TLSv1_2
