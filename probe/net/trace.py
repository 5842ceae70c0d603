"""Time as seconds since a measurement began."""

import trio


class Trace:
    """The zero that every step of one measurement counts from."""

    def __init__(self) -> None:
        self._zero = trio.current_time()

    def now(self) -> float:
        return round(trio.current_time() - self._zero, 6)
