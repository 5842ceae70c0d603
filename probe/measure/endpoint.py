"""One endpoint: the straight line, a look at what it gave, and the follow-ups where that is not well."""

import dataclasses
from dataclasses import dataclass

from probe.measure.context import Context
from probe.measure.flow import Flow
from probe.measure.followups import follow_up
from probe.measure.pace import Beat
from probe.measure.task import Task
from probe.verdict.judge import judge
from probe.verdict.surroundings import judge_surroundings
from probe.wire.measurement import Measurement
from probe.wire.verdicts import Verdict
from probe.wire.vocabulary import Outcome, Void


@dataclass(frozen=True)
class Judged:
    """`cost`: bytes on the wire, shared connections to trusted resolvers charged to whoever opened them."""

    measurement: Measurement
    verdict: Verdict
    cost: int = 0


async def measure_endpoint(task: Task, context: Context, beat: Beat | None = None) -> Judged:
    """Where every anchor was silent one light attempt is still made: if it works, the network does. On any other
    network that is not fit to measure nothing is sent."""
    return await carried_out(begun(task, context, beat))


def begun(task: Task, context: Context, beat: Beat | None = None) -> Flow:
    """The measurement, of which nothing has been done yet: for whoever may have to end it early."""
    fit = judge_surroundings(context.surroundings) is None
    return Flow(task, context if fit else dataclasses.replace(context, mode="light"), beat)


async def carried_out(flow: Flow) -> Judged:
    void = judge_surroundings(flow.context.surroundings)
    if void is None or void[0] is Void.OFFLINE:
        await flow.walk()
    judged = so_far(flow)
    if judged.verdict.outcome in {Outcome.OK, Outcome.DOWN, Outcome.VOID}:
        return judged
    await follow_up(flow)
    return so_far(flow)


def so_far(flow: Flow) -> Judged:
    """What the steps taken until now tell."""
    measurement = flow.measurement()
    known = flow.context.library.of(flow.task.platform, flow.task.target.url)
    return Judged(measurement, judge(measurement, known), flow.take.trace.traffic.total)
