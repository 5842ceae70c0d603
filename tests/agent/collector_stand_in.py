"""A small collector for tests of the agent: real sockets, real TLS, and every fault that a real one can show.

In a test: `async with stand_in() as collector:`, then `collector.url`, `collector.trouble = Trouble(...)` and what is
in `collector.seen`. As a process, for the lab:

    python -m tests.agent.collector_stand_in --listen 0.0.0.0:8640

with `PUT /stand-in/trouble` (JSON of Trouble) and `GET /stand-in/seen` (JSON of Seen).
"""

import argparse
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Literal

import h11
import msgspec
import trio
import zstandard

from probe.catalogue.signatures import Keypair, sign
from probe.wire.reports import (
    MOST_COMPRESSED,
    MOST_DECODED,
    Accepted,
    Checkin,
    Enrolled,
    Enrolment,
    Refused,
    Report,
    Retest,
)
from probe.wire.signed import Lease, Signed

TOKEN = "stand-in-token"
INVITATION = "stand-in-invitation"


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What befalls requests to `on` (the end of their path; empty: all), `times` of them, or all from now on.

    blackhole: taken and never answered. cut-at-once: closed before anything was read. cut-half-way: closed when half of
    the body had come. cut-after-commit: recorded, then closed without an answer. status: answered with it.
    forged-lease: the lease is signed with a key of nobody's.
    """

    kind: Literal["blackhole", "cut-at-once", "cut-half-way", "cut-after-commit", "status", "delay", "forged-lease"]
    on: str = ""
    times: int = -1
    status: int = 500
    retry_after: str | None = None
    path: str | None = None  # of the fault in the body
    seconds: float = 0.0  # of delay


class Seen(msgspec.Struct, kw_only=True):
    """`measurements`: the reports in which each id came, without repeats. `reports`: the measurements of each.
    `requests`: method and path of all that came, with what it was answered (0: not at all); `moments`: when."""

    measurements: dict[str, list[str]] = {}
    reports: dict[str, list[str]] = {}
    bodies: list[bytes] = []
    requests: list[tuple[str, str, int]] = []
    moments: list[dt.datetime] = []
    tokens: list[str] = []
    repeats: int = 0
    dropped: int = 0
    connections: int = 0

    def count(self, path: str, status: int | None = None) -> int:
        return sum(at.startswith(path) and status in {None, code} for _, at, code in self.requests)


def _wall_clock() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Collector:
    """`trouble`, `checkin`, `lease`, `documents`, `retests`, `revoked` and `poison` may be set at any time. `keep`
    keeps the decoded reports."""

    def __init__(self, tls: ssl.SSLContext | None = None, now: Callable[[], dt.datetime] = _wall_clock) -> None:
        self._tls, self.now = tls, now
        self.key, self._other_key = Keypair.generate(), Keypair.generate()
        self.trouble: Trouble | None = None
        self.checkin = Checkin(time=now(), collector_version="1")
        self.lease: Lease | None = None
        self.retests: tuple[Retest, ...] = ()  # on the next 202
        self.documents: dict[str, tuple[Signed, str]] = {}
        self.seen = Seen()
        self.keep = True
        self.revoked = False
        self.poison: str | None = None  # id of a measurement at whose report it fails every time
        self._host, self.port = "127.0.0.1", 0
        self._nursery: trio.Nursery | None = None
        self._open: trio.CancelScope | None = None
        self._lapsed = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    # --- the port ---

    async def open_port(self, nursery: trio.Nursery | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        """The same as before where it was closed."""
        self._nursery, self._host = nursery or self._nursery, host if nursery else self._host
        assert self._nursery is not None
        self.port = await self._nursery.start(self._listen, self.port or port)

    def close_port(self) -> None:
        """Connections are refused, and those there are cut."""
        if self._open is not None:
            self._open.cancel()

    async def _listen(self, port: int, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.CancelScope() as self._open:
            listeners = await trio.open_tcp_listeners(port, host=self._host)
            bound = int(listeners[0].socket.getsockname()[1])
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(trio.serve_listeners, self._serve, listeners))
                task_status.started(bound)

    async def _serve(self, raw: trio.SocketStream) -> None:
        self.seen.connections += 1
        stream = trio.SSLStream(raw, self._tls, server_side=True, https_compatible=True) if self._tls else raw
        try:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError, Cut):
                await Conversation(self, stream).run()
        finally:
            await trio.aclose_forcefully(raw)

    # --- what is answered ---

    def troubled(self, path: str) -> Trouble | None:
        """The trouble that this request gets; counted."""
        found = self.trouble
        if found is None or not path.partition("?")[0].endswith(found.on):
            return None
        if found.times > 0:
            self.trouble = msgspec.structs.replace(found, times=found.times - 1) if found.times > 1 else None
        return found

    def answer(self, method: str, path: str, token: str, body: bytes, encoding: str) -> tuple[int, bytes]:
        place = path.partition("?")[0].removeprefix("/api/v1")
        if place == "/enrol":
            return self._enrol(body)
        if place == "/stand-in/seen":
            return 200, msgspec.json.encode(self.seen)
        if place == "/stand-in/trouble":
            if method == "PUT":
                self.trouble = msgspec.json.decode(body, type=Trouble | None)
            return 200, msgspec.json.encode(self.trouble)
        self.seen.tokens.append(token)
        if self.revoked or token != f"Bearer {TOKEN}":
            return 401, _refused("unknown token")
        match method, place:
            case "GET", "/checkin":
                return 200, msgspec.json.encode(self._checkin())
            case "POST", "/reports":
                return self._report(body, encoding)
            case "DELETE", "/probe":
                self.revoked = True
                return 202, b"{}"
            case "GET", "/catalogue" | "/expectations" | "/keys" if place[1:] in self.documents:
                return 200, msgspec.json.encode(self.documents[place[1:]][0])
        return 404, _refused("no such page")

    def _enrol(self, body: bytes) -> tuple[int, bytes]:
        if msgspec.json.decode(body, type=Enrolment).invitation != INVITATION:
            return 403, _refused("unknown or used invitation")
        return 200, msgspec.json.encode(Enrolled(token=TOKEN, role="probe", collector="stand-in"))

    def _checkin(self) -> Checkin:
        key = self._other_key if self.trouble is not None and self.trouble.kind == "forged-lease" else self.key
        lease = sign(msgspec.json.encode(self.lease), key) if self.lease else None
        return msgspec.structs.replace(self.checkin, time=self.now(), lease=lease)

    def _report(self, body: bytes, encoding: str) -> tuple[int, bytes]:
        """Strict: what a real collector would not take is a fault of the probe."""
        if len(body) > MOST_COMPRESSED:
            return 413, _refused("too many bytes")
        try:
            raw = _decoded(body, encoding)
        except zstandard.ZstdError as exc:
            return 400, _refused(str(exc))
        if len(raw) > MOST_DECODED:
            return 413, _refused("too many bytes")
        try:
            report = msgspec.json.decode(raw, type=Report)
        except msgspec.ValidationError as exc:
            return 422, _refused(str(exc))
        if self.poison in {reported.measurement.id for reported in report.measurements}:
            return 500, _refused("an internal fault")
        self._record(report, raw)
        retests, self.retests = self.retests, ()
        return 202, msgspec.json.encode(Accepted(report_id=report.report_id, retests=retests))

    def _record(self, report: Report, raw: bytes) -> None:
        ids = [reported.measurement.id for reported in report.measurements]
        if report.report_id in self.seen.reports:
            self.seen.repeats += 1
            assert self.seen.reports[report.report_id] == ids, "a report came twice, with other members"
            return
        self.seen.reports[report.report_id] = ids
        self.seen.dropped += report.dropped
        if self.keep:
            self.seen.bodies.append(raw)
        for one in ids:
            self.seen.measurements.setdefault(one, []).append(report.report_id)

    def reports(self) -> list[Report]:
        return [msgspec.json.decode(raw, type=Report) for raw in self.seen.bodies]


class Cut(Exception):
    """The connection is to be closed without a word."""


class Conversation:
    """One connection: requests one after another until it is closed."""

    def __init__(self, collector: Collector, stream: trio.abc.Stream) -> None:
        self._collector, self._stream = collector, stream
        self._h11 = h11.Connection(h11.SERVER)
        self._got = 0

    async def run(self) -> None:
        while True:
            request = await self._event()
            if not isinstance(request, h11.Request):
                return
            await self._exchange(request)
            if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
                return
            self._h11.start_next_cycle()

    async def _exchange(self, request: h11.Request) -> None:
        method, path = request.method.decode(), request.target.decode()
        entry = len(self._collector.seen.requests)
        self._collector.seen.requests.append((method, path, 0))
        self._collector.seen.moments.append(self._collector.now())
        headers = {name.decode(): value.decode() for name, value in request.headers}
        trouble = self._collector.troubled(path)
        kind = trouble.kind if trouble else ""
        if kind == "cut-at-once":
            raise Cut
        if kind == "blackhole":
            await trio.sleep_forever()
        body = await self._body(int(headers.get("content-length", 0)), half=kind == "cut-half-way")
        kept = self._collector.documents.get(path.rpartition("/")[2])
        if trouble is not None and kind == "status":
            status, answer = trouble.status, _refused("as the test wants it", trouble.path)
        elif kept and headers.get("if-none-match") == f'"{kept[1]}"':
            status, answer = 304, b""
        else:
            encoding = headers.get("content-encoding", "")
            status, answer = self._collector.answer(method, path, headers.get("authorization", ""), body, encoding)
        if kind == "cut-after-commit":
            raise Cut
        if trouble is not None:
            await trio.sleep(trouble.seconds)
        retry = [("Retry-After", trouble.retry_after)] if trouble and trouble.retry_after else []
        self._collector.seen.requests[entry] = (method, path, status)
        tags = [("ETag", f'"{kept[1]}"')] if kept else []
        await self._answer(status, answer, [*retry, *tags])

    async def _body(self, length: int, *, half: bool) -> bytes:
        body = b""
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            assert isinstance(event, h11.Data)
            body += event.data
            if half and len(body) >= length // 2:
                raise Cut
        if half:
            raise Cut
        return body

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            self._h11.receive_data(bytes(await self._stream.receive_some(16384)))
        return event  # type: ignore[return-value]

    async def _answer(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
        now = dt.datetime.now(dt.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        fields = [("Content-Length", str(len(body))), ("Date", now), *headers]
        data = self._h11.send(h11.Response(status_code=status, headers=fields))
        await self._stream.send_all(data + self._h11.send(h11.Data(data=body)) + self._h11.send(h11.EndOfMessage()))


def _decoded(body: bytes, encoding: str) -> bytes:
    return zstandard.ZstdDecompressor().decompress(body, max_output_size=MOST_DECODED) if encoding == "zstd" else body


def _refused(error: str, path: str | None = None) -> bytes:
    return msgspec.json.encode(Refused(error=error, path=path))


@asynccontextmanager
async def stand_in(
    tls: ssl.SSLContext | None = None, now: Callable[[], dt.datetime] = _wall_clock
) -> AsyncIterator[Collector]:
    async with trio.open_nursery() as nursery:
        collector = Collector(tls, now)
        await collector.open_port(nursery)
        yield collector
        nursery.cancel_scope.cancel()


async def _main(host: str, port: int) -> None:
    async with trio.open_nursery() as nursery:
        collector = Collector()
        collector.keep = False
        await collector.open_port(nursery, host, port)
        print(f"listening on port {collector.port}", flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A collector for tests of the agent.")
    parser.add_argument("--listen", default="127.0.0.1:8640", metavar="HOST:PORT")
    host, _, port = parser.parse_args().listen.rpartition(":")
    trio.run(_main, host, int(port))
