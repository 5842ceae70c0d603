"""Judging a saved measurement of OONI's, which may hold many endpoints, as one thing."""

from collections import Counter
from collections.abc import Sequence

from probe.verdict.findings import RULES
from probe.verdict.judge import judge
from probe.verdict.known import Library
from probe.verdict.tally import group_outcome, platform_outcome, service_outcome
from probe.wire.ooni_in import OoniMeasurement, OoniPart
from probe.wire.verdicts import Evidence, Verdict
from probe.wire.vocabulary import CONNECTION_ORDER, Outcome

_STOPPED = frozenset({Outcome.BLOCKED, Outcome.PARTIAL, Outcome.DEGRADED})


def judge_ooni(saved: OoniMeasurement, library: Library) -> Verdict:
    """One verdict for the whole document: the endpoint's own, or the sum over the test's services."""
    judged = [(part, _judge(part, library)) for part in saved.parts]
    if len(judged) == 1:
        return judged[0][1]
    services: dict[str, list[tuple[OoniPart, Verdict]]] = {}
    for part, verdict in judged:
        services.setdefault(part.measurement.service or "", []).append((part, verdict))
    outcomes = {name: _service(pairs) for name, pairs in services.items()}
    return _sum(outcomes, [verdict for _, verdict in judged])


def _judge(part: OoniPart, library: Library) -> Verdict:
    measurement = part.measurement
    return judge(measurement, library.of(measurement.platform, measurement.endpoint, part.expectation))


def _service(pairs: Sequence[tuple[OoniPart, Verdict]]) -> Outcome:
    groups: dict[str, list[Verdict]] = {}
    for part, verdict in pairs:
        groups.setdefault(part.group or part.measurement.endpoint, []).append(verdict)
    return service_outcome(Counter(group_outcome(verdicts) for verdicts in groups.values()), 1.0)


def _sum(outcomes: dict[str, Outcome], verdicts: Sequence[Verdict]) -> Verdict:
    outcome = platform_outcome(Counter(outcomes.values()))
    stopped = [verdict for verdict in verdicts if verdict.outcome in _STOPPED]
    deciding = stopped if outcome in _STOPPED else [verdict for verdict in verdicts if verdict.outcome is outcome]
    techniques = (
        {technique for verdict in stopped for technique in verdict.techniques} if outcome in _STOPPED else set()
    )
    told = [Evidence(rule="service", text=f"{name or 'test'}: {outcome}") for name, outcome in outcomes.items()]
    return Verdict(
        outcome=outcome,
        techniques=tuple(sorted(techniques, key=lambda technique: CONNECTION_ORDER[technique])),
        injected=any(verdict.injected for verdict in stopped),
        confidence=max((verdict.confidence for verdict in deciding), default=0.0),
        evidence=(*told, *(evidence for verdict in deciding[:3] for evidence in verdict.evidence)),
        rules=RULES,
    )
