"""From the parts of one service in one round to its outcome. Pure."""

import statistics
from collections import Counter
from collections.abc import Collection, Mapping

import msgspec

from probe.catalogue.model import Service
from probe.collector.analyse.records import Part
from probe.verdict.tally import group_outcome, service_outcome, tally_service
from probe.wire.verdicts import Verdict
from probe.wire.vocabulary import CONNECTION_ORDER, Outcome, Technique

AFFECTED = frozenset({Outcome.BLOCKED, Outcome.PARTIAL, Outcome.DEGRADED})
_STOPPED = frozenset({Outcome.BLOCKED, Outcome.DEGRADED})


class Tallied(msgspec.Struct, frozen=True):
    """`scope` is `resolver` or `opt-in` where everything that is blocked is so by such a one."""

    outcome: Outcome
    techniques: str = ""
    confidence: float = 0.0
    scope: str = ""
    handshake: float | None = None  # median of the endpoints', seconds
    goodput: float | None = None  # the best, bytes a second
    void: str | None = None


def tallied(service: Service | None, parts: Mapping[str, Part]) -> Tallied:
    """Endpoints that no control reaches do not count. `service` is None where the catalogue knows none such: then it
    is blocked when all of it is."""
    counting = {url: part for url, part in parts.items() if not part.suspended}
    if not counting:
        return Tallied(Outcome.INCONCLUSIVE)
    listed = counting.values()
    outcome = _outcome(service, counting)
    deciding = [part for part in listed if part.outcome in _STOPPED] if outcome in AFFECTED else []
    sure = [part.confidence for part in deciding or listed if outcome in AFFECTED or part.outcome is outcome]
    return Tallied(
        outcome=outcome,
        techniques=_commonest_first(deciding),
        confidence=max(sure, default=0.0),
        scope=_scope(deciding),
        handshake=_median([part.handshake for part in listed]),
        goodput=max((part.goodput for part in listed if part.goodput), default=None),
        void=next((part.void for part in listed if part.void), None) if outcome is Outcome.VOID else None,
    )


def _outcome(service: Service | None, counting: Mapping[str, Part]) -> Outcome:
    outcomes = {part.outcome for part in counting.values()}
    if len(outcomes) == 1 and outcomes <= {Outcome.OK, Outcome.VOID}:
        return outcomes.pop()
    verdicts = {url: _verdict(part) for url, part in counting.items()}
    tally = tally_service(service, verdicts) if service else None
    if tally is not None:
        return tally.outcome
    return service_outcome(Counter(group_outcome([verdict]) for verdict in verdicts.values()), 1.0)


def _verdict(part: Part) -> Verdict:
    names = part.techniques.split(" ") if part.techniques else []
    return Verdict(outcome=part.outcome, techniques=tuple(map(Technique, names)), confidence=part.confidence)


def _commonest_first(deciding: Collection[Part]) -> str:
    counts = Counter(name for part in deciding for name in part.techniques.split())
    return " ".join(sorted(counts, key=lambda name: (-counts[name], CONNECTION_ORDER[name])))


def _scope(deciding: Collection[Part]) -> str:
    scopes = {part.scope for part in deciding}
    if not scopes or "" in scopes:
        return ""
    return "resolver" if "resolver" in scopes else scopes.pop()


def _median(values: Collection[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
