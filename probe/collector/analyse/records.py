"""What analysis makes of the log, before it is rows."""

import msgspec

from probe.wire.vocabulary import Outcome

MOST_IN_REPORT = 512  # places in a report, a power of two above what one may hold


class CellKey(msgspec.Struct, frozen=True):
    """`country` is empty and `asn` 0 where unknown. `scope` is `resolver` for the cell of a resolver's operator, which
    is shown and never raised; else empty."""

    country: str
    asn: int
    platform: str
    service: str
    scope: str = ""


class Judged(msgspec.Struct, frozen=True):
    """One measurement as the collector judges it. `own` is the probe's verdict where it was another one;
    `expectations` the version that was known, by its number; times in ms, durations in seconds."""

    seq: int  # position in the log and place in the report: see `sequence`
    at: int
    cell: CellKey
    probe: int
    endpoint: str
    outcome: Outcome
    confidence: float
    techniques: str
    rule: str
    scope: str
    marks: int
    own: str | None
    expectations: int | None
    rules: str


class Part(msgspec.Struct, frozen=True, array_like=True):
    """What one endpoint adds to the vote on its service."""

    endpoint: str
    outcome: Outcome
    techniques: str
    confidence: float
    scope: str
    at: int
    began: int
    handshake: float | None = None
    goodput: float | None = None
    suspended: bool = False
    void: str | None = None


def sequence(position: int, place: int) -> int:
    """The number of a measurement, which tells where in the log its full record is."""
    return position * MOST_IN_REPORT + place


def located(seq: int) -> tuple[int, int]:
    """Position in the log, place in the report."""
    return divmod(seq, MOST_IN_REPORT)
