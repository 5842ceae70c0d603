"""One report after another from the spool to the collector, and what becomes of those that it does not want."""

import datetime as dt
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import trio
import zstandard

from probe.agent.client import CollectorClient
from probe.agent.client_faults import Rejected
from probe.agent.spool import Spool
from probe.agent.spool_batch import Batch, Body
from probe.agent.uplink_pace import MALFORMED
from probe.clock import Clock
from probe.wire.measurement import Network
from probe.wire.reports import MOST_COMPRESSED, Accepted, Agent, Refused

# zstd 9 is a tenth smaller than 3, at 15 ms for 500 measurements. Its own window and tables would take 11 MiB for a
# large report, the most that the daemon ever held at once; these take 2.
_COMPRESSION = zstandard.ZstdCompressionParameters.from_level(
    9, window_log=20, chain_log=18, hash_log=18, write_checksum=True, write_content_size=True
)
_OVERHEAD = 1500  # bytes of headers, packets and answer beside a report's own
_STUCK = 4  # attempts that ended in 500

T = TypeVar("T")


class OverBudget(Exception):
    """The report would cost more than may be spent now."""


class Delivered(NamedTuple):
    """`more`: others waited when this one was put together."""

    accepted: Accepted
    more: bool


class Reports:
    """`set_aside` counts those refused one after another; `version` is the collector's."""

    def __init__(
        self, spool: Spool, client: CollectorClient, clock: Clock, agent: Agent, limiter: trio.CapacityLimiter
    ) -> None:
        self._spool, self._client, self._clock, self._agent, self._limiter = spool, client, clock, agent, limiter
        self._tries: dict[str, int] = {}
        self.set_aside = 0
        self.version: str | None = None

    async def meet(self, version: str | None) -> bool:
        """The collector's version: whether reports that were set aside are tried again because of it."""
        if version == self.version:
            return False
        self.version, self.set_aside = version, 0
        return await self.in_thread(lambda: self._spool.restore_set_aside(version)) > 0

    async def send_next(
        self, network: Network, clock_offset: float | None, may_spend: Callable[[int], bool]
    ) -> Delivered | None:
        """None where nothing waits. Raises OverBudget, CollectorFault and SpoolUnavailable. What is malformed was set
        aside when this raises."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        batch = await self.in_thread(lambda: self._next(now, monotonic))
        if batch is None:
            return None
        packed = await self.in_thread(lambda: compressed(batch.body(network, clock_offset)))
        if not may_spend(len(packed) + _OVERHEAD):
            raise OverBudget
        try:
            accepted = await self._send(packed, batch.report_id)
        except Rejected as fault:
            await self._refused(batch, fault)
            raise
        await self._delivered(batch.report_id)
        return Delivered(accepted, batch.more)

    def _next(self, now: dt.datetime, monotonic: float) -> Batch | None:
        """Those at which the collector failed again and again let others go first."""
        stuck = [report for report, tries in self._tries.items() if tries >= _STUCK]
        found = self._spool.batch(self._agent, now=now, monotonic=monotonic, besides=stuck)
        return found or (self._spool.batch(self._agent, now=now, monotonic=monotonic) if stuck else None)

    async def _send(self, packed: bytes, report_id: str) -> Accepted:
        if len(packed) > MOST_COMPRESSED:  # a guard: the spool's own bounds are far below
            raise Rejected(413, Refused(error=f"{len(packed)} bytes: larger than a collector takes"))
        return await self._client.send(packed, report_id)

    async def _refused(self, batch: Batch, fault: Rejected) -> None:
        if fault.status == 500:
            self._tries[batch.report_id] = self._tries.get(batch.report_id, 0) + 1
        if fault.status in MALFORMED:
            await self._put_aside(batch.report_id, str(fault))
            self.set_aside += 1

    async def _delivered(self, report_id: str) -> None:
        await self.in_thread(lambda: self._spool.acknowledge(report_id))
        stuck = [other for other, tries in self._tries.items() if tries >= _STUCK and other != report_id]
        for other in stuck:
            await self._put_aside(other, "the collector fails at this one, and at no other")
        self._tries.clear()
        self.set_aside = 0

    async def _put_aside(self, report_id: str, why: str) -> None:
        await self.in_thread(lambda: self._spool.set_aside(report_id, why, self.version))

    async def in_thread(self, work: Callable[[], T]) -> T:
        """The spool's calls block."""
        return await trio.to_thread.run_sync(work, limiter=self._limiter)


def compressed(body: Body) -> bytes:
    """By a compressor of its own, which goes with the report. It says how large the JSON is, as collectors like it."""
    stream = zstandard.ZstdCompressor(compression_params=_COMPRESSION).compressobj(size=body.size)
    return b"".join([*map(stream.compress, body.pieces), stream.flush()])
