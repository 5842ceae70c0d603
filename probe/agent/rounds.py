"""Rounds, one after the other: the surroundings are looked at, then each endpoint has its turn, and what was seen is
durable before it counts.

A round that takes longer than its interval is followed by the next one at once if that is late by little, else at the
next slot: rounds never overlap. What makes a round worthless (sleep, another network) ends it, and a fresh one begins.
Beside its turns a round serves tests that are wanted now: of what worked until now and fails, and of what the
collector asks for.
"""

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import trio

from probe.agent.rounds_look import Look
from probe.agent.rounds_play import Play, Tools
from probe.agent.schedule import Plan, Planner
from probe.agent.schedule_layout import Visit
from probe.agent.watch import Disturbance
from probe.catalogue.model import Catalogue
from probe.measure.context import Context
from probe.measure.prepare import Wishes, prepared
from probe.verdict.known import Library

_SETTLING = 3.0  # seconds that a network gets after it changed
_MOST_WAITING = 256  # visits wanted at once


@dataclasses.dataclass(frozen=True)
class Subject:
    """What a round tests, what it knows, and how the owner wants it measured."""

    planner: Planner
    catalogue: Catalogue
    library: Library
    wishes: Wishes


class Listener(Protocol):
    """Is told how the rounds go. `prepare` is awaited with each round's context, before its surroundings are looked
    at; `remember` before and after each round, with the bytes that it may cost."""

    async def prepare(self, context: Context) -> None: ...

    async def remember(self, ahead: float) -> None: ...

    def planned(self, plan: Plan) -> None: ...

    def looked(self, void: str | None) -> None: ...

    def ended(self, plan: Plan, how: str, seconds: float, pause: float) -> None: ...


class Rounds:
    """`subject` is asked before each round."""

    def __init__(self, tools: Tools, subject: Callable[[], Awaitable[Subject]], listener: Listener) -> None:
        self._tools, self._subject, self._listener = tools, subject, listener
        self._clock, self._budget = tools.clock, tools.budget
        self._wants, self._wanted = trio.open_memory_channel[Visit](_MOST_WAITING)
        self._scope: trio.CancelScope | None = None
        self._settle = 0.0
        self._play: Play | None = None

    @property
    def context(self) -> Context | None:
        """The present round's, with its surroundings."""
        return self._play.look.context if self._play is not None else None

    def disturb(self, why: Disturbance) -> None:
        """Ends the round, and whatever of it is under way, for a fresh one."""
        self._settle = _SETTLING if why == "network changed" else self._settle
        if self._scope is not None:
            self._scope.cancel()

    def want(self, visit: Visit) -> bool:
        """Test this as soon as may be; False where too much waits already."""
        try:
            self._wants.send_nowait(visit)
        except trio.WouldBlock:
            return False
        return True

    async def run(self) -> None:
        while True:
            with trio.CancelScope() as self._scope:
                await self._one()
            self._scope = None
            settle, self._settle = self._settle, 0.0
            await self._clock.sleep(settle)

    async def _one(self) -> None:
        subject = await self._subject()
        while (wait := self._budget.wait_for(subject.planner.costs.overhead)) > 0:
            await self._clock.sleep(wait)
        began = self._clock.monotonic()
        moved = self._budget.total
        plan = subject.planner.plan(self._clock.now())
        subject.planner.memory.round = plan.number
        await self._listener.remember(plan.cost)
        self._listener.planned(plan)
        try:
            async with self._opened(subject) as play:
                await self._through(play, plan, began)
        except trio.Cancelled:
            self._listener.ended(plan, "cut short", self._clock.monotonic() - began, 0.0)
            raise
        subject.planner.costs.learn_overhead(self._budget.total - moved - play.spent)

    async def _through(self, play: Play, plan: Plan, began: float) -> None:
        async with trio.open_nursery() as beside:
            beside.start_soon(play.serve)
            await play.turns(plan, began)
            took = self._clock.monotonic() - began
            pause = until_next(took, plan.seconds)
            how = "void" if play.look.void else "ok" if play.measured else "empty"
            self._listener.ended(plan, how, took, pause)
            await self._listener.remember(0.0)
            await self._clock.sleep(began + took + pause - self._clock.monotonic())
            play.stop()

    @asynccontextmanager
    async def _opened(self, subject: Subject) -> AsyncIterator[Play]:
        clock = self._clock
        async with prepared(
            subject.wishes, subject.catalogue, subject.library, account=self._budget, now=clock.now
        ) as context:
            await self._listener.prepare(context)
            look = await Look.taken(context, clock)
            self._listener.looked(look.void)
            play = Play(self._tools, subject.planner, subject.catalogue, look, wanted=self._wanted, want=self.want)
            self._play = play
            try:
                yield play
            finally:
                play.close()
                self._play = None


def until_next(took: float, interval: float) -> float:
    """Seconds to wait after a round that took so many. Where much is blocked a round takes long, and that is when the
    next one must not wait."""
    return max(0.0, interval - took)
