import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import trio
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.net import tls
from probe.net.chain import Roots
from probe.net.http import fetch
from probe.net.trace import Trace
from probe.wire.steps import HttpStep
from probe.wire.vocabulary import Failure, Purpose

from .servers import HOST, Handler, Http2, connected, listen, over_tls, reset, sends, server_context, silence

OK = b"HTTP/1.1 200 OK\r\n"
URL = "http://site.example/"


async def get(nursery: trio.Nursery, handler: Handler, url: str = URL, **options: object) -> HttpStep:
    trace, port = Trace(), await listen(nursery, handler)
    return await fetch(trace, await connected(trace, port), url, address=HOST, port=port, **options)  # type: ignore[arg-type]


def page(body: bytes, *headers: bytes) -> bytes:
    return OK + b"".join(h + b"\r\n" for h in headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def test_a_page(nursery: trio.Nursery) -> None:
    body = b"<html><title>A page</title></html>"
    wire = page(body, b"Server: nginx", b"Set-Cookie: id=1", b"Content-Type: text/html")
    step = await get(nursery, sends(wire), purpose=Purpose.TRUSTED_ADDRESS, trusted=True)
    assert (step.failure, step.status, step.title, step.body) == (None, 200, "A page", body)
    assert (step.body_length, step.body_truncated, step.bytes_read) == (len(body), False, len(wire))
    assert (step.protocol, step.method, step.trusted, step.purpose) == ("http/1.1", "GET", True, "trusted-address")
    assert dict(step.headers) == {"server": "nginx", "content-type": "text/html", "content-length": str(len(body))}
    assert step.first_byte is not None
    assert step.t0 < step.first_byte <= step.t
    assert len(step.body_sha256 or "") == 64


async def asked(nursery: trio.Nursery, **options: object) -> str:
    got: list[bytes] = []

    async def handler(stream: trio.SocketStream) -> None:
        got.append(bytes(await stream.receive_some()))
        await stream.send_all(page(b""))

    await get(nursery, handler, "http://site.example:8080/a?b=c", **options)
    return got[0].decode()


async def test_the_request_is_a_browsers_without_cookies(nursery: trio.Nursery) -> None:
    request = await asked(nursery)
    assert request.startswith("GET /a?b=c HTTP/1.1\r\n")
    lines = request.lower().split("\r\n")
    assert "host: site.example:8080" in lines
    assert "accept-language: en-us,en;q=0.9" in lines
    assert any(line.startswith("user-agent: mozilla/5.0") for line in lines)
    assert not any("cookie" in line or "httpx" in line or "python" in line for line in lines)


async def test_another_host_and_another_method(nursery: trio.Nursery) -> None:
    request = await asked(nursery, host="neutral.example", method="POST")
    assert request.startswith("POST /a?b=c HTTP/1.1\r\n")
    assert "host: neutral.example\r\n" in request.lower()
    assert "site.example" not in request
    assert "content-length: 0\r\n" in request.lower()


async def test_a_redirect_is_recorded_and_not_followed(nursery: trio.Nursery) -> None:
    step = await get(nursery, sends(b"HTTP/1.1 302 Found\r\nLocation: /notice\r\nContent-Length: 0\r\n\r\n"))
    assert (step.failure, step.status, step.location) == (None, 302, "http://site.example/notice")


async def test_a_redirect_to_no_host_is_a_failure_with_its_status(nursery: trio.Nursery) -> None:
    step = await get(nursery, sends(b"HTTP/1.1 302 Found\r\nLocation: http://\r\nContent-Length: 0\r\n\r\n"))
    assert (step.failure, step.status) == (Failure.HTTP_INVALID_REDIRECT_LOCATION_HOST, 302)


async def resets(stream: trio.SocketStream) -> None:
    await stream.receive_some()
    reset(stream)


async def closes(stream: trio.SocketStream) -> None:
    await stream.receive_some()


@pytest.mark.parametrize(
    ("handler", "failure"),
    [
        (resets, "connection_reset"),
        (closes, "eof_error"),
        (silence, "generic_timeout_error"),
        (sends(b"HTTP/1.1 20"), "eof_error"),
    ],
)
async def test_no_response(handler: Handler, failure: str, nursery: trio.Nursery) -> None:
    step = await get(nursery, handler, idle=0.2)
    assert (step.failure, step.status, step.body_length) == (failure, None, None)
    assert step.t - step.t0 < 3


async def test_what_is_no_http_is_named(nursery: trio.Nursery) -> None:
    step = await get(nursery, sends(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"))
    assert (step.failure or "").startswith("unknown_failure: ")
    assert (step.status, step.bytes_read) == (None, 23)


def then(data: bytes, end: str) -> Handler:
    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(data)
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
@pytest.mark.parametrize("framing", [b"Content-Length: 50000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nffff\r\n"])
async def test_a_response_cut_short_keeps_what_came(
    framing: bytes, end: str, failure: str, nursery: trio.Nursery
) -> None:
    wire = OK + framing + b"x" * 16_000
    step = await get(nursery, then(wire, end), idle=0.3)
    assert (step.failure, step.status, step.body_length, step.bytes_read) == (failure, 200, 16_000, len(wire))
    assert step.body_truncated is False


async def test_a_slow_drip_ends_at_the_whole_limit_with_what_came(nursery: trio.Nursery) -> None:
    async def drip(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(OK + b"Content-Length: 1000\r\n\r\n")
        while True:
            await stream.send_all(b"x")
            await trio.sleep(0.1)

    step = await get(nursery, drip, idle=0.3, whole=0.8)
    assert (step.failure, step.status) == (Failure.GENERIC_TIMEOUT_ERROR, 200)
    assert 4 <= (step.body_length or 0) <= 9
    assert 0.8 <= step.t - step.t0 < 3
    assert step.last_byte is not None
    assert step.t - step.last_byte < 0.3, "it never stalled"


def endless(chunk: bytes, *headers: bytes) -> Handler:
    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(OK + b"".join(h + b"\r\n" for h in headers) + b"\r\n")
        while True:
            await stream.send_all(chunk)

    return handler


async def test_a_page_of_a_gigabyte_is_left_after_the_first_64_kib(nursery: trio.Nursery) -> None:
    handler = endless(b"x" * 65536, b"Content-Length: 1073741824")
    tracemalloc.start()
    step = await get(nursery, handler)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (step.failure, step.status, step.body_truncated, step.body_length) == (None, 200, True, 65536)
    assert len(step.body) == 65536
    assert step.bytes_read < 500_000
    assert peak < 4_000_000


async def test_a_body_of_exactly_the_bound_is_whole(nursery: trio.Nursery) -> None:
    step = await get(nursery, sends(page(b"x" * 65536)))
    assert (step.failure, step.body_truncated, step.body_length) == (None, False, 65536)


async def test_a_body_that_ends_with_the_connection(nursery: trio.Nursery) -> None:
    step = await get(nursery, sends(OK + b"\r\nthe rest"))
    assert (step.failure, step.body) == (None, b"the rest")


@pytest.mark.parametrize(("name", "encode"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)])
async def test_a_compressed_body(name: bytes, encode: Callable[[bytes], bytes], nursery: trio.Nursery) -> None:
    body = b"<title>small</title>" * 100
    step = await get(nursery, sends(page(encode(body), b"Content-Encoding: " + name)))
    assert (step.failure, step.body, step.title) == (None, body, "small")


async def test_a_gzip_bomb_is_decoded_no_further_than_the_bound(nursery: trio.Nursery) -> None:
    bomb = gzip.compress(bytes(100_000_000))
    tracemalloc.start()
    step = await get(nursery, sends(page(bomb, b"Content-Encoding: gzip")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (step.failure, step.body_truncated, step.body_length) == (None, True, 65536)
    assert peak < 4_000_000


async def test_an_encoding_that_decodes_to_nothing_is_left(nursery: trio.Nursery) -> None:
    nothing = b"\x00\x00\x00\xff\xff" * 10_000  # empty stored blocks, after a bare deflate's

    step = await get(nursery, endless(nothing, b"Content-Encoding: deflate"), whole=5)
    assert (step.failure, step.body_truncated, step.body_length) == (None, True, 0)
    assert step.bytes_read < 1_000_000


async def test_a_body_that_is_not_what_its_encoding_says(nursery: trio.Nursery) -> None:
    step = await get(nursery, sends(page(b"no gzip at all" * 10, b"Content-Encoding: gzip")))
    assert (step.failure or "").startswith("unknown_failure: ")
    assert step.status == 200


async def test_headers_without_end_are_bounded(nursery: trio.Nursery) -> None:
    async def bomb(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(OK)
        while True:
            await stream.send_all(b"X-Header: " + b"x" * 1000 + b"\r\n")

    step = await get(nursery, bomb)
    assert (step.failure or "").startswith("unknown_failure: ")
    assert step.bytes_read < 1_000_000


async def test_an_early_hint_is_no_response(nursery: trio.Nursery) -> None:
    step = await get(nursery, sends(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + page(b"yes")))
    assert (step.status, step.body) == (200, b"yes")


@pytest.mark.parametrize("url", ["http://[::1/", "not a url", ""])
async def test_a_url_that_is_none_is_a_failure(url: str, nursery: trio.Nursery) -> None:
    step = await get(nursery, sends(page(b"")), url, idle=0.2)
    assert step.failure
    assert step.url == url


async def test_the_stream_is_closed_also_when_cancelled(nursery: trio.Nursery) -> None:
    closed = trio.Event()

    async def handler(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            pass
        closed.set()

    with trio.move_on_after(0.1) as scope:
        await get(nursery, handler)
    assert scope.cancelled_caught
    with trio.fail_after(1):
        await closed.wait()


async def secure(nursery: trio.Nursery, handler: Handler, roots: Roots, **options: object) -> HttpStep:
    trace, port = Trace(), await listen(nursery, handler)
    shaken, stream = await tls.handshake(trace, await connected(trace, port), HOST, port, "site.example", roots=roots)
    assert stream is not None
    step = await fetch(trace, stream, "https://site.example/", alpn=shaken.alpn, trusted=shaken.trusted, **options)  # type: ignore[arg-type]
    assert step.protocol == (shaken.alpn or "http/1.1")
    return step


async def test_a_page_over_tls(nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(page(b"x" * 40_000))

    step = await secure(nursery, over_tls(server_context(certificate, "http/1.1"), handler), roots)
    assert (step.failure, step.status, step.trusted, step.body_length) == (None, 200, True, 40_000)
    assert step.bytes_read > 40_000


async def test_a_cutoff_inside_a_tls_record_counts_what_came_on_the_wire(
    nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots
) -> None:
    """The filters that stall a connection after 16 kB do not wait for the end of a record."""
    context = server_context(certificate, "http/1.1")

    async def handler(stream: trio.SocketStream) -> None:
        secured = trio.SSLStream(Stalling(stream, 16_000), context, server_side=True)
        await secured.do_handshake()
        await secured.receive_some(65536)
        await secured.send_all(page(b"x" * 60_000))
        await silence(stream)

    step = await secure(nursery, handler, roots, idle=0.3)
    assert (step.failure, step.status) == (Failure.GENERIC_TIMEOUT_ERROR, None)
    assert 14_000 < step.bytes_read <= 16_000


class Stalling(trio.abc.Stream):
    """Lets so many bytes out, and swallows the rest."""

    def __init__(self, stream: trio.SocketStream, room: int) -> None:
        self._stream, self._room = stream, room

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        out = bytes(data)[: self._room]
        self._room -= len(out)
        await self._stream.send_all(out)

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


def h2_answer(status: int, body: list[bytes], **fields: str) -> Http2:
    return Http2(lambda _headers, _body: (status, fields, iter(body)))


async def test_a_page_over_http2(nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots) -> None:
    server = h2_answer(200, [b"<title>two</title>"], server="edge")
    step = await secure(nursery, over_tls(server_context(certificate, "h2"), server), roots)
    assert (step.failure, step.status, step.title, step.protocol) == (None, 200, "two", "h2")
    assert step.headers == (("server", "edge"),)
    assert step.first_byte is not None


async def test_another_host_over_http2(nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots) -> None:
    server = Http2(lambda headers, _: (200, {}, iter([headers[":authority"].encode()])))
    handler = over_tls(server_context(certificate, "h2"), server)
    assert (await secure(nursery, handler, roots, host="neutral.example")).body == b"neutral.example"


async def test_a_big_page_over_http2_is_left(
    nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots
) -> None:
    server = h2_answer(200, [b"x" * 16_000] * 2000)
    step = await secure(nursery, over_tls(server_context(certificate, "h2"), server), roots)
    assert (step.failure, step.body_truncated, step.body_length) == (None, True, 65536)


async def test_a_goaway_is_no_reset(nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots) -> None:
    server = Http2(lambda *_: (200, {}, iter([])), farewell_after=1)
    step = await secure(nursery, over_tls(server_context(certificate, "h2"), server), roots)
    assert (step.failure, step.status) == ("unknown_failure: http2 goaway, error code 0", None)


@pytest.mark.parametrize(
    ("end", "failure"), [(resets, "connection_reset"), (closes, "eof_error"), (silence, "generic_timeout_error")]
)
async def test_an_http2_connection_that_ends(
    end: Handler, failure: str, nursery: trio.Nursery, certificate: trustme.LeafCert, roots: Roots
) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        assert isinstance(stream, trio.SSLStream)
        await stream.receive_some(1)
        await end(stream.transport_stream)

    step = await secure(nursery, over_tls(server_context(certificate, "h2"), handler), roots, idle=0.3)
    assert (step.failure, step.status, step.first_byte) == (failure, None, None)


HEADS = (OK, b"HTTP/1.1 ", b"HTTP/1.1 302 \r\n", b"\r\n", b"\r\n\r\n", b"5\r\n", b"<title>")
FIELDS = ("Location: http://x/", "Content-Length: 5", "Transfer-Encoding: chunked", "Content-Encoding: gzip")
PIECES = st.one_of(st.binary(max_size=100), st.sampled_from([*HEADS, *(f"{field}\r\n".encode() for field in FIELDS)]))


@given(st.lists(PIECES, max_size=8), st.sampled_from([None, "h2"]))
@settings(max_examples=120, deadline=None)
def test_any_bytes_as_a_response_give_a_record_in_time(pieces: list[bytes], alpn: str | None) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            step = await get(nursery, sends(b"".join(pieces)), alpn=alpn, idle=0.5)
            assert step.failure or step.status
            assert step.t - step.t0 < 4
            nursery.cancel_scope.cancel()

    trio.run(main)


FRAMES = st.tuples(st.integers(0, 10), st.integers(0, 255), st.sampled_from([0, 1, 2, 3]), st.binary(max_size=40))


@given(st.lists(FRAMES, max_size=6))
@settings(max_examples=120, deadline=None)
def test_any_http2_frames_give_a_record_in_time(frames: list[tuple[int, int, int, bytes]]) -> None:
    wire = bytes(3) + b"\x04" + bytes(5)  # empty SETTINGS
    for kind, flags, stream_id, payload in frames:
        wire += len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big") + payload

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            step = await get(nursery, sends(wire), alpn="h2", idle=0.5)
            assert step.failure or step.status
            assert step.t - step.t0 < 4
            nursery.cancel_scope.cancel()

    trio.run(main)
