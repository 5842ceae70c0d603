"""How long the connection of an ordinary user took, hop by hop, out of a measurement's records.

A measurement does more than a user's browser would: it waits for forged replies after the first one, asks resolvers
that nobody can tamper with, tries an innocuous name first. None of that is counted here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from probe.verdict.seen import Hop, hops
from probe.wire.measurement import Measurement
from probe.wire.steps import AnyStep, DnsStep, HttpStep, TcpStep, TlsStep
from probe.wire.vocabulary import Purpose

_FIRST_TRY = (Purpose.TARGET, Purpose.OTHER_ADDRESS)
_ENDS = {"dns": DnsStep, "tcp": TcpStep, "tls": TlsStep, "https": HttpStep, "http": HttpStep}


@dataclass(frozen=True)
class Leg:
    """One host of the path. `lookup` is in seconds; the steps are those that a user's own connection would take, the
    last of them the one that failed."""

    scheme: str
    lookup: float | None
    resolved: bool
    tcp: TcpStep | None
    tls: TlsStep | None
    page: HttpStep | None

    @property
    def steps(self) -> tuple[AnyStep, ...]:
        return tuple(step for step in (self.tcp, self.tls, self.page) if step is not None)

    @property
    def duration(self) -> float:
        return (self.lookup or 0.0) + sum(took(step) for step in self.steps)

    @property
    def ended(self) -> bool:
        """Whether nothing more was to come: a step failed, or the last one that the scheme has was taken."""
        if any(step.failure for step in self.steps) or (self.lookup is not None and not self.resolved):
            return True
        kind = _ENDS.get(self.scheme)
        return self.lookup is not None if kind is DnsStep else any(isinstance(step, kind or ()) for step in self.steps)


def took(step: AnyStep) -> float:
    """Seconds until a user has the step's result: a resolver's first reply is one."""
    if not isinstance(step, DnsStep):
        return step.t - step.t0
    replies = [reply for reply in step.replies if reply.matches and reply.malformed is None]
    if not replies:
        return step.t - step.t0
    used = replies[-1] if step.transport == "tcp" else replies[0]
    return max(0.0, used.t - step.t0)


def legs(measurement: Measurement) -> tuple[Leg, ...]:
    return tuple(_leg(hop) for hop in hops(measurement))


def _leg(hop: Hop) -> Leg:
    questions = hop.queries(Purpose.TARGET)
    tls = next((step for step in hop.tls if step.purpose is Purpose.TARGET), None)
    page = next((step for step in hop.http if step.purpose is Purpose.TARGET), None)
    return Leg(
        scheme=hop.scheme,
        lookup=sum(_rounds(questions)) if questions else None,
        resolved=any(step.answers for step in questions),
        tcp=_connection(hop, tls or page),
        tls=tls,
        page=page,
    )


def _rounds(questions: list[DnsStep]) -> Iterator[float]:
    """A stub asks for A and AAAA side by side and waits for both, then turns to the next resolver."""
    for resolver in dict.fromkeys(step.resolver for step in questions):
        yield max(took(step) for step in questions if step.resolver == resolver)


def _connection(hop: Hop, then: TlsStep | HttpStep | None) -> TcpStep | None:
    """The connect that what came `then` went over, or the first that accepted, or the first that did not."""
    tried = [step for step in hop.tcp if step.purpose in _FIRST_TRY and step.port == hop.port]
    if then is not None:
        tried = [step for step in tried if step.address == then.address and step.t <= then.t0][-1:]
    accepted = [step for step in tried if step.failure is None]
    return next(iter(accepted or tried), None)
