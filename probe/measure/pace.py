"""Bounds how much is busy at one moment.

Work that runs at once delays each other's timings: with 50 tasks of 2 ms CPU each the median measured connect time grew
from 0.25 to 54 ms. Yet most of a blocked round is waiting, which costs nobody anything. So an endpoint holds one of a
few slots, and gives it back when it takes so long that it must be waiting for an answer.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

T = TypeVar("T")
PATIENCE = 0.75  # seconds: a healthy endpoint is measured in less, and a silent one waits for many


class Pace:
    """At most `busy` pieces of work that began less than `patience` seconds ago."""

    def __init__(self, busy: int, patience: float = PATIENCE) -> None:
        self._slots = trio.Semaphore(busy)
        self._patience = patience

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        await self._slots.acquire()
        held = True

        async def give_back() -> None:
            nonlocal held
            await trio.sleep(self._patience)
            held = False
            self._slots.release()

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(give_back)
                result = await work()
                nursery.cancel_scope.cancel()
        finally:
            if held:
                self._slots.release()
        return result
