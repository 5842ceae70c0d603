"""Keeping what was measured: on disk, and in memory while the disk does not take it.

A full disk or one that turned read-only must not stop the measuring: so many measurements wait in memory, the oldest
healthy ones make room, and all of them are written once the disk takes them. Memory is short, too: where pages and
certificates take too much of it, those of the oldest go, and their digests stay.

Where there is no collector nothing is kept, for nobody would ever fetch it: what was concluded is shown and remembered.
"""

import logging
from collections import deque
from collections.abc import Callable

import msgspec
import trio

from probe.agent.spool import Spool, SpoolStats
from probe.agent.spool_file import SpoolUnavailable
from probe.agent.state import SpoolState
from probe.clock import Clock
from probe.wire.compact import compacted
from probe.wire.reports import Reported
from probe.wire.steps import HttpStep, TlsStep
from probe.wire.vocabulary import Outcome

MOST_WAITING = 500
MOST_BYTES = 4 << 20  # of pages and certificates that wait
_STATS_EVERY = 15.0  # seconds
_LONGEST = 1800.0  # seconds of the injected clock that a measurement may have taken
_log = logging.getLogger("probe.agent")


class Keeper:
    """`stir` is called with whether what was kept is urgent. `limiter` is that of the one thread for the spool.
    `wanted`: whether there is a collector to keep anything for."""

    def __init__(
        self,
        spool: Spool,
        clock: Clock,
        limiter: trio.CapacityLimiter,
        stir: Callable[[bool], None],
        *,
        wanted: bool = True,
    ) -> None:
        self._spool, self._clock, self._limiter, self._stir, self._wanted = spool, clock, limiter, stir, wanted
        self._waiting: deque[tuple[Reported, float]] = deque()
        self._writing = trio.Lock()
        self._fault: str | None = None
        self._lost = 0
        self._stats: SpoolStats | None = None

    async def keep(self, reported: Reported, urgent: bool) -> None:
        """Durable on return, unless the disk does not take it, or nobody wants it."""
        if not self._wanted:
            return
        self._waiting.append((reported, self._clock.monotonic() - self._age(reported)))
        await self.flush()
        self._stir(urgent)

    async def flush(self) -> None:
        """What waits, oldest first."""
        async with self._writing:
            while self._waiting:
                reported, began = self._waiting[0]
                try:
                    await self._in_thread(reported, began)
                except SpoolUnavailable as fault:
                    self._failed(str(fault))
                    return
                self._waiting.popleft()
            if self._fault is not None:
                _log.warning("the spool takes measurements again; lost meanwhile: %d", self._lost)
                self._fault = None

    async def watch(self) -> None:
        """Sizes for the state that is shown, and another attempt at what waits."""
        while True:
            try:
                self._stats = await trio.to_thread.run_sync(self._spool.stats, limiter=self._limiter)
            except SpoolUnavailable as fault:
                self._failed(str(fault))
            if self._waiting:
                await self.flush()
            await self._clock.sleep(_STATS_EVERY)

    @property
    def state(self) -> SpoolState:
        stats = self._stats or SpoolStats(measurements=0, bytes=0, set_aside=0, dropped=0)
        return SpoolState(
            measurements=stats.measurements,
            bytes=stats.bytes,
            set_aside=stats.set_aside,
            dropped=stats.dropped + self._lost,
            fault=self._fault,
            waiting=len(self._waiting),
        )

    def _age(self, reported: Reported) -> float:
        """Seconds since the measurement began, by the wall clock: where that jumped meanwhile, within reason."""
        age = (self._clock.now() - reported.measurement.started_at).total_seconds()
        return min(max(age, 0.0), _LONGEST)

    async def _in_thread(self, reported: Reported, began: float) -> None:
        await trio.to_thread.run_sync(lambda: self._spool.add(reported, monotonic=began), limiter=self._limiter)

    def _failed(self, reason: str) -> None:
        if self._fault is None:
            _log.error("measurements wait in memory, %d at most: %s", MOST_WAITING, reason)
        self._fault = reason
        while len(self._waiting) > MOST_WAITING:
            self._make_room()
        self._lighten()

    def _make_room(self) -> None:
        self._lost += 1
        healthy = next((i for i, (one, _) in enumerate(self._waiting) if one.verdict.outcome is Outcome.OK), 0)
        del self._waiting[healthy]

    def _lighten(self) -> None:
        over = sum(_bulk(reported) for reported, _ in self._waiting) - MOST_BYTES
        for number, (reported, began) in enumerate(self._waiting):
            if over <= 0:
                return
            over -= _bulk(reported)
            light = compacted(reported.measurement)
            self._waiting[number] = msgspec.structs.replace(reported, measurement=light, compact=True), began


def _bulk(reported: Reported) -> int:
    """Bytes of what can be left out."""
    steps = reported.measurement.steps
    pages = sum(len(step.body) for step in steps if isinstance(step, HttpStep))
    return pages + sum(len(one) for step in steps if isinstance(step, TlsStep) for one in step.chain)
