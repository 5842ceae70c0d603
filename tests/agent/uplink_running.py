"""An uplink with a real spool and a real client, against the stand-in for the collector."""

import datetime as dt
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio

from probe.agent.client import CollectorClient, Timeouts
from probe.agent.leases import Leases
from probe.agent.spool import Spool
from probe.agent.uplink import Uplink
from probe.catalogue.signatures import Keypair, opened
from probe.wire.reports import Reported, Retest
from probe.wire.signed import Lease, Signed
from probe.wire.vocabulary import Outcome
from tests.agent.collector_stand_in import TOKEN, Collector
from tests.agent.spool_building import AGENT, NOW, reported

TIMEOUTS = Timeouts(connect=1.0, idle=0.5, whole=1.5)


class FastClock:
    """A minute is a fraction of a second: so intervals pass, and nothing depends on how fast the machine is."""

    def __init__(self, speed: float = 400.0, start: dt.datetime = NOW) -> None:
        self.speed, self._start, self._zero = speed, start, time.monotonic()

    def monotonic(self) -> float:
        return (time.monotonic() - self._zero) * self.speed

    def now(self) -> dt.datetime:
        return self._start + dt.timedelta(seconds=self.monotonic())

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(max(0.0, seconds) / self.speed)


class Running:
    """What a test holds: `add` measures, `arrived` waits until all of it is there."""

    def __init__(
        self, spool: Spool, collector: Collector, clock: FastClock, opened: Callable[[Signed], Lease] | None = None
    ) -> None:
        self.spool, self.collector, self.clock = spool, collector, clock
        self.attached = frozenset({"here"})
        self.retests, self.wanted = trio.open_memory_channel[Retest](8)
        self.added: list[str] = []
        self.leases = Leases(clock, lambda: self.attached, opened or opening(collector.key))
        self.uplink: Uplink

    async def add(self, count: int = 1, outcome: Outcome = Outcome.OK, **facts: Any) -> None:
        for _ in range(count):
            await self.put(reported(outcome, **facts))

    async def put(self, item: Reported) -> None:
        ended = self.clock.monotonic()
        await trio.to_thread.run_sync(lambda: self.spool.add(item, monotonic=ended))
        self.added.append(item.measurement.id)
        self.uplink.stir(urgent=item.verdict.outcome is not Outcome.OK)

    async def arrived(self, patience: float = 30.0) -> None:
        """Everything that was added, once each, and nothing is left here."""
        seen = self.collector.seen.measurements
        await until(lambda: set(self.added) <= set(seen) and not self.spool.stats().measurements, patience)
        assert set(seen) == set(self.added)
        assert all(len(reports) == 1 for reports in seen.values())


def opening(key: Keypair) -> Callable[[Signed], Lease]:
    """What such leases say; of others SignatureFault."""
    return lambda signed: msgspec.json.decode(opened(signed, [key.public]), type=Lease)


async def until(holds: Callable[[], bool], patience: float = 30.0) -> None:
    with trio.fail_after(patience):
        while not holds():  # noqa: ASYNC110 (what is waited for happens in other tasks and threads)
            await trio.sleep(0.01)


@asynccontextmanager
async def uplink(folder: Path, collector: Collector, clock: FastClock, **options: Any) -> AsyncIterator[Running]:
    spool = Spool.open(folder / "spool.sqlite3")
    running = Running(spool, collector, clock, options.pop("opened", None))
    bases = options.pop("bases", (collector.url,))
    async with CollectorClient(bases, TOKEN, timeouts=TIMEOUTS) as client:
        running.uplink = Uplink(
            spool,
            client,
            clock,
            AGENT,
            running.leases,
            retests=running.retests,
            chance=random.Random(1),
            **options,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.uplink.run)
            yield running
            nursery.cancel_scope.cancel()
    spool.close()
