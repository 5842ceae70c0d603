"""What the web asks of detection. The views of incidents are detection's: here is only the shape that it fills."""

import datetime as dt
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from probe.collector.web.parameters import IncidentsQuery
from probe.notify.notice import Notice

Crowd = Callable[[str, int, float], bool]
"""Whether a network (country, ASN) may be seen in public with what was seen there at a time (seconds)."""


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
    country: str = ""


class Active(msgspec.Struct, frozen=True, kw_only=True):
    """An incident that lasts. The labels `incident`, `country` and `kind` never change while it does."""

    incident: str
    country: str
    kind: str
    onset: float | None  # seconds since 1970
    restrictions: tuple[Restricted, ...] = ()


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was said of an incident. `serial` is its place in the journal; `at` the moment that it is about,
    `recorded_at` when it was written down, in seconds since 1970; `into` the incident that this one became part of."""

    serial: int
    change: str
    at: float
    recorded_at: float
    summary: str
    incident: IncidentRow
    correction: bool = False
    into: str | None = None


class Unread(Exception):
    """The journal is there, and cannot be read just now."""


class Incidents(Protocol):
    """What takes a `crowd` blocks, and shows to the public what that lets through; None: everything. All raise
    Unread."""

    def page(self, query: IncidentsQuery, crowd: Crowd | None) -> tuple[list[IncidentRow], str | None]:
        """A page, and the cursor of the next. Raises CursorFault."""
        ...

    def one(self, incident: str, crowd: Crowd | None) -> dict[str, Any] | None:
        """Everything that is known of one, with its evidence."""
        ...

    def feed(self, limit: int, crowd: Crowd | None) -> list[tuple[Notice, float]]:
        """The last word on each incident, the newest first, and when it was written down (seconds since 1970)."""
        ...

    def events(self, after: int | None, limit: int, crowd: Crowd | None) -> tuple[list[Event], int]:
        """What was said behind that place of the journal, oldest first, and how far that went. None: from now on."""
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

    def page(self, query: IncidentsQuery, crowd: Crowd | None) -> tuple[list[IncidentRow], str | None]:  # noqa: ARG002
        return [], None

    def one(self, incident: str, crowd: Crowd | None) -> dict[str, Any] | None:  # noqa: ARG002
        return None

    def feed(self, limit: int, crowd: Crowd | None) -> list[tuple[Notice, float]]:  # noqa: ARG002
        return []

    def events(self, after: int | None, limit: int, crowd: Crowd | None) -> tuple[list[Event], int]:  # noqa: ARG002
        return [], after or 0

    async def active(self) -> list[Active]:
        return []

    async def totals(self) -> dict[tuple[str, str], int]:
        return {}

    async def ticks(self) -> tuple[float, int] | None:
        return None

    async def notices(self) -> dict[str, tuple[int, int]]:
        return {}
