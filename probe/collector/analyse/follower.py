"""The worker that follows the log: entries into views, votes to detection. Its work is done in a thread of its own, so
that whoever answers questions in the same process goes on answering."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from probe.clock import Clock
from probe.collector.analyse.analysis import Analysis, Batch
from probe.collector.analyse.handover import MOST, Handover
from probe.collector.analyse.store import READER
from probe.collector.log.protocol import Log

_ENTRIES = 60  # a batch: some 3,000 measurements, half a second's work
_IDLE = 0.2  # seconds between two looks at a log that had nothing new
_TICK = 5.0  # seconds at most between two ticks of detection, which also waits for what does not come

T = TypeVar("T")
Progress = Callable[[Batch], None]


@dataclass
class Follower:
    """`run` until cancelled. `heard` is told of every batch, for metrics."""

    log: Log
    analysis: Analysis
    clock: Clock
    handover: Handover | None = None
    heard: Progress | None = None

    thread: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(1))
    ticked: float = -math.inf

    async def run(self) -> None:
        while True:
            if not await self.step():
                await trio.sleep(_IDLE)

    async def step(self) -> bool:
        """One batch and what follows from it. False where the log had nothing new."""
        entries = await self.log.read(self.analysis.position, _ENTRIES)
        batch = None
        if entries:
            batch = await self.in_thread(lambda: self.analysis.advance(entries))
            await self.log.remember(READER, batch.position)
        await self.in_thread(lambda: self.analysis.caught_up(yes=not entries))
        if batch is not None and self.heard is not None:
            self.heard(batch)
        await self._detect(fresh=bool(entries))
        return bool(entries)

    async def _detect(self, *, fresh: bool) -> None:
        handover = self.handover
        if handover is None or (not fresh and trio.current_time() - self.ticked < _TICK):
            return
        now = self.clock.now().timestamp()
        while await self.in_thread(lambda: handover.tick(now)) >= MOST:
            pass
        self.ticked = trio.current_time()

    async def in_thread(self, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=self.thread)
