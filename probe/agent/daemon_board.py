"""What the daemon shows of itself, put together from its parts when somebody asks."""

import datetime as dt
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from probe import __version__
from probe.agent.schedule import Plan
from probe.agent.schedule_memory import Memory
from probe.agent.state import AgentState, PlatformState, RoundState, ServiceState
from probe.catalogue.model import Catalogue, Platform
from probe.clock import Clock
from probe.verdict.tally import platform_outcome
from probe.wire.reports import Agent
from probe.wire.verdicts import Tally
from probe.wire.vocabulary import CONNECTION_ORDER, Technique

NAME = "censorship-probe"
AGENT = Agent(name=NAME, version=__version__, platform=sys.platform)
_ONGOING = 10  # notes at most


class Board:
    """Told how rounds go; `rest` gives the facts of the other parts by field of AgentState."""

    def __init__(self, clock: Clock, memory: Memory, rest: Callable[[], dict[str, object]]) -> None:
        self._clock, self._memory, self._rest = clock, memory, rest
        self._started = clock.now()
        self._tallies: dict[str, Tally] = {}
        self.round = RoundState(number=memory.round)

    def planned(self, plan: Plan, services: int) -> None:
        self.round = msgspec.structs.replace(
            self.round,
            number=plan.number,
            began_at=self._clock.now(),
            next_at=None,
            interval=plan.seconds,
            services=len({turn.visit.key for turn in plan.turns}),
            of=services,
            measured=0,
            planned=len(plan.turns),
        )

    def looked(self, void: str | None) -> None:
        self.round = msgspec.structs.replace(self.round, void=void)

    def measured(self) -> None:
        self.round = msgspec.structs.replace(self.round, measured=self.round.measured + 1)

    def concluded(self, tally: Tally) -> None:
        self._tallies[f"{tally.platform}.{tally.service}"] = tally

    def ended(self, how: str, seconds: float, pause: float) -> None:
        now = self._clock.now()
        self.round = msgspec.structs.replace(
            self.round,
            ended_at=now,
            ended=how,
            duration=self.round.duration if how == "cut short" else round(seconds, 3),
            next_at=now + dt.timedelta(seconds=pause),
        )

    def state(self, catalogue: Catalogue) -> AgentState:
        services = tuple(self._services(catalogue))
        facts: dict[str, object] = {
            "agent": f"{NAME}/{__version__}",
            "started_at": self._started,
            "now": self._clock.now(),
            "services": services,
            "platforms": tuple(_platforms(catalogue, services)),
            "round": self.round,
        }
        return AgentState(**facts, **self._rest())  # type: ignore[arg-type]

    def _services(self, catalogue: Catalogue) -> Iterator[ServiceState]:
        for platform in catalogue.platforms:
            for service in platform.services:
                key = f"{platform.id}.{service.id}"
                known, tally = self._memory.of(key), self._tallies.get(key)
                if known.outcome is not None:
                    yield ServiceState(
                        platform=platform.id,
                        service=service.id,
                        outcome=known.outcome,
                        techniques=known.techniques,
                        confidence=tally.confidence if tally else None,
                        since=known.since,
                        tested_at=known.tested_at,
                        endpoints=tally.endpoints if tally else {},
                    )


def _platforms(catalogue: Catalogue, services: tuple[ServiceState, ...]) -> Iterator[PlatformState]:
    for platform in catalogue.platforms:
        own = [service for service in services if service.platform == platform.id]
        if own:
            yield _summed(platform, own)


def _summed(platform: Platform, services: list[ServiceState]) -> PlatformState:
    counts: Counter[Technique] = Counter(technique for service in services for technique in service.techniques)
    return PlatformState(
        platform=platform.id,
        name=platform.name,
        outcome=platform_outcome(Counter(service.outcome for service in services)),
        techniques=tuple(sorted(counts, key=lambda technique: (-counts[technique], CONNECTION_ORDER[technique]))),
        since=max((service.since for service in services if service.since is not None), default=None),
    )
