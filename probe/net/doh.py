"""Questions to a trusted resolver over HTTPS: one verified connection for all the names of a round.

Its address is pinned and its name is real, so no resolver has a say in reaching it. A question is sent only to a server
that proved to be who the name says. What could not be reached stays so for the object's lifetime: a blocked resolver
costs one timeout a round, not one a name.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Self

import httpx
import trio

from probe.net import http, tcp, tls
from probe.net.dns_message import BadName, Question, Reply
from probe.net.exchange import Enough, Exchange
from probe.net.trace import Trace
from probe.wire.addresses import is_public
from probe.wire.steps import DnsStep
from probe.wire.vocabulary import Failure, Purpose

_SILENCE = 2.0  # seconds for an address to prove itself while there is another one to try
_AT_ONCE = 32  # questions under way over HTTP/2; over HTTP/1.1 they take turns
_LONGEST = 65535  # bytes of a DNS message
_TYPE = "application/dns-message"  # RFC 8484
_LEAST = 1.0  # seconds that a question is given where opening the connection took most of its time


def _wall_clock() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class TrustedConnection:
    """Opened by the first question, shared by all; any number of tasks may ask. Close it, or use it as a context."""

    def __init__(
        self,
        url: str,
        addresses: Sequence[str],
        roots: tls.Roots,
        source: str | None = None,
        *,
        allowed: Callable[[str], bool] = is_public,
        now: Callable[[], dt.datetime] = _wall_clock,
    ) -> None:
        """`now` gives the moment for the validity of certificates."""
        self.url = url
        self._roots, self._source, self._allowed, self._now = roots, source, allowed, now
        self._addresses = list(addresses)
        self._opening = trio.Lock()
        self._link: _Link | None = None
        self._failure: str | None = None if addresses else Failure.INVALID_ARGUMENT

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._link is not None:
            await self._link.aclose()
            self._link = None

    async def query(
        self,
        trace: Trace,
        name: str,
        qtype: str,
        *,
        purpose: Purpose = Purpose.TRUSTED,
        timeout: float = 4.0,  # noqa: ASYNC109 (it is recorded, not raised)
    ) -> DnsStep:
        """`t0` is when the question was ready to go: opening the connection and waiting for a turn are before it."""
        facts: dict[str, Any] = {"name": name, "qtype": qtype, "resolver": self.url, "transport": "https"}
        facts |= {"purpose": purpose, "t0": trace.now()}
        try:
            question = Question(name, qtype, id=0)  # RFC 8484, 4.1: so that caches can work
            facts["name"] = question.name
            reply = await self._asked(trace, question, facts, trio.current_time() + timeout)
        except (BadName, Unreached) as exc:
            return DnsStep(t=trace.now(), failure=failure_of(exc), **facts)
        facts |= {"t": reply.record.t, "replies": (reply.record,)}
        if not reply.usable:
            return DnsStep(failure=Failure.DNS_SERVER_MISBEHAVING, **facts)
        return DnsStep(failure=reply.failure, answers=() if reply.failure else reply.answers, **facts)

    async def _asked(self, trace: Trace, question: Question, facts: dict[str, Any], deadline: float) -> Reply:
        """Once more over a new connection where the first broke: a server may close one at any time. A connection that
        others used up while this question waited for its turn is no attempt."""
        failure: str = Failure.GENERIC_TIMEOUT_ERROR
        attempts = 0
        while attempts < 2:
            link = await self._ready(trace, deadline)
            try:
                async with link.turn:
                    if link.spent:
                        await self._retire(link)
                        continue
                    facts["t0"] = trace.now()
                    with trio.fail_at(self._patience(link, deadline)):
                        return question.read(await link.post(self.url, question.wire()), trace.now())
            except Exception as exc:  # as in `http.fetch`: the libraries raise more than they document
                attempts += 1
                failure = failure_of(exc, ended=link.ended)
                if isinstance(exc, Unreached) or (link.proven and isinstance(exc, trio.TooSlowError)):
                    break  # the connection is good; its other questions go on
                await self._drop(link, failure, for_good=attempts > 1 or isinstance(exc, trio.TooSlowError))
        raise Unreached(failure)

    async def _retire(self, link: "_Link") -> None:
        """The server said that it closes after this answer."""
        if self._link is link:
            self._link = None
            await link.aclose()

    def _patience(self, link: "_Link", deadline: float) -> float:
        now = trio.current_time()
        deadline = max(deadline, now + _LEAST)
        return deadline if link.proven or len(self._addresses) < 2 else min(deadline, now + _SILENCE)

    async def _drop(self, link: "_Link", failure: str, *, for_good: bool) -> None:
        """An address that never answered is left for the next; the last of them is given a second chance, unless it
        was silence that used up the first."""
        await link.aclose()
        if self._link is link:
            self._link = None
            if not link.proven and (for_good or len(self._addresses) > 1):
                self._give_up_address(failure)

    def _give_up_address(self, failure: str) -> None:
        del self._addresses[0]
        if not self._addresses:
            self._failure = failure

    async def _ready(self, trace: Trace, deadline: float) -> "_Link":
        async with self._opening:
            while self._link is None and self._failure is None:
                try:
                    self._link = await self._open(trace, deadline)
                except Unreached as exc:
                    self._give_up_address(exc.failure)
            if self._link is None:
                raise Unreached(self._failure or Failure.GENERIC_TIMEOUT_ERROR)
            return self._link

    async def _open(self, trace: Trace, deadline: float) -> "_Link":
        limit = max(_LEAST, deadline - trio.current_time())
        limit = limit if len(self._addresses) < 2 else min(limit, _SILENCE)
        address, url, end = self._addresses[0], httpx.URL(self.url), trio.current_time() + limit
        port = url.port or 443
        connected, stream = await tcp.connect(
            trace, address, port, timeout=limit, source=self._source, allowed=self._allowed
        )
        if stream is None:
            raise Unreached(connected.failure)
        left = max(0.1, end - trio.current_time())
        shaken, secured = await tls.handshake(
            trace, stream, address, port, url.host, roots=self._roots, timeout=left, now=self._now()
        )
        if secured is None:
            raise Unreached(shaken.failure)
        if not shaken.trusted:
            await secured.aclose()
            raise Unreached(shaken.chain_failure or Failure.SSL_INVALID_HOSTNAME)
        return _Link(secured, url)


class _Link:
    """A connection to a server that proved to be the resolver. `proven`: it has also answered."""

    def __init__(self, stream: tls.TlsStream, url: httpx.URL) -> None:
        http2 = stream.alpn == "h2"
        self._stream, self._exchange = stream, Exchange(stream, url, http2=http2)
        self.turn = trio.CapacityLimiter(_AT_ONCE if http2 else 1)
        self.proven = self.spent = False

    @property
    def ended(self) -> bool:
        return self._stream.meter.ended

    async def post(self, url: str, wire: bytes) -> bytes:
        """The message that came back. Raises Unreached for an answer that is none, and what `Exchange` raises."""
        request = httpx.Request("POST", url, content=wire, headers={"Accept": _TYPE, "Content-Type": _TYPE})
        response = await self._exchange.handle_async_request(request)
        self.proven, body = True, bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            self._exchange.wire.enough = len(body) > _LONGEST
        if response.status_code != 200 or response.headers.get("content-type", "").partition(";")[0] != _TYPE:
            raise Unreached(Failure.DNS_SERVER_MISBEHAVING)
        self.spent = response.extensions.get("http_version") == b"HTTP/1.0" or _closes(response)
        return bytes(body)

    async def aclose(self) -> None:
        await self._stream.aclose()


def _closes(response: httpx.Response) -> bool:
    return "close" in response.headers.get("connection", "").lower()


class Unreached(Exception):
    """No answer to be had of the resolver, for the reason that `failure` names."""

    def __init__(self, failure: str | None) -> None:
        super().__init__(failure)
        self.failure = failure or Failure.GENERIC_TIMEOUT_ERROR


def failure_of(exc: BaseException, *, ended: bool = False) -> str:
    match exc:
        case Unreached():
            return exc.failure
        case BadName():
            return Failure.INVALID_ARGUMENT
        case Enough():
            return Failure.DNS_SERVER_MISBEHAVING
    return http.failure_of(exc, ended=ended)
