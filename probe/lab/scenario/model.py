"""A scenario as its YAML file has it. Times are UTC; what a mapping may hold is checked strictly."""

import datetime as dt
from typing import Annotated, Literal

import msgspec

from probe.catalogue.forms import Asn, Country, Form, Id

Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=1, le=50)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
OUTCOMES = ("ok", "blocked", "partial", "degraded", "down", "inconclusive", "void")
OF_AN_ISP = ("shutdown",)  # techniques that name no platform
OF_THE_WORLD = ("outage-names", "outage-refused", "outage-silent")  # and those that name no ISP
Trouble = Literal["ad-blocker", "antivirus", "black-hole", "captive-portal", "loss", "offline", "vpn"]


class Home(Form, frozen=True, kw_only=True):
    """Probes of an ISP, beside its `probes`, each behind equipment that does this to them."""

    trouble: Trouble
    probes: Count = 1


class IspForm(Form, frozen=True, kw_only=True):
    """`prefix`, IPv4: where its customers' addresses are from; one is found where it is not given."""

    asn: Asn
    name: str = ""
    probes: Count = 1
    homes: tuple[Home, ...] = ()
    prefix: str | None = None


class ControlForm(Form, frozen=True, kw_only=True):
    asn: Asn
    country: Country
    name: str = ""
    probes: Count = 1


class Event(Form, frozen=True, kw_only=True):
    """Something begins (`technique`, of platforms or of services as `platform.service`, at `isps` or at all of them),
    or ends: `lift` all, or the platforms and services listed, everywhere or at `isps`. `share`: of each service's
    endpoints. `rate`: of throttling, kB a second. With `jump` the clock skips the quiet stretch before it."""

    at: Moment
    technique: str | None = None
    isps: tuple[Asn, ...] = ()
    platforms: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    address: str | None = None
    share: Share = 1.0
    rate: Annotated[int, msgspec.Meta(ge=1)] = 16
    lift: str | tuple[str, ...] | None = None
    jump: bool = False


class First(Form, frozen=True, kw_only=True):
    """The ISP at which anything is stopped first, and when."""

    asn: Asn
    onset: Moment
    within_rounds: Annotated[int, msgspec.Meta(ge=0)] = 1


class End(Form, frozen=True, kw_only=True):
    """Nothing is stopped anywhere any more."""

    at: Moment
    within_rounds: Annotated[int, msgspec.Meta(ge=0)] = 1


class Phase(Form, frozen=True, kw_only=True, rename={"since": "from"}):
    """In every round from `from` until before `until`, the probes of each of these ISPs (all, where none is named) say
    one of these outcomes of each of the platforms and services. `waits`: for what the product does not have yet."""

    outcome: str | tuple[str, ...]
    platforms: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    isps: tuple[Asn, ...] = ()
    since: Moment | None = None
    until: Moment | None = None
    technique: str | None = None
    waits: str | None = None

    @property
    def outcomes(self) -> tuple[str, ...]:
        return (self.outcome,) if isinstance(self.outcome, str) else self.outcome


class Expect(Form, frozen=True, kw_only=True):
    """What the collector makes of it, `phases` apart: the number of `incidents`, their `kinds`, the ISPs in the `order`
    of their onsets, platforms `blocked` and restricted in `partial`, no others, and in how many `segments`. `settled`:
    rounds after a change until every probe has tested everything again; more where much is silent, since the clock is
    fast and timeouts are real."""

    incidents: Annotated[int, msgspec.Meta(ge=0)] | None = None
    kinds: tuple[str, ...] = ()
    first: First | None = None
    order: tuple[Asn, ...] = ()
    blocked: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    segments: Annotated[int, msgspec.Meta(ge=1)] | None = None
    end: End | None = None
    settled: Annotated[int, msgspec.Meta(ge=1)] = 2
    phases: tuple[Phase, ...] = ()


class Scenario(Form, frozen=True, kw_only=True):
    """`speed`: seconds of scenario time a second; it scales the clock and the intervals, never a timeout. `interval`:
    seconds of scenario time from round to round. `platforms` are measured beside those of the events; `light` rounds
    stop after the TLS handshake."""

    name: Id
    about: str = ""
    sources: tuple[str, ...] = ()
    starts: Moment
    ends: Moment | None = None
    speed: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = 30.0
    interval: Annotated[float, msgspec.Meta(ge=10, le=86400)] = 300.0
    light: bool = True
    country: Country
    isps: tuple[IspForm, ...]
    controls: tuple[ControlForm, ...] = (ControlForm(asn=3320, country="DE"),)
    platforms: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    expect: Expect = Expect()

    @property
    def subjects(self) -> tuple[str, ...]:
        """Platforms and services that probes measure, in order."""
        named = [subject for event in self.events for subject in (*event.platforms, *event.services)]
        return tuple(dict.fromkeys([*self.platforms, *named]))

    @property
    def platform_ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(subject.partition(".")[0] for subject in self.subjects))


class ScenarioError(Exception):
    """What is wrong with a scenario's file, in one line that names the file, the place and what to do."""
