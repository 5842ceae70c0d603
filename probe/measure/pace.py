"""Bounds the steps that are busy at one moment.

Many endpoints are measured at once, since most of a blocked round is waiting. But steps that run at once delay each
other's timings: with 50 tasks of 2 ms CPU each the median measured connect time grew from 0.25 to 54 ms. So a step
holds one of a few slots, and gives it back when it has been silent for a while: waiting costs nobody anything.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

T = TypeVar("T")


class Pace:
    """At most `active` busy steps; one that has run for `patience` seconds counts as waiting."""

    def __init__(self, active: int = 12, patience: float = 0.5) -> None:
        self._slots = trio.Semaphore(active)
        self._patience = patience

    async def run(self, step: Callable[[], Awaitable[T]]) -> T:
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
                result = await step()
                nursery.cancel_scope.cancel()
        finally:
            if held:
                self._slots.release()
        return result
