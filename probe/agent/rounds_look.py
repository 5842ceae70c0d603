"""The surroundings of a round, looked at once, and again where something fails that worked until now: a network that
died a moment ago must not look like a block."""

import dataclasses

import msgspec
import trio

from probe.clock import Clock
from probe.measure.context import Context
from probe.measure.endpoint import Judged
from probe.measure.surroundings import look_around
from probe.verdict.judge import judge
from probe.verdict.surroundings import judge_surroundings

FRESH = 10.0  # seconds: less than a measurement takes that fails by time-outs


class Look:
    """`context` has the latest surroundings. Use `taken`."""

    def __init__(self, context: Context, clock: Clock, at: float) -> None:
        self.context, self._clock, self._at = context, clock, at
        self._looking = trio.Lock()

    @classmethod
    async def taken(cls, context: Context, clock: Clock) -> "Look":
        seen = await look_around(context)
        return cls(dataclasses.replace(context, surroundings=seen), clock, clock.monotonic())

    @property
    def void(self) -> str | None:
        """Why this network is not fit to measure, a sentence."""
        found = judge_surroundings(self.context.surroundings)
        return found[1] if found is not None else None

    async def again(self, judged: Judged) -> Judged:
        """The measurement that failed, judged with the surroundings as they are now: not those of the round's start,
        when its resolver or the whole network may still have worked."""
        async with self._looking:
            if self._clock.monotonic() - self._at > FRESH:
                self.context = dataclasses.replace(self.context, surroundings=await look_around(self.context))
                self._at = self._clock.monotonic()
        surroundings = self.context.surroundings
        if surroundings == judged.measurement.surroundings:
            return judged
        measurement = msgspec.structs.replace(judged.measurement, surroundings=surroundings)
        known = self.context.library.of(measurement.platform, measurement.endpoint)
        return Judged(measurement, judge(measurement, known), judged.cost)
