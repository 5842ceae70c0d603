"""How much a technique says beside the failure itself: one table, a reason a row.

A failure's weight is `ln P(failure | restricted) / P(failure | normal)`; given a failure, its class adds
`ln restricted_share / normal_share`. The normal column is what false failures on healthy networks look like. It is only
where a cell starts: the cell's own false failures replace it as they come (`Baseline.bonus`), and `normal_shares`
makes the column anew from control series, which fail falsely or not at all.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from probe.detect.votes import Vote


class Row(NamedTuple):
    name: str
    normal: float
    restricted: float
    techniques: tuple[str, ...]
    why: str


TABLE = (
    Row(
        "silence",
        0.40,
        0.40,
        ("dns-timeout", "ip-drop", "tls-drop", "http-drop", "http-cutoff", "quic-drop"),
        "loss, sleep and full tables are silent too: as common among false failures as among blocks",
    ),
    Row(
        "broken-off",
        0.20,
        0.12,
        ("ip-reset", "ip-unreachable", "tls-reset", "tls-close", "http-reset", "http-close"),
        "overloaded servers and home routers reset and close; without a name test it says little",
    ),
    Row(
        "by-name",
        0.085,
        0.18,
        ("sni-drop", "sni-reset", "sni-close"),
        "another name to the same address passed: a fault of the network rarely chooses by name",
    ),
    Row(
        "dns-lie",
        0.085,
        0.18,
        ("dns-forged", "dns-nxdomain", "dns-no-answer"),
        "resolvers seldom err in this way, but filters of a household's own choice do it on purpose",
    ),
    Row(
        "dns-error",
        0.18,
        0.05,
        ("dns-refused", "dns-servfail"),
        "a resolver in trouble says so of many names",
    ),
    Row(
        "interception",
        0.047,
        0.03,
        ("tls-interception",),
        "antivirus software and companies forge every certificate: never decisive",
    ),
    Row(
        "notice",
        0.003,
        0.04,
        ("http-blockpage",),
        "a notice hardly ever comes from a fault",
    ),
)
UNKNOWN = len(TABLE)  # the class of a failure whose technique is not told: no bonus
CLASSES = UNKNOWN + 1
_CLASS_OF = {technique: number for number, row in enumerate(TABLE) for technique in row.techniques}
NORMAL = tuple(row.normal for row in TABLE)
RESTRICTED = tuple(row.restricted for row in TABLE)


def class_of(technique: str) -> int:
    return _CLASS_OF.get(technique, UNKNOWN)


def class_name(number: int) -> str:
    return "unknown" if number == UNKNOWN else TABLE[number].name


def normal_shares(series: Iterable[Vote], weight: float = 50.0) -> Mapping[str, float]:
    """The normal column, estimated again from votes of controls: a Dirichlet posterior with the table as its prior."""
    counts = Counter(class_of(vote.technique) for vote in series if vote.outcome in {"blocked", "partial"})
    seen = sum(count for number, count in counts.items() if number != UNKNOWN)
    return {row.name: (weight * row.normal + counts[n]) / (weight + seen) for n, row in enumerate(TABLE)}
