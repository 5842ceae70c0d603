"""The collector's HTTP interface, as a probe uses it.

One connection over HTTP/1.1 is kept open: a handshake costs more than a day of check-ins is worth. Of several addresses
of the collector the one that works is kept to. All requests but `enrol` may be repeated, and are, once, where a kept
connection turns out to be closed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self, TypeVar

import httpcore
import httpx
import msgspec
import trio

from probe import __version__
from probe.agent.client_faults import CollectorFault, Rejected, Unreachable, retry_after
from probe.agent.client_transport import Broken, Transport, checked_base, read_body
from probe.agent.client_wire import Meter
from probe.wire.reports import Accepted, Checkin, Enrolled, Enrolment, Refused
from probe.wire.signed import Signed

_ANSWER = 256 << 10  # bytes of an answer, at most
_DOCUMENT = 16 << 20  # bytes of a signed document
_SLOWEST = 4096  # bytes a second: what an upload is given time for

T = TypeVar("T")


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. `idle` without a byte either way, `whole` for an answer, beside what a body needs to travel."""

    connect: float = 15.0
    idle: float = 20.0
    whole: float = 45.0


_PATIENT = Timeouts()


class Document(msgspec.Struct, frozen=True):
    """`etag` is without its quotes; absent where the collector gave none."""

    signed: Signed
    etag: str | None


class CollectorClient:
    """Close it, or use it as a context. Methods raise CollectorFault: `Unreachable` or `Rejected`."""

    def __init__(
        self,
        bases: Sequence[str],
        token: str | None = None,
        *,
        proxy: str | None = None,
        ca_file: Path | None = None,
        timeouts: Timeouts = _PATIENT,
        meter: Meter | None = None,
    ) -> None:
        """`bases` are URLs below which `/api/v1` is. `proxy` is `http://`, `https://` or `socks5://`, with
        `NAME:PASSWORD@` if it wants that. `ca_file` (PEM) replaces the public roots. `meter` is told bytes sent and
        received as they happen. Raises UnusableSetting."""
        self._bases = [checked_base(base) for base in bases]
        self._token, self._timeouts = token, timeouts
        self.proxied = bool(proxy)
        self._transport = Transport(proxy, ca_file, meter or _unmetered)
        limits = httpx.Timeout(timeouts.idle, connect=timeouts.connect)
        self._http = httpx.AsyncClient(transport=self._transport, timeout=limits, trust_env=False)
        self._http.headers = httpx.Headers({"User-Agent": f"censorship-probe/{__version__}"})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    @property
    def base(self) -> str | None:
        """The address in use; None where there is no collector."""
        return self._bases[0] if self._bases else None

    async def enrol(self, enrolment: Enrolment) -> Enrolled:
        request = _Request("POST", "/enrol", msgspec.json.encode(enrolment), again=False)
        return _decoded(await self._asked(request, 200), Enrolled)

    async def checkin(self, *, country: str | None = None, asn: int | None = None, wait: int | None = None) -> Checkin:
        """`country` and `asn` as the probe itself believes. `wait` holds the answer for so many seconds, or until a
        re-test is wanted."""
        claims = {"country": country, "asn": asn, "wait": wait}
        given = {name: str(value) for name, value in claims.items() if value is not None}
        request = _Request("GET", f"/checkin{f'?{httpx.QueryParams(given)}' if given else ''}", patience=wait or 0)
        return _decoded(await self._asked(request, 200), Checkin)

    async def send(self, compressed: bytes, report_id: str, *, encoding: str = "zstd") -> Accepted:
        """`compressed` is the JSON of a Report. Only an answer that names it is taken for an acknowledgement."""
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        accepted = _decoded(await self._asked(_Request("POST", "/reports", compressed, headers), 202), Accepted)
        if accepted.report_id != report_id:
            raise Unreachable("the collector acknowledged another report than was sent")
        return accepted

    async def document(self, kind: str, etag: str | None = None) -> Document | None:
        """`kind`: catalogue, expectations, keys. None where it is still of the version `etag`."""
        headers = {"Accept-Encoding": "gzip"} | ({"If-None-Match": f'"{etag}"'} if etag else {})
        answer = await self._asked(_Request("GET", f"/{kind}", headers=headers, most=_DOCUMENT), 200, 304)
        if answer.status == 304:
            return None
        found = answer.headers.get("etag", "").removeprefix("W/").strip('"')
        return Document(_decoded(answer, Signed), found or None)

    async def erase(self) -> None:
        """The collector forgets this probe; the token holds no more."""
        await self._asked(_Request("DELETE", "/probe"), 202)

    # --- one request ---

    async def _asked(self, request: "_Request", *wanted: int) -> "_Answer":
        """Of each address in turn, beginning with the one that worked last."""
        fault: CollectorFault = Unreachable("no collector is configured")
        for _ in range(len(self._bases)):
            try:
                return await self._asked_of(self._bases[0], request, wanted)
            except Unreachable as exc:
                fault = exc
            except Rejected as exc:
                if exc.status < 500 or exc.retry_after is not None:
                    raise
                fault = exc
            if not request.again:
                break
            self._bases.append(self._bases.pop(0))
        raise fault

    async def _asked_of(self, base: str, request: "_Request", wanted: Sequence[int]) -> "_Answer":
        connects = self._transport.wire.connects
        try:
            answer = await self._exchange(base, request)
        except Broken as exc:
            if not request.again or self._transport.wire.connects != connects:
                raise Unreachable(f"{base}: {exc}") from exc
            answer = await self._second_try(base, request)
        if answer.status not in wanted:
            raise _refusal(base, answer)
        return answer

    async def _second_try(self, base: str, request: "_Request") -> "_Answer":
        """A kept connection may have been closed at any time; that says nothing of the collector."""
        try:
            return await self._exchange(base, request)
        except Broken as exc:
            raise Unreachable(f"{base}: {exc}") from exc

    async def _exchange(self, base: str, request: "_Request") -> "_Answer":
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        whole = self._timeouts.whole + request.patience + len(request.body) / _SLOWEST
        sent = self._http.build_request(
            request.method,
            f"{base}/api/v1{request.path}",
            content=request.body or None,
            headers=headers | request.headers,
            timeout=httpx.Timeout(self._timeouts.idle + request.patience, connect=self._timeouts.connect),
        )
        try:
            with trio.fail_after(whole):
                response = await self._http.send(sent, stream=True)
                try:
                    body = await read_body(response, request.most)
                finally:
                    await response.aclose()
        except trio.TooSlowError as exc:
            raise Broken("no answer in time") from exc
        except (httpcore.ProxyError, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as exc:
            raise Broken(" ".join(str(exc).split())[:200] or "the connection broke") from exc
        return _Answer(response.status_code, response.headers, body)


class _Request(msgspec.Struct, frozen=True):
    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = {}
    most: int = _ANSWER
    patience: float = 0.0  # seconds that the collector may hold the answer
    again: bool = True  # asking twice is as good as once


class _Answer(msgspec.Struct, frozen=True):
    status: int
    headers: httpx.Headers
    body: bytes


def _unmetered(sent: int, received: int) -> None:
    pass


def _refusal(base: str, answer: _Answer) -> CollectorFault:
    """A collector says why; what does not is something else that answers at its address, or in front of it."""
    try:
        refused = msgspec.json.decode(answer.body, type=Refused)
    except msgspec.DecodeError:
        if answer.status < 400 or answer.status in {403, 404, 405, 511}:
            return Unreachable(f"{base}: answered {answer.status}, as no collector does: is the address right?")
        refused = Refused(error="no reason given")
    return Rejected(answer.status, refused, retry_after(answer.headers))


def _decoded(answer: _Answer, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise Unreachable(f"the collector's answer cannot be understood: {exc}") from exc
