"""`POST /api/v1/reports`: from bytes of a stranger to a durable entry of the log.

The order is from cheap to dear: who calls, how often, how much, and only then is anything unpacked. The answer 202
leaves after the log's fsync and never before; a repeat gets the same one.
"""

import time

import msgspec
from starlette.types import Receive, Scope, Send

from probe.clock import Clock
from probe.collector.ingest_asgi import respond
from probe.collector.ingest_body import declared_length, whole_body
from probe.collector.ingest_caller import MEASURING, Callers
from probe.collector.ingest_decoding import Decoder
from probe.collector.ingest_desk import Desk
from probe.collector.ingest_limits import RateLimit
from probe.collector.ingest_location import Location
from probe.collector.ingest_metrics import IngestMetrics
from probe.collector.ingest_refusals import Refusal, overloaded
from probe.collector.log import Entry, Log, LogDamaged, LogUnavailable
from probe.wire.reports import MOST_COMPRESSED, Accepted

_ENCODER = msgspec.json.Encoder()


class Reports:
    """The endpoint, an ASGI application."""

    def __init__(
        self,
        *,
        log: Log,
        decoder: Decoder,
        callers: Callers,
        location: Location,
        desk: Desk,
        clock: Clock,
        metrics: IngestMetrics,
        per_minute: float,
    ) -> None:
        self._log = log
        self._decoder = decoder
        self._callers = callers
        self._location = location
        self._desk = desk
        self._clock = clock
        self._metrics = metrics
        self._limit = RateLimit(clock, per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        try:
            accepted = await self._accept(scope, receive)
        except Refusal as refusal:
            self._metrics.rejections.labels(refusal.reason).inc()
            self._metrics.duration.observe(time.perf_counter() - began)
            raise
        self._metrics.duration.observe(time.perf_counter() - began)
        await respond(send, 202, _ENCODER.encode(accepted))

    async def _accept(self, scope: Scope, receive: Receive) -> Accepted:
        account = self._callers.caller(scope, MEASURING)
        self._limit.take(account.probe)
        headers = dict(scope["headers"])
        declared_length(headers, MOST_COMPRESSED)
        body = await whole_body(receive, MOST_COMPRESSED)
        report = await self._decoder.decode(headers.get(b"content-encoding", b""), body)
        entry = Entry(
            received_at=self._clock.now(),
            probe=account.probe,
            role=account.role,
            steward=account.steward,
            place=self._location.origin(scope, report.claim),
            report_id=report.report_id,
            body=body if report.stored is None else report.stored,
        )
        await self._append(entry)
        self._metrics.appended(entry.received_at.timestamp(), report.measurements)
        self._callers.note_seen(account)
        return Accepted(report_id=report.report_id, retests=self._desk.retests(account.probe))

    async def _append(self, entry: Entry) -> None:
        try:
            await self._log.append(entry)
        except (LogUnavailable, LogDamaged):
            raise overloaded("reports cannot be stored just now", 30.0) from None
