"""A scenario played by virtual probes to a collector: our own, on the scenario's clock, or anybody's, in real time.

A probe sends what is there at the end of a tick, and where its provider is cut off it keeps everything until it is
back, as a real one does.
"""

import datetime as dt
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any

import msgspec
import trio

from probe.catalogue.model import Catalogue
from probe.lab.internet import internet
from probe.lab.model import LabError
from probe.lab.scenario.checks import shipped_catalogue
from probe.lab.scenario.history import Round
from probe.lab.scenario.model import Scenario
from probe.lab.scenario.run import Watcher
from probe.lab.scenario.subset import subset
from probe.lab.simulate import findings
from probe.lab.simulate.client import Collector
from probe.lab.simulate.fates import Fates
from probe.lab.simulate.fleet import Resident
from probe.lab.simulate.pace import Pace
from probe.lab.simulate.rounds import Rounds
from probe.lab.simulate.stations import Parcel, Station
from probe.lab.simulate.stretches import Tick, ticks

_BEHIND = 120.0  # seconds that analysis may be without getting on
_LOOK = 0.05
_MILLISECOND = dt.timedelta(milliseconds=1)


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """`probes` of each ISP, in place of the scenario's number. `noise`: the share of services in a round that fail for
    no reason. `read`: the collector lets us see at once what it makes of the reports."""

    probes: int | None = None
    noise: float = 0.0
    seed: int = 1
    read: bool = True


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    reports: int
    measurements: int


class Company:
    """The fleet of a scenario, enrolled, with what it is going to see."""

    def __init__(self, scenario: Scenario, tokens: Sequence[tuple[Resident, str]], manner: Manner) -> None:
        self.scenario = scenario
        catalogue = catalogue_of(scenario)
        self.fates = Fates(scenario, catalogue)
        world = internet(catalogue)
        self.rounds = Rounds(scenario, catalogue, world, self.fates, noise=manner.noise, seed=manner.seed)
        self.stations = [
            Station(resident, token, random.Random(f"{manner.seed} reports of {resident.name}"))
            for resident, token in tokens
        ]


def catalogue_of(scenario: Scenario) -> Catalogue:
    return subset(shipped_catalogue(), scenario)


class Play:
    def __init__(self, company: Company, collector: Collector, *, pace: Pace, watcher: Watcher, read: bool) -> None:
        self._scenario, self._company, self._collector = company.scenario, company, collector
        self._pace, self._watcher, self._read = pace, watcher, read
        self._told: list[dt.datetime] = []
        self._reports = self._measurements = 0
        self._happened = self._scenario.starts - dt.timedelta(days=1)

    async def run(self) -> Sent:
        """Raises LabError."""
        self._watcher.stands([station.resident.vantage for station in self._company.stations])
        for tick in ticks(self._scenario):
            await self._tick(tick)
        await self._last_word(tick.end)
        return Sent(reports=self._reports, measurements=self._measurements)

    async def history(self) -> tuple[Round, ...]:
        """The rounds that the scenario's file speaks of, as the collector has them in the end."""
        starts = self._scenario.starts
        return await findings.rounds(self._collector, self._scenario, [at for at in self._told if at > starts])

    async def _tick(self, tick: Tick) -> None:
        await self._pace.reach(tick.begin, jump=tick.jumps)
        if tick.round:
            await self._begin_round([s for s in self._company.stations if tick.awake or s.resident.control], tick.begin)
        await self._pace.reach(tick.end)
        newest = await self._send(self._company.stations, tick.end)
        self._watcher.clock(tick.end, self._scenario.speed)
        self._tell_events(tick.end)
        if (tick.full or tick.tail) and newest is not None and self._read:
            await self._taken_in(newest)
        if tick.full:
            await self._round(tick.end)

    async def _begin_round(self, stations: Sequence[Station], at: dt.datetime) -> None:
        until = at + dt.timedelta(seconds=2 * self._scenario.interval)
        want = [s for s in stations if not self._is_away(s, at) and s.needs_lease(until)]
        await _side_by_side([partial(station.check_in, self._collector) for station in want])
        for station in stations:
            if not station.resident.mute:
                station.take(self._company.rounds.of(station.resident, at))

    def _is_away(self, station: Station, at: dt.datetime) -> bool:
        return station.resident.mute or self._company.fates.cut_off(station.resident, at)

    async def _send(self, stations: Iterable[Station], at: dt.datetime) -> dt.datetime | None:
        """The report with the newest measurement goes last: once it is taken in, everything is."""
        ready = [station for station in stations if not self._is_away(station, at)]
        parcels = [parcel for station in ready for parcel in station.parcels(self._pace.now())]
        if not parcels:
            return None
        *rest, last = sorted(parcels, key=lambda parcel: parcel.newest)
        await _side_by_side([partial(self._deliver, parcel) for parcel in rest])
        await self._deliver(last)
        return last.newest

    async def _deliver(self, parcel: Parcel) -> None:
        await parcel.station.send(self._collector, parcel)
        self._reports += 1
        self._measurements += len(parcel.report.measurements)

    def _tell_events(self, at: dt.datetime) -> None:
        events = [event for event in self._scenario.events if self._happened < event.at <= at]
        self._happened = at
        if events:
            self._watcher.changed(events[-1].at, events, self._company.fates.effects_at(at))

    async def _round(self, at: dt.datetime) -> None:
        self._told.append(at)
        if self._read and at > self._scenario.starts:
            (found,) = await findings.rounds(self._collector, self._scenario, [at])
            self._watcher.round(msgspec.structs.replace(found, number=len(self._told)))

    async def _last_word(self, at: dt.datetime) -> None:
        """A further round of the controls. Analysis takes it in only after detection has run on all before it."""
        controls = [station for station in self._company.stations if station.resident.control]
        end = at + dt.timedelta(seconds=2 * self._scenario.interval)
        await self._begin_round(controls, at)
        await self._pace.reach(end)
        newest = await self._send(controls, end)
        if newest is not None and self._read:
            await self._taken_in(newest)

    async def _taken_in(self, at: dt.datetime) -> None:
        """Until analysis has read so far."""
        best, since = None, trio.current_time()
        while best is None or best < at - _MILLISECOND:
            found = await findings.newest(self._collector)
            if found != best:
                best, since = found, trio.current_time()
            elif trio.current_time() - since > _BEHIND:
                raise LabError(f"{self._collector.base}: analysis does not get past {best}: see the collector's log")
            else:
                await trio.sleep(_LOOK)


async def _side_by_side(works: Iterable[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    async with trio.open_nursery() as nursery:
        for work in works:
            nursery.start_soon(work)
