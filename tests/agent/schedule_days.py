"""A day of rounds in an instant: the real planner and the real budget, a clock that is set, and costs drawn by lot."""

import datetime as dt
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from probe.agent.budget import Budget
from probe.agent.budget_costs import Costs
from probe.agent.schedule import Plan, Planner, Rhythm
from probe.agent.schedule_memory import Memory
from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.catalogue.model import Catalogue, Endpoint
from probe.wire.verdicts import Tally
from probe.wire.vocabulary import Outcome

SHIPPED = load_catalogue(default_catalogue_path())
MIDNIGHT = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
HOUR, DAY = 3600.0, 86400.0

# Bytes on the wire as hosts outside a lab have them: chains of 3 to 5 kB, pages of 64 KiB and more.
_COSTS = {
    "https": {"light": 5500, "default": 75_000, "deep": 85_000},
    "tls": {"light": 5500, "default": 5500, "deep": 15_000},
    "tcp": {"light": 900, "default": 900, "deep": 3000},
    "http": {"light": 4000, "default": 4000, "deep": 6000},
    "dns": {"light": 500, "default": 500, "deep": 3000},
}
_ANCHORS, _REPORTED = 18_000, 320  # bytes: of a look around, and of a measurement's part of a report


class SetClock:
    """Says what it is set to."""

    def __init__(self, at: float = 0.0) -> None:
        self.at, self.wrong = at, dt.timedelta()

    def now(self) -> dt.datetime:
        return MIDNIGHT + dt.timedelta(seconds=self.at) + self.wrong

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class Day:
    """What went on: `spent` (when, bytes), when each endpoint began, and which services each round tested whole."""

    plans: list[Plan] = field(default_factory=list)
    spent: list[tuple[float, int]] = field(default_factory=list)
    began: list[float] = field(default_factory=list)
    tested: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    modes: Counter[str] = field(default_factory=Counter)

    @property
    def bytes(self) -> int:
        return sum(cost for _, cost in self.spent)

    def worst_window(self, seconds: float = DAY) -> int:
        """The most that was spent in any window of this length."""
        most = total = first = 0
        for when, cost in self.spent:
            total += cost
            while self.spent[first][0] <= when - seconds:
                total -= self.spent[first][1]
                first += 1
            most = max(most, total)
        return most


class Simulation:
    """`outcomes` says what a service is found to be at a moment."""

    def __init__(
        self,
        limit: int,
        *,
        catalogue: Catalogue = SHIPPED,
        rhythm: Rhythm | None = None,
        outcomes: Callable[[str, float], Outcome] = lambda _key, _at: Outcome.OK,
        seed: int = 1,
        dearer: float = 1.0,
        platforms: tuple[str, ...] = (),
    ) -> None:
        self.clock, self.chance = SetClock(), random.Random(seed)
        self.budget, self.costs, self.memory = Budget(limit, self.clock), Costs(), Memory()
        self.planner = Planner(
            catalogue,
            memory=self.memory,
            costs=self.costs,
            budget=self.budget,
            rhythm=rhythm or Rhythm(),
            chance=self.chance,
            platforms=platforms,
        )
        self.outcomes, self.dearer = outcomes, dearer
        self.day = Day()
        self.backlog = 0  # bytes of reports that wait, beside what each round adds

    def run(self, hours: float = 24.0) -> Day:
        end = self.clock.at + hours * HOUR
        while self.clock.at < end:
            self.round()
        return self.day

    def round(self) -> Plan:
        began = self.clock.at
        plan = self.planner.plan(self.clock.now())
        self.memory.round = plan.number
        self.day.plans.append(plan)
        before = self.budget.total
        self._spend(_ANCHORS)
        measured = sum(self._turn(began + turn.at, turn.endpoint, turn.visit.mode) for turn in plan.turns)
        for visit in {id(turn.visit): turn.visit for turn in plan.turns}.values():
            self._conclude(visit.key)
            self.planner.done(visit, plan.number, self.clock.now())
        self._report(len(plan.turns))
        self.costs.learn_overhead(self.budget.total - before - measured)
        self.clock.at = began + plan.seconds
        return plan

    def _turn(self, at: float, endpoint: Endpoint, mode: str) -> int:
        self.clock.at = at
        expected = self.costs.of(endpoint, mode)  # type: ignore[arg-type]
        if not self.budget.hold(expected):
            return 0
        cost = int(_COSTS[endpoint.target.scheme][mode] * self.chance.uniform(0.6, 1.6) * self.dearer)
        self._spend(cost)
        self.budget.release(expected)
        self.costs.learn(endpoint, mode, cost)  # type: ignore[arg-type]
        self.day.began.append(at)
        self.day.tested[f"{endpoint.platform}.{endpoint.service}"].append(at)
        self.day.modes[mode] += 1
        return cost

    def _conclude(self, key: str) -> None:
        outcome = self.outcomes(key, self.clock.at)
        platform, _, service = key.partition(".")
        before = self.memory.of(key)
        self.memory.services[key] = before.after(
            Tally(platform=platform, service=service, outcome=outcome), self.clock.now()
        )

    def _report(self, measurements: int) -> None:
        size = 1500 + _REPORTED * measurements
        if self.budget.may_upload(size):
            self._spend(size)
        while self.backlog > 0 and self.budget.may_upload(256_000):
            self._spend(256_000)
            self.backlog -= 256_000

    def _spend(self, cost: int) -> None:
        self.budget.add(cost // 4, cost - cost // 4)
        self.day.spent.append((self.clock.at, cost))
