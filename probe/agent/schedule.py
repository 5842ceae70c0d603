"""What the next round tests. Pure planning: it is told the time, and draws its lots from the generator it is given.

Where the budget allows it, every service is tested in every round: as many endpoints as its `sample` says, in turn, the
page every few rounds, everything deeply every few hours. Where it does not, first the samples shrink to one group, then
services take turns, those longest untested first; pages and deep tests get a fixed share and become rarer; and only
where a round would hold less than a sixth of the services does the interval stretch. What fails is tested whole, and
what changed within the last hour comes first, together with its platform's other services.
"""

import datetime as dt
import itertools
import math
import random
from collections.abc import Iterable, Iterator

import msgspec

from probe.agent.budget import Budget
from probe.agent.budget_costs import Costs, Mode
from probe.agent.schedule_layout import Turn, Visit, laid_out
from probe.agent.schedule_memory import Memory, Remembered, measurable, sampled
from probe.catalogue.model import Catalogue, Service

EXTRAS = 0.15  # of what a round may cost, for pages and deep tests, where the budget binds
_DEAREST_EXTRA = 0.5  # of a round that one of them may cost
_THINNEST = 1 / 6  # of the services, in a round
LONGEST = 3600.0  # seconds to which the interval may stretch
_RECENT = dt.timedelta(hours=1)
_APART = 0.5  # seconds between two tests, even where somebody waits
_CATCHING_UP = 1.5  # times the usual number of pages and deep tests in a round, after a pause


class Rhythm(msgspec.Struct, frozen=True, kw_only=True):
    """As the owner wants it where the budget allows: seconds between rounds and between deep tests of a service, and
    every which round fetches its page. `first_round`: seconds for the turns of a first one; 0: as for any other."""

    interval: float = 300.0
    first_round: float = 0.0
    deep_every: float = 6 * 3600.0
    page_every: int = 6


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds` until the next round may begin; `cost` in bytes, expected."""

    number: int
    seconds: float
    cost: float
    turns: tuple[Turn, ...]


class _Unit(msgspec.Struct, frozen=True):
    platform: str
    service: Service
    remembered: Remembered

    @property
    def key(self) -> str:
        return f"{self.platform}.{self.service.id}"

    def visit(self, mode: Mode, most: int | None) -> Visit:
        endpoints, turn = sampled(self.service, self.remembered.turn, most)
        return Visit(platform=self.platform, service=self.service, endpoints=endpoints, mode=mode, turn=turn)


class Planner:
    """`platforms`: what the owner allows; empty for all of the catalogue."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        memory: Memory,
        costs: Costs,
        budget: Budget,
        rhythm: Rhythm,
        chance: random.Random,
        platforms: Iterable[str] = (),
    ) -> None:
        allowed = frozenset(platforms)
        self._services = {
            f"{platform.id}.{service.id}": (platform.id, service)
            for platform in catalogue.platforms
            if not allowed or platform.id in allowed
            for service in platform.services
            if measurable(service)
        }
        self.memory, self.costs, self.budget, self.rhythm = memory, costs, budget, rhythm
        self._chance = chance
        self._credit = 0.0
        self._first = True
        self._last_extra: Mode = "default"

    def plan(self, now: dt.datetime) -> Plan:
        """The next round. What was tested is remembered by `done`, not here: a round may be cut short."""
        units = self._units(now)
        seconds = self._stretched(units)
        room = self.budget.allowance(seconds) - self.costs.overhead
        extras = self._extras(units, now, seconds, room)
        light = self._light(units, room - self._cost(extras.values()), extras.keys())
        visits = [*extras.values(), *light.values()]
        turns = laid_out(visits, self._span(units, visits, now, seconds), self._chance)
        cost = self.costs.overhead + self._cost(visits)
        return Plan(number=self.memory.round + 1, seconds=seconds, cost=cost, turns=turns)

    def whole(self, key: str, retest: str | None = None) -> Visit | None:
        """Every endpoint of a service, deep; None where the catalogue or the owner has no such service."""
        if key not in self._services:
            return None
        platform, service = self._services[key]
        turn = self.memory.of(key).turn
        endpoints = measurable(service)
        return Visit(platform=platform, service=service, endpoints=endpoints, mode="deep", turn=turn, retest=retest)

    def done(self, visit: Visit, number: int, now: dt.datetime) -> None:
        """All of its endpoints were measured."""
        facts: dict[str, object] = {"tested": number, "turn": visit.turn}
        facts |= {"page_at": now} if visit.mode != "light" else {}
        facts |= {"deep_at": now} if visit.mode == "deep" else {}
        self.memory.update(visit.key, **facts)

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(self._services)

    # --- what there is ---

    def _units(self, now: dt.datetime) -> list[_Unit]:
        """Most pressing first: what is news, then what was longest untested; lots decide between equals."""
        units = [_Unit(platform, service, self._remembered(key, now)) for key, (platform, service) in self._each()]
        news = {unit.platform for unit in units if unit.remembered.is_news(now)}
        self._chance.shuffle(units)
        units.sort(key=lambda unit: (unit.platform not in news, unit.remembered.tested))
        return units

    def _each(self) -> Iterator[tuple[str, tuple[str, Service]]]:
        return iter(self._services.items())

    def _remembered(self, key: str, now: dt.datetime) -> Remembered:
        """A service that is new gets its place among the others' pages and deep tests by lot."""
        found = self.memory.of(key)
        if found.deep_at is not None and found.deep_at <= now:
            return found
        deep = now - dt.timedelta(seconds=self._chance.uniform(0, self.rhythm.deep_every))
        page = now - dt.timedelta(seconds=self._chance.uniform(0, self.rhythm.page_every * self.rhythm.interval))
        return self.memory.update(key, deep_at=deep, page_at=page)

    def _smallest(self, unit: _Unit) -> Visit:
        return unit.visit("light", None if unit.remembered.failing else 1)

    def _usual(self, unit: _Unit) -> Visit:
        return unit.visit("light", None if unit.remembered.failing else unit.service.sample)

    def _cost(self, visits: Iterable[Visit]) -> float:
        return sum(self.costs.of_all(visit.endpoints, visit.mode) for visit in visits)

    def _span(self, units: list[_Unit], visits: list[Visit], now: dt.datetime, seconds: float) -> float:
        """In which the turns are laid out. Where nothing is known of the last hour, somebody may wait for a first
        round; how many endpoints are busy at once is bounded as ever."""
        first, self._first = self._first, False
        known = any(at is not None and now - at < _RECENT for at in (unit.remembered.tested_at for unit in units))
        if known or not (first and self.rhythm.first_round):
            return seconds
        return min(self.rhythm.first_round, seconds, _APART * sum(len(visit.endpoints) for visit in visits))

    # --- what of it ---

    def _stretched(self, units: list[_Unit]) -> float:
        interval = self.rhythm.interval
        least = self.costs.overhead + _THINNEST * self._cost(self._smallest(unit) for unit in units)
        times = math.ceil(least / (self.budget.rate * interval)) if math.isfinite(self.budget.rate) else 1
        return max(interval, min(interval * max(1, times), LONGEST))

    def _extras(self, units: list[_Unit], now: dt.datetime, seconds: float, room: float) -> dict[str, Visit]:
        """Pages and deep tests that are due, the most overdue first, as far as their share goes. The share that was
        not used is a claim on later rounds, no bytes of its own."""
        self._credit = max(0.0, min(self._credit + EXTRAS * room, _DEAREST_EXTRA * room))
        chosen: dict[str, Visit] = {}
        for unit, mode in self._due(units, now, seconds):
            if unit.key in chosen:
                continue
            visit = unit.visit(mode, None if mode == "deep" else unit.service.sample)
            if self._cost([visit]) > self._credit:
                visit = unit.visit(mode, 1)
            if (cost := self._cost([visit])) > self._credit:
                break
            self._credit -= cost
            self._last_extra = mode
            chosen[unit.key] = visit
        return chosen

    def _due(self, units: list[_Unit], now: dt.datetime, seconds: float) -> Iterator[tuple[_Unit, Mode]]:
        """Both kinds in turns: where there is room for few, pages would leave none for deep tests."""
        periods: dict[Mode, float] = {"deep": self.rhythm.deep_every, "default": self.rhythm.page_every * seconds}
        due: dict[Mode, list[tuple[_Unit, Mode]]] = {}
        for mode, period in periods.items():
            overdue = [(waited, unit) for unit in units if (waited := _since(unit.remembered, mode, now)) >= period]
            overdue.sort(key=lambda row: -row[0])
            most = math.ceil(_CATCHING_UP * len(units) * seconds / period)
            due[mode] = [(unit, mode) for _, unit in overdue[:most]]
        turns = ("deep", "default") if self._last_extra == "default" else ("default", "deep")
        pairs = itertools.zip_longest(*(due[mode] for mode in turns))  # type: ignore[index]
        return (row for pair in pairs for row in pair if row is not None)

    def _light(self, units: list[_Unit], room: float, taken: Iterable[str]) -> dict[str, Visit]:
        """As many services as there is room for, one group each; then their usual samples."""
        skipped = set(taken)
        waiting = [unit for unit in units if unit.key not in skipped]
        chosen: dict[str, Visit] = {}
        for unit in waiting:
            visit = self._smallest(unit)
            if (cost := self._cost([visit])) <= room:
                room -= cost
                chosen[unit.key] = visit
        for unit in waiting:
            if unit.key in chosen:
                wider = self._usual(unit)
                more = self._cost([wider]) - self._cost([chosen[unit.key]])
                if more <= room:
                    room -= more
                    chosen[unit.key] = wider
        return chosen


def _since(remembered: Remembered, mode: Mode, now: dt.datetime) -> float:
    at = remembered.deep_at if mode == "deep" else remembered.page_at
    return (now - at).total_seconds() if at is not None else 0.0
