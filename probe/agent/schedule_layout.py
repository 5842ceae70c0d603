"""When in a round each endpoint has its turn: evenly, with jitter, so that nothing is ever bunched.

Services come in random order, the endpoints of one service after each other: its vote is complete within seconds. Each
endpoint has a cell of its own in the round and begins somewhere in the cell's first half, so that two beginnings are
never closer than half a cell.
"""

import datetime as dt
import random
from collections.abc import Sequence

import msgspec

from probe.agent.budget_costs import Mode
from probe.catalogue.model import Endpoint, Service

_WINDOW = 0.85  # of a round: what begins last has time to end before the next one begins
_JITTER = 0.5  # of a cell


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One service in one round: which of its endpoints, how deeply. `turn` is where its next sample begins."""

    platform: str
    service: Service
    endpoints: tuple[Endpoint, ...]
    mode: Mode = "light"
    turn: int = 0
    retest: str | None = None  # id of the wish that asked for it,
    until: dt.datetime | None = None  # and when that is void

    @property
    def key(self) -> str:
        return f"{self.platform}.{self.service.id}"


class Turn(msgspec.Struct, frozen=True):
    """`at`: seconds after the round began."""

    at: float
    visit: Visit
    endpoint: Endpoint


def laid_out(visits: Sequence[Visit], seconds: float, chance: random.Random) -> tuple[Turn, ...]:
    order = [(visit, endpoint) for visit in chance.sample(visits, len(visits)) for endpoint in _shuffled(visit, chance)]
    cell = seconds * _WINDOW / max(1, len(order))
    return tuple(
        Turn((position + chance.uniform(0, _JITTER)) * cell, visit, endpoint)
        for position, (visit, endpoint) in enumerate(order)
    )


def _shuffled(visit: Visit, chance: random.Random) -> list[Endpoint]:
    return chance.sample(visit.endpoints, len(visit.endpoints))
