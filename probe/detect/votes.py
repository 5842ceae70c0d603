"""What detection reads: one probe's word about one service in one round, and its word about its own network."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from probe.wire.vocabulary import Outcome

# The mend of equal moments: of two votes of one probe at one time the milder is kept, whatever came first.
_MILDER = (Outcome.OK, Outcome.DEGRADED, Outcome.DOWN, Outcome.PARTIAL, Outcome.BLOCKED)
_RANK: dict[str, int] = {word: rank for rank, word in enumerate(_MILDER)}
_STOPPED = frozenset({Outcome.BLOCKED, Outcome.PARTIAL})
VOTING = frozenset({Outcome.OK, Outcome.BLOCKED, Outcome.PARTIAL, Outcome.DEGRADED, Outcome.DOWN})
FAILED = VOTING - {Outcome.OK}
REACHABILITY, SPEED, CONTROL, NETWORK = "reachability", "speed", "control", "network"
OUTAGE, VOIDS = "outage", "voids"  # the two cells of a network: it carries nothing, its probes cannot measure
_CUT = frozenset({"offline", "international-cut"})


class Cell(NamedTuple):
    """What a restriction is of. `aspect` keeps throttling apart from blocking, and what
    controls saw apart from both; `operator` marks the network of a
    resolver outside the probe's own, whose lies are shown and never raised."""

    country: str
    asn: int
    platform: str
    service: str
    aspect: str = REACHABILITY
    operator: bool = False


class Vote(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One outcome of one service. `time` in seconds since 1970 (UTC), of the measurement, not of its arrival.

    `witness` is the steward whom the probe's invitation names, the probe itself where none is known. `handshake`
    (seconds) and `goodput` (bytes a second) are of this service, `usual` the median of the same figure over the
    round's other services of that probe (see `probe.detect.speed.beside_others`). `confirms` is false where only
    support may be taken from it: no lease held, or the location is only claimed.
    """

    time: float
    country: str
    asn: int
    platform: str
    service: str
    probe: str
    outcome: Outcome
    technique: str = ""
    witness: str = ""
    role: Literal["probe", "control"] = "probe"
    handshake: float | None = None
    goodput: float | None = None
    usual: float | None = None
    round: str = ""
    retest: bool = False
    confirms: bool = True
    resolver_asn: int | None = None

    @property
    def steward(self) -> str:
        return self.witness or self.probe


class VoteName(NamedTuple):
    """What stays the same of a vote when it comes again with more of its round: not its time, not its cell."""

    probe: str
    round: str
    platform: str
    service: str


class Presence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A check-in, or a round: `void` names why its network was not fit to measure, empty where it was."""

    time: float
    country: str
    asn: int
    probe: str
    witness: str = ""
    void: str = ""

    @property
    def steward(self) -> str:
        return self.witness or self.probe


def votes_on_network(presence: Presence) -> Iterator[tuple[Cell, Vote]]:
    """What a round, or a check-in, says of the network itself, as votes like any other."""
    for service, bad in ((OUTAGE, presence.void in _CUT), (VOIDS, bool(presence.void) and presence.void not in _CUT)):
        vote = Vote(
            time=presence.time,
            country=presence.country,
            asn=presence.asn,
            platform="",
            service=service,
            probe=presence.probe,
            witness=presence.witness,
            outcome=Outcome.BLOCKED if bad else Outcome.OK,
            technique=presence.void if bad else "",
        )
        yield Cell(presence.country, presence.asn, "", service, NETWORK), vote


Order = tuple[float, str, bool, int, str, str]


def order(vote: Vote) -> Order:
    """Where the vote stands in its cell's history, whenever it arrived."""
    return (vote.time, vote.probe, vote.retest, _RANK.get(vote.outcome, 9), vote.technique, vote.round)


def name_of(vote: Vote) -> VoteName:
    return VoteName(vote.probe, vote.round, vote.platform, vote.service)


def cells_of(vote: Vote) -> tuple[Cell, ...]:
    """The cells that the vote speaks in: whether it is reached, and, where figures were taken, how fast."""
    if vote.role == "control":
        return (Cell(vote.country, vote.asn, vote.platform, vote.service, CONTROL),)
    operator = vote.resolver_asn
    if operator is not None and operator != vote.asn and vote.outcome in _STOPPED and vote.technique.startswith("dns-"):
        return (Cell(vote.country, operator, vote.platform, vote.service, REACHABILITY, True),)
    cell = Cell(vote.country, vote.asn, vote.platform, vote.service)
    if vote.usual is not None and vote.outcome not in _STOPPED:
        return cell, Cell(vote.country, vote.asn, vote.platform, vote.service, SPEED)
    return (cell,)
