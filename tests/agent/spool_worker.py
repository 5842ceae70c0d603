"""A probe's spool and uplink in a process that is killed: it tells each id once the measurement is durable."""

import os
import random
from functools import partial
from pathlib import Path

import trio

from probe.agent.client import CollectorClient
from probe.agent.leases import Leases
from probe.agent.spool import Spool
from probe.agent.uplink import Uplink
from probe.catalogue.signatures import Keypair
from probe.wire.reports import Retest
from probe.wire.vocabulary import Outcome
from tests.agent.collector_stand_in import TOKEN
from tests.agent.spool_building import AGENT, reported
from tests.agent.uplink_running import TIMEOUTS, FastClock, opening

CAREFREE = 1500.0  # times as fast: reports leave every few hundredths of a second


def work(path: str, base: str, tell: int, adding: bool) -> None:
    """Until killed; without `adding`, until everything is delivered."""
    trio.run(_work, Path(path), base, tell, adding)


async def _work(path: Path, base: str, tell: int, adding: bool) -> None:
    spool, clock = Spool.open(path), FastClock(CAREFREE)
    wishes, _ = trio.open_memory_channel[Retest](8)
    async with CollectorClient([base], TOKEN, timeouts=TIMEOUTS) as client, trio.open_nursery() as nursery:
        uplink = Uplink(
            spool, client, clock, AGENT, Leases(clock, frozenset, opening(Keypair.generate())), retests=wishes
        )
        nursery.start_soon(uplink.run)
        while adding:
            item = reported(random.choice((Outcome.OK, Outcome.BLOCKED)), body=os.urandom(random.choice((0, 5000))))
            await trio.to_thread.run_sync(partial(spool.add, item, monotonic=clock.monotonic()))
            os.write(tell, item.measurement.id.encode() + b"\n")
            uplink.stir(urgent=True)
        while await trio.to_thread.run_sync(lambda: spool.stats().measurements):  # noqa: ASYNC110
            await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    spool.close()
