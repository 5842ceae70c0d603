"""A report put together of measurements as they lie in the spool: JSON joined to JSON, nothing decoded, and never whole
in memory: each measurement is unpacked when its turn to be sent comes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from probe.agent.spool_file import SpoolFile
from probe.agent.spool_packing import MOST_IMPORTANT, Packing
from probe.wire.measurement import Network
from probe.wire.reports import MOST_MEASUREMENTS, Agent, Report

_PACKED = 256 << 10  # bytes as the spool packs them: compressed together they take less; a poor uplink takes that
_DECODED = 2 << 20  # bytes of JSON, a quarter of what a collector takes
_CLOSING = b"]}"


class Chosen(NamedTuple):
    position: int
    importance: int
    size: int
    packed: int


class Member(NamedTuple):
    """As the spool holds it; `size` is its JSON's, which begins with `opening`; the lease that it names."""

    body: bytes
    packing: Packing
    opening: bytes
    size: int
    lease: str | None

    @classmethod
    def of(cls, body: bytes, packing: Packing, age: float | None) -> "Member":
        """`age` in seconds, where that is known. Raises Damaged where it cannot be unpacked."""
        raw = packing.unpacked(body)
        opening = b"{" if age is None else b'{"age":%.1f,' % age
        return cls(body, packing, opening, len(opening) + len(raw) - 1, _lease_of(raw))

    def json(self) -> bytes:
        return self.opening + self.packing.unpacked(self.body)[1:]


class Body(NamedTuple):
    """A report's JSON, in bytes and a measurement at a time."""

    size: int
    pieces: Iterator[bytes]


class _Named(msgspec.Struct):
    lease: str | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """`head` is the report's fields but for the measurements, and for the network facts and the clock's offset, which
    are known when it is sent. `more`: others waited when this was put together."""

    report_id: str
    more: bool
    head: dict[str, msgspec.Raw]
    members: tuple[Member, ...]

    @property
    def measurements(self) -> int:
        return len(self.members)

    def body(self, network: Network | None = None, clock_offset: float | None = None) -> Body:
        now: dict[str, object] = {} if network in {None, Network()} else {"network": network}
        now |= {} if clock_offset is None else {"clock_offset": clock_offset}
        opening = msgspec.json.encode({**self.head, **now})[:-1] + b',"measurements":['
        commas = max(0, len(self.members) - 1)
        size = len(opening) + sum(member.size for member in self.members) + commas + len(_CLOSING)
        return Body(size, self._pieces(opening))

    def _pieces(self, opening: bytes) -> Iterator[bytes]:
        yield opening
        for number, member in enumerate(self.members):
            yield b"," + member.json() if number else member.json()
        yield _CLOSING

    def report(self) -> Report:
        return msgspec.json.decode(b"".join(self.body().pieces), type=Report)


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
    named = {member.lease for member in members}
    if held := {key: msgspec.Raw(signed) for key, signed in leases.items() if key in named}:
        fields["leases"] = held
    head = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()}
    return Batch(report_id=report_id, more=more, head=head, members=tuple(members))


def _lease_of(raw: bytes) -> str | None:
    return msgspec.json.decode(raw, type=_Named).lease
