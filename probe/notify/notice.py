"""One thing that people are to be told, whoever tells it to them."""

import datetime as dt
from enum import StrEnum
from typing import Any

import msgspec


class Phase(StrEnum):
    """Where an incident stands when it is told."""

    FIRING = "firing"  # confirmed
    UPDATED = "updated"  # spread, technique or affected services changed
    CORRECTED = "corrected"  # late data changed what was told before
    RESOLVED = "resolved"  # ended
    WITHDRAWN = "withdrawn"  # late data say that it was none


ENDED = frozenset({Phase.RESOLVED, Phase.WITHDRAWN})


class Notice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`id` is the transition's and stays the same however often the notice is sent. `incident_record` is the incident
    as the API gives it. Times are UTC."""

    id: str
    incident: str
    phase: Phase
    kind: str
    country: str
    summary: str  # one sentence
    description: str  # the facts, a sentence each
    starts_at: dt.datetime
    severity: str = "warning"
    ends_at: dt.datetime | None = None
    url: str | None = None
    incident_record: dict[str, Any] = {}

    @property
    def over(self) -> bool:
        """Also what late data corrects of an incident that has ended."""
        return self.phase in ENDED or self.ends_at is not None
