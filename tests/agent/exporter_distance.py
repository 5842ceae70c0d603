"""Makes a lab's ISP as far from the world as SECONDS a packet each way, so that times are long enough to compare."""

import math
import sys

import trio

from probe.lab.censor.nfqueue import PacketQueue

QUEUE = 7
RULE = ["iptables", "-t", "mangle", "-I", "FORWARD", "-j", "NFQUEUE", "--queue-num", str(QUEUE)]
_VERDICT = 1  # NFQNL_MSG_VERDICT


class Distance(PacketQueue):
    """All packets pass in their order, each so much later."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting, self._due = trio.open_memory_channel[tuple[float, int, bytes]](math.inf)
        super().__init__(QUEUE)

    def _send(self, kind: int, attributes: bytes) -> None:
        if kind & 0xFF == _VERDICT:
            self._waiting.send_nowait((trio.current_time() + self._seconds, kind, attributes))
        else:
            super()._send(kind, attributes)

    async def release(self) -> None:
        async for due, kind, attributes in self._due:
            await trio.sleep_until(due)
            super()._send(kind, attributes)


async def serve(seconds: float) -> None:
    distance = Distance(seconds)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(distance.serve, lambda _: True)
        nursery.start_soon(distance.release)
        print("ready", flush=True)


if __name__ == "__main__":
    trio.run(serve, float(sys.argv[1]))
