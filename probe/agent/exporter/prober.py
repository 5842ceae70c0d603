"""Measures one target for one scrape, within the scrape's own time.

The surroundings (anchors, IPv6, a rewriting resolver) are looked at once and reused: not each of 300 targets a minute
needs its own look. A measurement that time ends is answered with what its steps told until then.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import trio

from probe.agent.exporter.blackbox import Probed
from probe.agent.exporter.modules import Module
from probe.catalogue.model import Endpoint
from probe.clock import Clock
from probe.measure.context import Context, Timeouts
from probe.measure.endpoint import begun, carried_out, so_far
from probe.measure.flow import Flow
from probe.measure.pace import Beat
from probe.measure.surroundings import look_around
from probe.measure.task import Task
from probe.verdict.surroundings import judge_surroundings
from probe.wire.measurement import Surroundings

MOST = 16  # measurements at once; each takes some hundred kB
LONGEST = 60.0  # seconds; no scrape waits longer, whatever it says
SHORTEST = 0.1
OFFSET = 0.5  # seconds of the scrape's timeout that the answer needs, as blackbox_exporter has it
_PATIENT = 12.0  # seconds in which a connection can use its full timeouts; with less they shrink alike
_LOOK_SHARE = 0.5  # of the time, at most, is waited for a look around
_SOON = 0.1  # seconds
_FRESH = 300.0  # seconds that a look serves,
_FRESH_VOID = 20.0  # and one that found the network unfit


class Busy(Exception):
    """Nothing was measured: too much is under way, or the agent is not ready. Says which."""


def seconds_for(header: str | None) -> float:
    """How long a measurement may take, by `X-Prometheus-Scrape-Timeout-Seconds`. Raises ValueError."""
    if not header:
        return LONGEST
    timeout = float(header)
    if not math.isfinite(timeout) or timeout <= 0:
        raise ValueError(header)
    return min(LONGEST, max(SHORTEST, timeout / 2, timeout - OFFSET))


@dataclass
class _Look:
    """One look around: `seen` and `until` are there once `done` is set. `of` is the network that it was of."""

    of: tuple[object, ...]
    done: trio.Event = dataclasses.field(default_factory=trio.Event)
    seen: Surroundings | None = None
    until: float = math.inf


class Prober:
    """`context` gives what measurements share at the moment (None: not ready). Surroundings that it has are used while
    they say that the network is fit; an unfit one may have become well since, and is looked at again. Looks around in
    `nursery`, so that no scrape's end cuts one short for the others."""

    def __init__(
        self, context: Callable[[], Context | None], clock: Clock, nursery: trio.Nursery, most: int = MOST
    ) -> None:
        self._context = context
        self._clock = clock
        self._nursery = nursery
        self._slots = trio.Semaphore(most)
        self._look: _Look | None = None

    async def probe(self, task: Task, endpoint: Endpoint | None, module: Module, seconds: float) -> Probed:
        """Returns within `seconds`. Raises Busy where not even a first step could be made in that time."""
        began = trio.current_time()
        context = await self._ready(began + seconds * _LOOK_SHARE)
        flows = list[Flow]()
        context = dataclasses.replace(context, mode=module.mode, small=False, timeouts=_timeouts(context, seconds))
        with trio.move_on_at(began + seconds) as time:
            async with self._slots:
                context = await self._informed(context, began + seconds * _LOOK_SHARE)
                await context.pace.run(lambda beat: _measured(task, context, beat, flows))
        if not flows:
            raise Busy("too many measurements are under way: scrape fewer targets, or less often")
        judged = so_far(flows[0])
        cut = trio.current_time() - began if time.cancelled_caught else None
        return Probed(judged.measurement, judged.verdict, module, endpoint.healthy if endpoint else (), cut)

    async def _ready(self, until: float) -> Context:
        """Between two rounds there is none for a moment."""
        while (context := self._context()) is None:
            if trio.current_time() >= until:
                raise Busy("the agent is not ready to measure: try again in a minute")
            await trio.sleep(_SOON)
        return context

    async def _informed(self, context: Context, until: float) -> Context:
        if context.surroundings is not None and judge_surroundings(context.surroundings) is None:
            return context
        network = (context.resolvers, context.source, context.network)
        look = self._look
        if look is None or look.of != network or self._clock.monotonic() > look.until:
            look = self._look = _Look(network)
            self._nursery.start_soon(
                self._look_around, dataclasses.replace(context, mode="default", surroundings=None), look
            )
        with trio.move_on_at(until):
            await look.done.wait()
        return dataclasses.replace(context, surroundings=look.seen)

    async def _look_around(self, context: Context, look: _Look) -> None:
        look.seen = await look_around(context)
        fit = judge_surroundings(look.seen) is None
        look.until = self._clock.monotonic() + (_FRESH if fit else _FRESH_VOID)
        look.done.set()


def _timeouts(context: Context, seconds: float) -> Timeouts:
    return context.timeouts.scaled(min(1.0, seconds / _PATIENT))


async def _measured(task: Task, context: Context, beat: Beat, flows: list[Flow]) -> None:
    flows.append(begun(task, context, beat))
    await carried_out(flows[0])
