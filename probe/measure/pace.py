"""Bounds how much is busy at one moment.

Work that runs at once delays each other's timings: with 50 tasks of 2 ms CPU each the median measured connect time grew
from 0.25 to 54 ms. Yet most of a blocked round is waiting, which costs nobody anything. So an endpoint holds one of a
few slots, and gives it back when none of its steps has ended for a while: it waits for an answer then.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

T = TypeVar("T")
PATIENCE = 0.8  # seconds without the end of a step


class Beat:
    """The moment of the last sign of life of one piece of work."""

    def __init__(self) -> None:
        self.last = trio.current_time()

    def __call__(self) -> None:
        self.last = trio.current_time()


class Pace:
    """At most `busy` pieces of work at once, those that wait not counted."""

    def __init__(self, busy: int, patience: float = PATIENCE) -> None:
        self._slots = trio.Semaphore(busy)
        self._patience = patience

    async def run(self, work: Callable[[Beat], Awaitable[T]]) -> T:
        await self._slots.acquire()
        beat, held = Beat(), True

        async def give_back_when_silent() -> None:
            nonlocal held
            while trio.current_time() < beat.last + self._patience:  # noqa: ASYNC110 (the deadline moves)
                await trio.sleep_until(beat.last + self._patience)
            held = False
            self._slots.release()

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(give_back_when_silent)
                result = await work(beat)
                nursery.cancel_scope.cancel()
        finally:
            if held:
                self._slots.release()
        return result
