"""From endpoints to services to platforms.

Alternatives (two ports of one host) count as one and fail only together. A service is blocked when the share of its
tested groups that the catalogue names is blocked, partial when fewer are; a platform when all its services are.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from probe.catalogue.model import Endpoint, Platform, Service
from probe.wire.verdicts import Tally, Verdict
from probe.wire.vocabulary import CONNECTION_ORDER, Outcome, Technique

_REACHED = frozenset({Outcome.OK, Outcome.DEGRADED})
_DECIDED = frozenset({Outcome.OK, Outcome.BLOCKED, Outcome.DEGRADED})
_DOUBT = 0.25  # a larger share of groups that failed for unknown reasons leaves no "ok"
_APART = frozenset({"quic"})  # a browser falls back to TCP: told, but not the service's outcome


def tally_service(service: Service, verdicts: Mapping[str, Verdict]) -> Tally | None:
    """The service's outcome from its endpoints' verdicts by URL; None where none was tested."""
    tested = [endpoint for endpoint in service.endpoints if endpoint.url in verdicts]
    if not tested:
        return None
    counted = [endpoint for endpoint in tested if endpoint.target.scheme not in _APART] or tested
    units = Counter(group_outcome([verdicts[endpoint.url] for endpoint in group]) for group in _groups(counted))
    judged = [verdicts[endpoint.url] for endpoint in tested]
    outcome = service_outcome(units, service.blocked_share)
    return _tally(tested[0].platform, service.id, outcome, judged)


def _groups(endpoints: Sequence[Endpoint]) -> list[list[Endpoint]]:
    groups: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        groups.setdefault(endpoint.group or endpoint.url, []).append(endpoint)
    return list(groups.values())


def group_outcome(verdicts: Sequence[Verdict]) -> Outcome:
    """The best of alternatives; where none works, what is known to be blocked outweighs what is not known."""
    outcomes = {verdict.outcome for verdict in verdicts}
    order = (Outcome.OK, Outcome.DEGRADED, Outcome.BLOCKED, Outcome.DOWN, Outcome.INCONCLUSIVE, Outcome.VOID)
    return next(outcome for outcome in order if outcome in outcomes)


def service_outcome(units: Counter[Outcome], blocked_share: float) -> Outcome:
    decided = sum(units[outcome] for outcome in _DECIDED)
    blocked = units[Outcome.BLOCKED]
    if blocked:
        whole = blocked >= blocked_share * decided and blocked >= units[Outcome.INCONCLUSIVE]
        return Outcome.BLOCKED if whole else Outcome.PARTIAL
    if units[Outcome.DEGRADED]:
        return Outcome.DEGRADED
    if units[Outcome.INCONCLUSIVE] > _DOUBT * (units[Outcome.OK] + units[Outcome.INCONCLUSIVE]):
        return Outcome.INCONCLUSIVE
    return next(
        o for o in (Outcome.OK, Outcome.INCONCLUSIVE, Outcome.DOWN, Outcome.VOID) if units[o] or o is Outcome.VOID
    )


def tally_platform(platform: Platform, services: Sequence[Tally], verdicts: Iterable[Verdict]) -> Tally:
    """The platform's outcome from its services' tallies."""
    outcomes = Counter(tally.outcome for tally in services)
    return _tally(platform.id, None, platform_outcome(outcomes), list(verdicts))


def platform_outcome(outcomes: Counter[Outcome]) -> Outcome:
    """A service that is down for everybody says nothing about the others; one that is undecided leaves no `ok`."""
    affected = outcomes[Outcome.BLOCKED] + outcomes[Outcome.PARTIAL]
    reached = sum(outcomes[outcome] for outcome in _REACHED)
    if affected:
        whole = (
            not outcomes[Outcome.PARTIAL]
            and not reached
            and outcomes[Outcome.BLOCKED] >= outcomes[Outcome.INCONCLUSIVE]
        )
        return Outcome.BLOCKED if whole else Outcome.PARTIAL
    order = (Outcome.DEGRADED, Outcome.INCONCLUSIVE, Outcome.OK, Outcome.DOWN, Outcome.VOID)
    return next((outcome for outcome in order if outcomes[outcome]), Outcome.VOID)


def _tally(platform: str, service: str | None, outcome: Outcome, verdicts: Sequence[Verdict]) -> Tally:
    counts = Counter(verdict.outcome for verdict in verdicts)
    stopped = [verdict for verdict in verdicts if verdict.outcome in {Outcome.BLOCKED, Outcome.DEGRADED}]
    affected = outcome in {Outcome.BLOCKED, Outcome.PARTIAL, Outcome.DEGRADED}
    deciding = stopped if affected else [verdict for verdict in verdicts if verdict.outcome is outcome]
    return Tally(
        platform=platform,
        service=service,
        outcome=outcome,
        techniques=_commonest_first(stopped) if affected else (),
        confidence=round(max((verdict.confidence for verdict in deciding), default=0.0), 3),
        endpoints={str(outcome): counts[outcome] for outcome in Outcome if counts[outcome]},
    )


def _commonest_first(verdicts: Sequence[Verdict]) -> tuple[Technique, ...]:
    counts = Counter(technique for verdict in verdicts for technique in verdict.techniques)
    return tuple(sorted(counts, key=lambda technique: (-counts[technique], CONNECTION_ORDER[technique])))
