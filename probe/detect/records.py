"""What detection says: restrictions, incidents, their transitions, the re-tests it asks for. Times in seconds (UTC)."""

import datetime as dt
from typing import Any, Literal

import msgspec

from probe.detect.exact import Contrast
from probe.detect.settings import RULES
from probe.detect.votes import Cell

State = Literal["suspected", "confirmed", "ended", "dismissed", "standing", "resolver"]
Change = Literal[
    "suspected",
    "confirmed",
    "reopened",
    "technique",
    "spread",
    "unobserved",
    "ended",
    "dismissed",
    "corrected",
    "withdrawn",
    "merged",
    "standing",
    "resolver",
]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """`ratio` is the log-likelihood ratio that stood against `threshold` when it was decided, `baseline` the rate of
    false failures expected of this cell. `supporting` votes were seen and not counted. `note` says in a sentence what
    is unusual about it."""

    failed: int
    worked: int
    supporting: int = 0
    witnesses: tuple[str, ...] = ()
    baseline: float | None = None
    ratio: float | None = None
    threshold: float | None = None
    basis: str = ""
    elsewhere: str = ""
    contrasts: tuple[Contrast, ...] = ()
    note: str = ""
    rules: str = RULES


class Restriction(msgspec.Struct, frozen=True, kw_only=True):
    """One service of one network, from its onset, which lies between `onset_after`, the last vote that worked, and
    `onset_before`, the first that failed. `ended_at` is since when it works again, decided at `end_confirmed_at`.
    `unobserved_since` is the last vote where nobody has measured it for a day."""

    id: str
    event: str
    state: State
    country: str
    asn: int
    platform: str
    service: str
    extent: str = "full"
    technique: str = ""
    techniques: dict[str, int] = {}
    turns: tuple[tuple[float, str], ...] = ()
    onset: float | None = None
    onset_after: float | None = None
    onset_before: float | None = None
    suspected_at: float | None = None
    confirmed_at: float | None = None
    last_failed_at: float | None = None
    ended_at: float | None = None
    end_confirmed_at: float | None = None
    unobserved_since: float | None = None
    segments: tuple[tuple[float, float | None], ...] = ()
    scope: str = "isp"
    evidence: Evidence
    cell: Cell

    @property
    def starts(self) -> float:
        return self.onset if self.onset is not None else self.onset_before or 0.0


class Affected(msgspec.Struct, frozen=True, kw_only=True):
    """One network of an incident; `services` maps platform.service to full or partial."""

    asn: int
    onset: float
    techniques: tuple[str, ...] = ()
    services: dict[str, str] = {}


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """Restrictions of one country whose onsets follow within an hour of each other, or an outage. `networks` stand in
    the order of their onsets; `country` is empty where the event has none."""

    id: str
    event: str
    state: State
    country: str
    scope: str = "isp"
    onset: float
    onset_after: float | None = None
    suspected_at: float | None = None
    confirmed_at: float | None = None
    ended_at: float | None = None
    unobserved_since: float | None = None
    platforms: tuple[str, ...] = ()
    services: dict[str, str] = {}
    networks: tuple[Affected, ...] = ()
    not_affected: tuple[str, ...] = ()
    restrictions: tuple[str, ...] = ()
    votes: int = 0
    witnesses: int = 0
    contrasts: tuple[Contrast, ...] = ()
    note: str = ""
    rules: str = RULES


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """What changed, to be appended to the journal as it is. `time` is the moment in the data that it is about.

    `correction` marks what late data changed after it had been said; `into` names the incident that a merged one
    became part of; `restriction` and `incident` are the whole records after the change.
    """

    change: Change
    time: float
    subject: str
    correction: bool = False
    into: str | None = None
    restriction: Restriction | None = None
    incident: Incident | None = None


class Retest(msgspec.Struct, frozen=True, kw_only=True):
    """Probes that should measure this service at once: controls first, then the network's, then the country's."""

    cell: Cell
    since: float
    probes: tuple[str, ...]


def plain(record: Restriction | Incident) -> dict[str, Any]:
    """For JSON: moments in words, and which of the two it is."""
    fields = msgspec.to_builtins(record)
    fields.pop("cell", None)
    return {"kind": type(record).__name__.lower(), **{name: _worded(name, value) for name, value in fields.items()}}


_MOMENTS = frozenset({"onset", "onset_after", "onset_before", "unobserved_since"})


def _worded(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _MOMENTS or name.endswith("_at"):
        return moment(value)
    if name == "segments":
        return [[moment(begin), moment(end) if end is not None else None] for begin, end in value]
    if name == "turns":
        return [{"at": moment(at), "technique": technique} for at, technique in value]
    if name == "networks":
        return [{**network, "onset": moment(network["onset"])} for network in value]
    return value


def moment(seconds: float) -> str:
    """RFC 3339 in UTC; fractions only where there are any."""
    written = dt.datetime.fromtimestamp(round(seconds, 3), dt.UTC)
    return written.isoformat(timespec="milliseconds" if written.microsecond else "seconds").replace("+00:00", "Z")
