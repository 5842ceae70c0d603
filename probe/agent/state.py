"""What the daemon tells its owner of itself: a snapshot, served as JSON and read by `probe status`.

It holds no address. What is not known is absent.
"""

import datetime as dt

import msgspec

from probe.wire.measurement import Network
from probe.wire.vocabulary import Outcome, Technique

OUTCOMES_OF_A_ROUND = ("ok", "void", "cut short", "empty")


class ServiceState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`since` is when the present outcome was first seen, `tested_at` when it was last; `endpoints` counts those of
    the last test by outcome."""

    platform: str
    service: str
    outcome: Outcome
    techniques: tuple[Technique, ...] = ()
    confidence: float | None = None
    since: dt.datetime | None = None
    tested_at: dt.datetime | None = None
    endpoints: dict[str, int] = {}


class PlatformState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The sum over its services. `since`: of the newest change among them."""

    platform: str
    name: str
    outcome: Outcome
    techniques: tuple[Technique, ...] = ()
    since: dt.datetime | None = None


class RoundState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`interval` in seconds: what the budget makes of the configured one. `ended`: how the last one ended."""

    number: int = 0
    began_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    ended: str | None = None  # of OUTCOMES_OF_A_ROUND
    duration: float | None = None  # seconds, of the last whole one
    next_at: dt.datetime | None = None
    interval: float | None = None
    services: int = 0  # that this round tests, of
    of: int = 0  # so many
    measured: int = 0  # endpoints so far
    planned: int = 0
    void: str | None = None  # why this network is not fit to measure, a sentence


class SpoolState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`fault`: why measurements wait in memory instead, `waiting` of them."""

    measurements: int = 0
    bytes: int = 0
    set_aside: int = 0
    dropped: int = 0
    fault: str | None = None
    waiting: int = 0


class BudgetState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Bytes. `limit` a day, 0 for none; `used` in about the last 24 hours."""

    limit: int = 0
    used: int = 0
    sent: int = 0  # since the daemon started
    received: int = 0


class UplinkState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`state`: a word or a short sentence. `failure`: the last one's line, absent where the last attempt went well."""

    state: str = "no collector"
    collector: str | None = None  # its address as configured
    last_upload: dt.datetime | None = None
    last_checkin: dt.datetime | None = None
    failure: str | None = None
    failed_at: dt.datetime | None = None
    attempts: int = 0
    failures: int = 0
    clock_offset: float | None = None  # collector's time minus this machine's, seconds


class DocumentState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`source`: shipped, downloaded, or the path that the configuration names."""

    version: str | None = None
    made_at: dt.datetime | None = None
    stale: bool = False
    source: str | None = None


class AgentState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    agent: str
    started_at: dt.datetime
    now: dt.datetime
    role: str = "probe"
    network: Network = Network()
    network_by: str | None = None  # lease, local, or absent
    vpn: bool = False
    services: tuple[ServiceState, ...] = ()
    platforms: tuple[PlatformState, ...] = ()
    round: RoundState = RoundState()
    spool: SpoolState = SpoolState()
    budget: BudgetState = BudgetState()
    uplink: UplinkState = UplinkState()
    catalogue: DocumentState = DocumentState()
    expectations: DocumentState = DocumentState()
    loop_lag: float | None = None  # seconds, the worst of the last minute
    restarts: dict[str, int] = {}  # of the daemon's parts, after a fault
    notes: tuple[str, ...] = ()  # what the owner should know: a newer version is wanted, the clock is off, ...
