"""A report put together of measurements as they lie in the spool: JSON joined to JSON, nothing decoded."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from probe.agent.spool_file import SpoolFile
from probe.agent.spool_packing import MOST_IMPORTANT
from probe.wire.measurement import Network
from probe.wire.reports import MOST_MEASUREMENTS, Agent, Report

_PACKED = 256 << 10  # bytes as the spool packs them: compressed together they take less; a poor uplink takes that
_DECODED = 2 << 20  # bytes of JSON, a quarter of what a collector takes: memory is short on small machines


class Chosen(NamedTuple):
    position: int
    importance: int
    size: int
    packed: int


class Member(NamedTuple):
    """Its JSON, and its age in seconds where that is known."""

    raw: bytes
    age: float | None


class _Named(msgspec.Struct):
    lease: str | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """`fields` are the report's but for the network facts and the clock's offset, which are known when it is sent.
    `more`: others waited when this was put together."""

    report_id: str
    measurements: int
    more: bool
    fields: dict[str, msgspec.Raw]

    def body(self, network: Network | None = None, clock_offset: float | None = None) -> bytes:
        now: dict[str, object] = {} if network in {None, Network()} else {"network": network}
        now |= {} if clock_offset is None else {"clock_offset": clock_offset}
        return msgspec.json.encode({**self.fields, **now})

    def report(self) -> Report:
        return msgspec.json.decode(self.body(), type=Report)


def choose(file: SpoolFile, limit: int) -> list[Chosen]:
    """The oldest that belong to no report, as many as may travel together; at least one if there is any."""
    query = (
        "SELECT position, importance, size, length(body) FROM measurements"
        " WHERE report IS NULL AND importance = ? ORDER BY position LIMIT ?"
    )
    ranks = [file.rows(query, (rank, MOST_MEASUREMENTS)) for rank in range(MOST_IMPORTANT + 1)]
    oldest = sorted(Chosen(*row) for rows in ranks for row in rows)[:MOST_MEASUREMENTS]
    packed = decoded = 0
    for count, row in enumerate(oldest):
        packed, decoded = packed + row.packed, decoded + row.size
        if count and (packed > min(_PACKED, limit // 8) or decoded > _DECODED):
            return oldest[:count]
    return oldest


def joined(
    report_id: str, agent: Agent, members: Sequence[Member], leases: Mapping[str, bytes], dropped: int, *, more: bool
) -> Batch:
    fields: dict[str, object] = {"report_id": report_id, "agent": agent}
    fields |= {"dropped": dropped} if dropped else {}
    named = {key for member in members if (key := msgspec.json.decode(member.raw, type=_Named).lease)}
    if held := {key: msgspec.Raw(signed) for key, signed in leases.items() if key in named}:
        fields["leases"] = held
    fields["measurements"] = [msgspec.Raw(_aged(member)) for member in members]
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()}
    return Batch(report_id=report_id, measurements=len(members), more=more, fields=raw)


def _aged(member: Member) -> bytes:
    return member.raw if member.age is None else b'{"age":%.1f,%s' % (member.age, member.raw[1:])
