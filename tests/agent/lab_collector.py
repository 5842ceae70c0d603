"""The stand-in for a collector as a process of the lab: keeps whole reports, and leases its probes a network. It tells
the public catalogue key that its key document is signed with.

python -m tests.agent.lab_collector HOST:PORT
"""

import datetime as dt
import sys

import trio

from probe.wire.reports import Retest
from probe.wire.signed import Lease

from .publishing import Publisher

LEASED = Lease(
    issued_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    expires_at=dt.datetime(2100, 1, 1, tzinfo=dt.UTC),
    country="TR",
    asn=47331,
    name="leased",
    family=4,
)
_WISH = Retest(id="wish-1", platform="x", service="web", until=dt.datetime(2100, 1, 1, tzinfo=dt.UTC))


async def main(host: str, port: int) -> None:
    async with trio.open_nursery() as nursery:
        collector = Publisher()
        collector.publish_keys(dt.datetime.now(dt.UTC))
        collector.lease, collector.retests = LEASED, (_WISH,)
        await collector.open_port(nursery, host, port)
        print("ready", *collector.shown, flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    trio.run(main, host, int(port))
