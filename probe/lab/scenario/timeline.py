"""In which order things happen, and the clock that everybody in the scenario keeps."""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from probe.clock import ScenarioClock, set_scenario
from probe.lab.scenario.model import Event, Scenario

_AFTERWARDS = 4  # rounds past the last event, where the file does not say when it ends: the end must be seen, too
_SETTLED = 4  # rounds past an event that a jump leaves, and
_AHEAD = 1  # rounds ahead of the event to which it leads
_TICK = 0.2  # seconds between two looks at the clock


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Events that happen at one moment, and whether a round follows on them. `jumps`: nothing happened for so long
    before it that the clock is put forward."""

    at: dt.datetime
    events: tuple[Event, ...] = ()
    round: bool = False
    jumps: bool = False


def end_of(scenario: Scenario) -> dt.datetime:
    last = max((event.at for event in scenario.events), default=scenario.starts)
    return scenario.ends or last + _AFTERWARDS * _interval(scenario) + dt.timedelta(seconds=1)


def steps(scenario: Scenario) -> Iterator[Step]:
    """In order of time. A round at the moment of an event is what was before it."""
    rounds = set(_rounds(scenario))
    quiet = list(_quiet(scenario))
    kept = {at for at in rounds if not any(since < at < until for since, until in quiet)}
    skipped = False
    for at in sorted(rounds | {event.at for event in scenario.events}):
        events = tuple(event for event in scenario.events if event.at == at)
        if events or at in kept:
            yield Step(at=at, events=events, round=at in kept, jumps=skipped)
            skipped = False
        else:
            skipped = True


def _interval(scenario: Scenario) -> dt.timedelta:
    return dt.timedelta(seconds=scenario.interval)


def _rounds(scenario: Scenario) -> Iterator[dt.datetime]:
    at, end = scenario.starts, end_of(scenario)
    while at < end:
        yield at
        at += _interval(scenario)


def _quiet(scenario: Scenario) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    """The stretches that are skipped, without their ends."""
    before = scenario.starts
    for event in scenario.events:
        if event.jump:
            yield before + _SETTLED * _interval(scenario), event.at - _AHEAD * _interval(scenario)
        before = event.at


class Clock:
    """The scenario's time, in a file that every program of it reads. Stands until `go`."""

    def __init__(self, file: Path, starts: dt.datetime, speed: float) -> None:
        self._file, self.speed = file, speed
        self._tempo: Callable[[], float] = lambda: speed
        set_scenario(file, starts, 0)
        self._reader = ScenarioClock(file)

    def now(self) -> dt.datetime:
        return self._reader.now()

    def go(self, tempo: Callable[[], float]) -> None:
        """`tempo` is asked again and again how fast."""
        self._tempo = tempo
        set_scenario(self._file, self.now(), self.speed)

    def set(self, at: dt.datetime) -> None:
        set_scenario(self._file, at, self.speed)

    @contextmanager
    def standing(self, at: dt.datetime) -> Iterator[None]:
        """It stays `at`, or what it is already, however long what is done takes."""
        moment = max(at, self.now())
        set_scenario(self._file, moment, 0)
        yield
        self.set(moment)

    def run_until(self, at: dt.datetime, tick: Callable[[dt.datetime, float], None]) -> None:
        while (now := self.now()) < at:
            tick(now, self.speed)
            if (speed := self._tempo()) != self.speed:
                self.speed = speed
                self.set(self.now())
            time.sleep(min(_TICK, (at - now).total_seconds() / self.speed))
        tick(at, self.speed)
