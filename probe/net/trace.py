"""Time as seconds since a measurement began, and what it has cost on the wire."""

import trio

from probe.net.meter import Traffic


class Trace:
    """The zero that every step of one measurement counts from, and the account that its bytes are charged to."""

    def __init__(self, traffic: Traffic | None = None) -> None:
        self.traffic = Traffic(traffic)
        self._zero = trio.current_time()

    def now(self) -> float:
        return round(trio.current_time() - self._zero, 6)
