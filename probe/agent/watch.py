"""Notices what makes the present round worthless: the machine slept, its clock was set, it moved to another network."""

import re
from collections.abc import Callable
from typing import Literal

import trio

from probe.clock import Clock
from probe.measure.identity import attachment

Disturbance = Literal["slept", "clock set", "network changed"]

LOOK = 5.0  # seconds between two looks
_SLEPT = 20.0  # seconds beyond that: no busy machine takes so long
_JUMP = 10.0  # seconds by which the wall clock moved against the one that never jumps
_WIRE = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")  # a neighbour's hardware address
_NO_WIRE = "00:00:00:00:00:00"  # of one that does not answer
_LAG_EVERY, _LAG_KEPT = 1.0, 60


class Watch:
    """Calls `disturbed` as soon as it notices. The injected clock goes on while the machine sleeps, `running` does not;
    how much faster the one runs is learnt, since a scenario's clock has a speed of its own."""

    def __init__(
        self,
        clock: Clock,
        disturbed: Callable[[Disturbance], None],
        attached: Callable[[], frozenset[str]] = attachment,
        running: Callable[[], float] = trio.current_time,
    ) -> None:
        self._clock, self._disturbed, self._attached, self._running = clock, disturbed, attached, running

    async def run(self) -> None:
        looked, offset, attached = self._clock.monotonic(), self._offset(), self._attached()
        ran, speed = self._running(), 1.0
        while True:
            await self._clock.sleep(LOOK)
            before, looked = looked, self._clock.monotonic()
            ran_before, ran = ran, self._running()
            offset_before, offset = offset, self._offset()
            attached_before, attached = attached, self._attached()
            if moved(attached_before, attached):
                self._disturbed("network changed")
            elif looked - before > max(LOOK, 2 * speed * (ran - ran_before)) + _SLEPT:
                self._disturbed("slept")
            elif abs(offset - offset_before) > _JUMP:
                self._disturbed("clock set")
            else:
                speed = (looked - before) / max(ran - ran_before, 1e-3)

    def _offset(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()


def moved(before: frozenset[str], after: frozenset[str]) -> bool:
    """Whether two looks at the machine's attachment are of two networks. The kernel forgets its neighbours when they
    were quiet for a while: only another neighbour tells of another network."""
    wires = [{text for text in seen if _WIRE.fullmatch(text) and text != _NO_WIRE} for seen in (before, after)]
    places = [{text for text in seen if not _WIRE.fullmatch(text)} for seen in (before, after)]
    return places[0] != places[1] or (bool(wires[0] and wires[1]) and wires[0].isdisjoint(wires[1]))


class LoopLag:
    """How late this event loop comes to a task that is due. Lag falsifies timings: it is exported."""

    def __init__(self) -> None:
        self._last: list[float] = []

    @property
    def worst(self) -> float | None:
        """Seconds, of the last minute."""
        return max(self._last, default=None)

    async def run(self) -> None:
        while True:
            due = trio.current_time() + _LAG_EVERY
            await trio.sleep_until(due)
            self._last = [*self._last[1 - _LAG_KEPT :], trio.current_time() - due]
