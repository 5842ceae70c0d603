"""The rounds of a scenario as stretches without a gap, each of them cut into ticks."""

import datetime as dt
from collections.abc import Iterator

import msgspec

from probe.lab.scenario.model import Scenario
from probe.lab.scenario.timeline import steps

_WARM_UP = 3  # rounds before the scenario starts: controls are heard, and probes see the services work
_TICKS = 4  # of a round
_TAIL = 60.0  # seconds: the last measurements of a stretch end after its last round


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """From `begin` to `end`. `rounds`: those that begin in it. `jumps`: what was before it lies long ago. `full`: a
    round is over at its end; `tail`: only what was not done by then follows."""

    begin: dt.datetime
    end: dt.datetime
    rounds: tuple[dt.datetime, ...] = ()
    jumps: bool = False
    full: bool = False
    tail: bool = False


def ticks(scenario: Scenario) -> Iterator[Tick]:
    interval = dt.timedelta(seconds=scenario.interval)
    for stretch in _stretches(scenario):
        for begin in stretch:
            for number in range(_TICKS):
                yield Tick(
                    begin=begin + number * interval / _TICKS,
                    end=begin + (number + 1) * interval / _TICKS,
                    rounds=(begin,) if number == 0 else (),
                    jumps=number == 0 and begin == stretch[0],
                    full=number == _TICKS - 1,
                )
        end = stretch[-1] + interval
        yield Tick(begin=end, end=end + dt.timedelta(seconds=_TAIL), tail=True)


def begin_of(scenario: Scenario) -> dt.datetime:
    """Of the first round, which is one to warm up."""
    return scenario.starts - _WARM_UP * dt.timedelta(seconds=scenario.interval)


def end_of(scenario: Scenario) -> dt.datetime:
    """Of the last tick."""
    return max(tick.end for tick in ticks(scenario))


def _stretches(scenario: Scenario) -> Iterator[list[dt.datetime]]:
    interval = dt.timedelta(seconds=scenario.interval)
    rounds = [begin_of(scenario) + number * interval for number in range(_WARM_UP)]
    rounds += [step.at for step in steps(scenario) if step.round]
    stretch: list[dt.datetime] = []
    for at in rounds:
        if stretch and at != stretch[-1] + interval:
            yield stretch
            stretch = []
        stretch.append(at)
    yield stretch
