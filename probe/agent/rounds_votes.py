"""What a round makes of its measurements: each service's tally once its last endpoint is measured, and what of each
measurement is reported."""

from probe.agent.schedule_layout import Visit
from probe.measure.endpoint import Judged
from probe.verdict.tally import tally_service
from probe.wire.compact import compacted
from probe.wire.reports import Reported
from probe.wire.steps import TlsStep
from probe.wire.verdicts import Tally, Verdict
from probe.wire.vocabulary import Outcome

_MOST_CHAINS = 4096


class Vote:
    """One visit under way. `id` (UUIDv7) is the round's, or its own where a service is tested beside the round: one
    vote is of one round and service. `held`: bytes set aside for it."""

    def __init__(self, id: str, visit: Visit, held: float) -> None:
        self.id, self.visit, self.held = id, visit, held
        self.urgent = False  # somebody waits for it
        self._verdicts: dict[str, Verdict] = {}

    def add(self, url: str, verdict: Verdict) -> Tally | None:
        """The service's tally, once all of the visit's endpoints are there."""
        self._verdicts[url] = verdict
        complete = len(self._verdicts) == len(self.visit.endpoints)
        return tally_service(self.visit.service, self._verdicts) if complete else None


class Wording:
    """How a measurement is put: compact where it is healthy, light and says nothing new. The first of each endpoint and
    of each certificate chain goes whole, so that there is something to compare with."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], Outcome] = {}
        self._chains: dict[str, None] = {}

    def of(self, judged: Judged, vote: Vote, *, lease: str | None, vpn: bool) -> Reported:
        measurement, verdict = judged.measurement, judged.verdict
        key = (vote.visit.key, measurement.endpoint)
        before, self._last[key] = self._last.get(key), verdict.outcome
        known = self._know_chains(judged)
        same = before is verdict.outcome and known and measurement.mode == "light"
        compact = same and verdict.outcome in {Outcome.OK, Outcome.VOID}
        return Reported(
            measurement=compacted(measurement) if compact else measurement,
            verdict=verdict,
            round=vote.id,
            of=len(vote.visit.endpoints),
            lease=lease,
            vpn=vpn,
            retest=vote.visit.retest,
            compact=compact,
        )

    def _know_chains(self, judged: Judged) -> bool:
        """Whether all of its chains had been seen before."""
        steps = judged.measurement.steps
        digests = [step.chain_sha256 for step in steps if isinstance(step, TlsStep) and step.chain_sha256]
        known = all(digest in self._chains for digest in digests)
        self._chains.update(dict.fromkeys(digests))
        while len(self._chains) > _MOST_CHAINS:
            del self._chains[next(iter(self._chains))]
        return known
