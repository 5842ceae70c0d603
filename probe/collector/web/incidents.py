"""What the web asks of detection. The views of incidents are detection's: here is only the shape that it fills."""

import datetime as dt
from typing import Any, Protocol

import msgspec

from probe.collector.web.parameters import IncidentsQuery


class IncidentRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An incident as a list shows it. Times are UTC; `onset` lies between `onset_after` (the last that worked) and
    `onset_before` (the first that did not)."""

    id: str
    kind: str
    state: str
    country: str | None = None
    onset: dt.datetime | None = None
    onset_after: dt.datetime | None = None
    onset_before: dt.datetime | None = None
    confirmed_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    platforms: tuple[str, ...] = ()
    asns: tuple[int, ...] = ()
    techniques: tuple[str, ...] = ()


class Restricted(msgspec.Struct, frozen=True, kw_only=True):
    """One restriction of an active incident, as metrics show it."""

    asn: int
    platform: str
    service: str
    technique: str
    state: str
    network: str | None = None


class Active(msgspec.Struct, frozen=True, kw_only=True):
    """An incident that lasts. The labels `incident`, `country` and `kind` never change while it does."""

    incident: str
    country: str
    kind: str
    onset: float | None  # seconds since 1970
    restrictions: tuple[Restricted, ...] = ()


class Incidents(Protocol):
    async def page(self, query: IncidentsQuery) -> tuple[list[IncidentRow], str | None]:
        """A page, and the cursor of the next. Raises CursorFault."""
        ...

    async def one(self, incident: str) -> dict[str, Any] | None:
        """Everything that is known of one, with its evidence."""
        ...

    async def active(self) -> list[Active]: ...

    async def totals(self) -> dict[tuple[str, str], int]:
        """How many there ever were, by country and kind."""
        ...

    async def ticks(self) -> tuple[float, int] | None:
        """Seconds that detection took in all, and in how many ticks."""
        ...

    async def notices(self) -> dict[str, tuple[int, int]]:
        """By channel: notices that arrived, and attempts that failed."""
        ...


class NoIncidents:
    """Where nothing detects."""

    async def page(self, query: IncidentsQuery) -> tuple[list[IncidentRow], str | None]:  # noqa: ARG002
        return [], None

    async def one(self, incident: str) -> dict[str, Any] | None:  # noqa: ARG002
        return None

    async def active(self) -> list[Active]:
        return []

    async def totals(self) -> dict[tuple[str, str], int]:
        return {}

    async def ticks(self) -> tuple[float, int] | None:
        return None

    async def notices(self) -> dict[str, tuple[int, int]]:
        return {}
