"""One HTTP request and its response: one hop. It follows no redirect."""

import hashlib
import ssl
import zlib
from typing import Any

import h2.events
import h2.exceptions
import h11
import httpcore
import httpx
import trio

from probe.net.exchange import Enough, Exchange
from probe.net.failures import causes, failure_of_oserror, unknown
from probe.net.meter import ByteStream, Meter
from probe.net.page import Decoder, NoHost, chosen, next_hop, title_of
from probe.net.tls_stream import TlsStream
from probe.net.trace import Trace
from probe.wire.steps import HttpStep
from probe.wire.vocabulary import UNKNOWN_FAILURE, Failure, Purpose

# What a common browser sends, so that what is answered is what a visitor would see. No cookies, no client hints.
REQUEST_HEADERS = (
    ("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.9"),
    ("Accept-Encoding", "gzip, deflate"),  # what can be decoded within a bound
    ("Upgrade-Insecure-Requests", "1"),
)
_SLACK = 65536  # bytes beyond the body's bound that may be read in vain: an encoding that decodes to nothing


async def fetch(
    trace: Trace,
    stream: ByteStream,
    url: str,
    *,
    address: str | None = None,
    port: int | None = None,
    alpn: str | None = None,
    trusted: bool = False,
    method: str = "GET",
    host: str | None = None,
    purpose: Purpose = Purpose.TARGET,
    max_body: int = 65536,
    idle: float = 8.0,
    whole: float = 20.0,
) -> HttpStep:
    """Closes the stream, whatever happens. `idle` is the longest silence on the wire, `whole` the longest duration.

    `alpn` is what the TLS handshake agreed on (`h2` or anything else), `host` a Host header other than the URL's.
    A response that was cut short keeps its status and what came of the body; one that is longer than `max_body`
    decoded bytes is no failure: it is left there, and the record says `body_truncated`.
    """
    seen = _Seen(trace, stream, max_body)
    t0 = trace.now()
    failure: str | None = None
    try:
        failure = await _within(seen, url, method, host, http2=alpn == "h2", idle=idle, whole=whole)
    except Exception as exc:  # the libraries raise more than they document on what a censor may send
        failure = failure_of(exc, ended=seen.meter.ended)
    finally:
        await seen.meter.aclose()
    facts = {"url": url, "address": address, "port": port, "method": method, "host": host, "trusted": trusted}
    protocol = "h2" if alpn == "h2" else "http/1.1"
    return seen.record(facts | {"t0": t0, "t": trace.now(), "purpose": purpose, "protocol": protocol}, failure)


async def _within(
    seen: "_Seen", url: str, method: str, host: str | None, *, http2: bool, idle: float, whole: float
) -> str | None:
    with trio.move_on_after(whole) as total, trio.move_on_after(idle) as quiet:

        def heard() -> None:
            quiet.deadline = trio.current_time() + idle
            seen.touch()

        seen.meter.heard = heard
        await seen.ask(url, method, host, http2=http2)
    return Failure.GENERIC_TIMEOUT_ERROR if total.cancelled_caught or quiet.cancelled_caught else None


class _Seen:
    """What is known of a response, however it ends."""

    def __init__(self, trace: Trace, stream: ByteStream, max_body: int) -> None:
        self._trace, self._stream, self._max_body = trace, stream, max_body
        self.meter = stream.meter if isinstance(stream, TlsStream) else Meter(stream, trace.traffic)
        self._before = self.meter.received
        self._first_byte: float | None = None
        self._last_byte: float | None = None
        self._response: httpx.Response | None = None
        self._body = bytearray()
        self._truncated = False

    async def ask(self, url: str, method: str, host: str | None, *, http2: bool) -> None:
        headers = [*REQUEST_HEADERS, *([("Host", host)] if host is not None else [])]
        request = httpx.Request(method, url, headers=headers)
        beneath = self._stream if isinstance(self._stream, TlsStream) else self.meter
        exchange = Exchange(beneath, request.url, http2=http2)
        if not http2:  # over HTTP/2 the server's settings come unasked
            exchange.wire.heard = self._heard
        self._response = await exchange.handle_async_request(request)
        self._heard()
        await self._read(exchange, self._response)

    def touch(self) -> None:
        """Bytes have come."""
        self._last_byte = self._trace.now()

    def _heard(self) -> None:
        if self._first_byte is None:
            self._first_byte = self._trace.now()

    async def _read(self, exchange: Exchange, response: httpx.Response) -> None:
        """Stops by having the next read from the wire raise Enough: leaving the loop would leave what it reads from
        half done."""
        decoder, raw = Decoder(response.headers.get("content-encoding", "")), 0
        broken: zlib.error | None = None
        try:
            async for chunk in response.aiter_raw():
                raw += len(chunk)
                try:
                    self._body += decoder.decode(chunk, self._max_body + 1 - len(self._body))
                except zlib.error as exc:
                    broken = broken or exc
                self._truncated = len(self._body) > self._max_body or raw > self._max_body + _SLACK
                exchange.wire.enough = self._truncated or broken is not None
        except Enough:
            pass
        if broken is not None:
            raise broken

    def record(self, facts: dict[str, Any], failure: str | None) -> HttpStep:
        """Called once the end was stamped: what is worked out here is in nobody's time."""
        facts |= {"first_byte": self._first_byte, "last_byte": self._last_byte}
        facts["bytes_read"] = self.meter.received - self._before
        response, body = self._response, bytes(self._body[: self._max_body])
        if response is None:
            return HttpStep(failure=failure, **facts)
        location = None
        try:
            location = next_hop(facts["url"], response.status_code, response.headers)
        except NoHost:
            failure = failure or Failure.HTTP_INVALID_REDIRECT_LOCATION_HOST
        return HttpStep(
            failure=failure,
            status=response.status_code,
            headers=chosen(response.headers),
            location=location,
            title=title_of(body, response.headers.get("content-type", "")),
            body=body,
            body_sha256=hashlib.sha256(body).hexdigest(),
            body_length=len(body),
            body_truncated=self._truncated,
            **facts,
        )


_FAILURES: tuple[tuple[type[BaseException], Failure], ...] = (
    (trio.TooSlowError, Failure.GENERIC_TIMEOUT_ERROR),
    (httpcore.TimeoutException, Failure.GENERIC_TIMEOUT_ERROR),
    (httpx.TimeoutException, Failure.GENERIC_TIMEOUT_ERROR),
    (trio.ClosedResourceError, Failure.CONNECTION_ALREADY_CLOSED),
    (httpx.InvalidURL, Failure.INVALID_ARGUMENT),
)
_BROKEN_PROTOCOL = (httpcore.ProtocolError, h11.ProtocolError, h2.exceptions.H2Error)


def failure_of(exc: BaseException, *, ended: bool = False) -> str:
    """`ended`: the peer closed the connection, which explains whatever protocol error it left behind."""
    links = tuple(causes(exc))
    for link in links:
        known = _known(link)
        if known is not None:
            return known
    if ended and any(isinstance(link, _BROKEN_PROTOCOL) for link in links):
        return Failure.EOF_ERROR
    if isinstance(links[-1], trio.BrokenResourceError):
        return Failure.CONNECTION_RESET
    return unknown(next((link for link in links if str(link)), exc))


def _known(exc: BaseException) -> str | None:
    if isinstance(exc, OSError):  # an SSLError is one too, but its errno is none
        return unknown(exc) if isinstance(exc, ssl.SSLError) else failure_of_oserror(exc)
    if isinstance(exc, httpcore.RemoteProtocolError):
        return _said_by_http2(exc)
    return next((failure for kind, failure in _FAILURES if isinstance(exc, kind)), None)


def _said_by_http2(exc: httpcore.RemoteProtocolError) -> str | None:
    """A GOAWAY or a stream's reset is the server's word: neither is a reset of the connection."""
    match exc.args:
        case (h2.events.ConnectionTerminated() as event,):
            return f"{UNKNOWN_FAILURE}: http2 goaway, error code {int(event.error_code or 0)}"
        case (h2.events.StreamReset() as event,):
            return f"{UNKNOWN_FAILURE}: http2 stream reset, error code {int(event.error_code or 0)}"
    return None
