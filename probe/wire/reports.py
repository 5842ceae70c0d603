"""What a probe sends to a collector, and what it gets back. Unknown fields are ignored by both sides."""

import datetime as dt
from typing import Literal

import msgspec

from probe.wire.measurement import Measurement, Network
from probe.wire.signed import Signed
from probe.wire.verdicts import Verdict

REPORT_SCHEMA = 1
MOST_COMPRESSED = 1 << 20  # bytes of a report as it travels
MOST_DECODED = 8 << 20  # bytes of its JSON
MOST_MEASUREMENTS = 500

Role = Literal["probe", "control", "read", "admin"]


class Agent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    version: str
    platform: str | None = None  # linux, darwin, windows


class Reported(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measurement with what the probe made of it.

    `round` (UUIDv7) and `of` (how many endpoints of this service the round tests) tell the collector when a service's
    vote is complete. `age` is the seconds between the measurement's beginning and the sending of the report by a clock
    that never jumps; absent where the probe was restarted in between. `lease` is a key of the report's `leases`: the
    lease that held when the measurement was made; absent where none held or the local address had changed since.
    """

    measurement: Measurement
    verdict: Verdict
    round: str | None = None
    of: int = 1
    age: float | None = None
    lease: str | None = None
    vpn: bool = False  # a VPN was suspected: supports nothing about the ISP
    retest: str | None = None  # id of the re-test that asked for it
    compact: bool = False  # bodies and chains were left out


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`report_id` is a UUIDv7 and the idempotency key: a batch keeps it however often it is sent."""

    report_id: str
    agent: Agent
    measurements: tuple[Reported, ...]
    schema: int = REPORT_SCHEMA
    network: Network = Network()
    leases: dict[str, Signed] = {}
    clock_offset: float | None = None  # collector's time minus the probe's wall clock at the last check-in, seconds
    dropped: int = 0  # measurements that went from a full spool since the last report


class Retest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A wish, within the signed catalogue and the volunteer's budget: test this service again, deep, before `until`."""

    id: str
    platform: str
    service: str
    until: dt.datetime


class Accepted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Body of the 202, the same for a repeat."""

    report_id: str
    retests: tuple[Retest, ...] = ()


class Refused(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Body of every 4xx and 5xx: one line, and the path of the fault in the body (`$.measurements[3].of`)."""

    error: str
    path: str | None = None


class Checkin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answer to `GET /api/v1/checkin`. Versions are those of the documents that the collector would serve now."""

    time: dt.datetime
    catalogue: str | None = None
    expectations: str | None = None
    keys: str | None = None
    lease: Signed | None = None
    retests: tuple[Retest, ...] = ()
    minimum_version: str | None = None
    collector_version: str | None = None


class Enrolment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Body of `POST /api/v1/enrol`: the invitation's code, and what the probe says of itself."""

    invitation: str
    agent: Agent


class Enrolled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`token` is shown this once. `keys` is the signed `KeyDocument`; `catalogue_keys` the public catalogue keys
    (base64) to compare with those that the invitation names."""

    token: str
    role: Role
    collector: str  # its name, as people know it
    catalogue_keys: tuple[str, ...] = ()
    keys: Signed | None = None
