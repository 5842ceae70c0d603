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
    measurement: Measurement
    verdict: Verdict


async def measure_endpoint(task: Task, context: Context, beat: Beat | None = None) -> Judged:
    """Where every anchor was silent one light attempt is still made: if it works, the network does. On any other
    network that is not fit to measure nothing is sent."""
    void = judge_surroundings(context.surroundings)
    known = context.library.of(task.platform, task.target.url)
    if void is not None:
        context = dataclasses.replace(context, mode="light")
    flow = Flow(task, context, beat)
    if void is None or void[0] is Void.OFFLINE:
        await flow.walk()
    verdict = judge(flow.measurement(), known)
    if verdict.outcome in {Outcome.OK, Outcome.DOWN, Outcome.VOID}:
        return Judged(flow.measurement(), verdict)
    await follow_up(flow)
    measurement = flow.measurement()
    return Judged(measurement, judge(measurement, known))
