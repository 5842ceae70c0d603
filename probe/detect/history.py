"""All at once: from saved votes to restrictions and incidents."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from probe.detect.detector import Detector
from probe.detect.records import Incident, Restriction
from probe.detect.settings import DAY, MINUTE, Settings
from probe.detect.speed import beside_others
from probe.detect.votes import Presence, Vote, order

_ROUND = 5 * MINUTE


class Past(NamedTuple):
    restrictions: list[Restriction]
    incidents: list[Incident]


def history(votes: Iterable[Vote], settings: Settings, voids: Iterable[Presence] = ()) -> Past:
    """What a detector says that has seen all of it, in whatever order it is given. Votes count as check-ins."""
    detector = Detector(settings, durable=False)
    ordered = sorted(beside_others(votes), key=order)
    void = list(voids)
    facts: list[tuple[float, Vote | Presence]] = [(fact.time, fact) for fact in (*void, *checked_in(ordered))]
    facts += [(vote.time, vote) for vote in ordered]
    facts.sort(key=lambda fact: fact[0])
    day = facts[0][0] // DAY if facts else 0.0
    for time, fact in facts:
        if time // DAY != day:
            detector.tick(time)
            day = time // DAY
        if isinstance(fact, Vote):
            detector.add(fact)
        else:
            detector.attend(fact, of_network=bool(void))
    if facts:
        detector.tick(facts[-1][0])
    restrictions = sorted(detector.restrictions, key=lambda record: (record.starts, record.cell))
    return Past(restrictions, sorted(detector.incidents, key=lambda incident: (incident.onset, incident.id)))


def checked_in(votes: Iterable[Vote]) -> Iterator[Presence]:
    """A probe that votes is there, and its network carries: once in five minutes at most."""
    last: dict[tuple[str, str, int], float] = {}
    for vote in votes:
        key = (vote.probe, vote.country, vote.asn)
        if vote.time // _ROUND != last.get(key):
            last[key] = vote.time // _ROUND
            yield Presence(time=vote.time, country=vote.country, asn=vote.asn, probe=vote.probe, witness=vote.witness)


def shown(past: Past, dismissed: bool = False) -> Iterator[Restriction | Incident]:
    """What is of interest to people: restrictions, then incidents; what came to nothing only where it is asked for."""
    for record in past.restrictions:
        if record.event in {"restriction", "throttling"} and (dismissed or record.state != "dismissed"):
            yield record
    for gathered in past.incidents:
        if dismissed or gathered.state != "dismissed":
            yield gathered
