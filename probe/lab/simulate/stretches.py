"""The rounds of a scenario as stretches without a gap, each of them cut into ticks."""

import datetime as dt
from collections.abc import Iterator

import msgspec

from probe.lab.scenario.model import Scenario
from probe.lab.scenario.timeline import steps

_WARM_UP = 3  # rounds before the scenario starts: controls are heard, and probes see the services work
_TICKS = 3  # of a round, but
_SHORTEST = 30.0  # seconds of one
_TAIL = 60.0  # seconds: the last measurements of a stretch end after its last round


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """From `begin` to `end`. `round`: one begins with it, of the controls alone where nobody else is `awake`. `jumps`:
    what was before it lies long ago. `full`: a round is over at its end; `tail`: only what was not done by then
    follows."""

    begin: dt.datetime
    end: dt.datetime
    round: bool = False
    awake: bool = True
    jumps: bool = False
    full: bool = False
    tail: bool = False


def ticks(scenario: Scenario) -> Iterator[Tick]:
    """Over a quiet stretch that is skipped the controls went on: what they saw must not be stale when others wake."""
    interval = dt.timedelta(seconds=scenario.interval)
    number = max(1, min(_TICKS, int(scenario.interval // _SHORTEST)))
    for place, stretch in enumerate(_stretches(scenario)):
        if place:
            yield Tick(begin=stretch[0] - interval, end=stretch[0], round=True, awake=False, jumps=True)
        for begin in stretch:
            yield from _of_round(begin, interval, number)
        end = stretch[-1] + interval
        yield Tick(begin=end, end=end + dt.timedelta(seconds=_TAIL), tail=True)


def _of_round(begin: dt.datetime, interval: dt.timedelta, number: int) -> Iterator[Tick]:
    for place in range(number):
        yield Tick(
            begin=begin + place * interval / number,
            end=begin + (place + 1) * interval / number,
            round=place == 0,
            full=place == number - 1,
        )


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
