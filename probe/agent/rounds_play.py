"""One round: every turn at its time, and beside the turns whatever is wanted at once."""

import dataclasses
import gc
from collections.abc import Awaitable, Callable

import trio

from probe.agent.budget import Budget
from probe.agent.identity import Identified
from probe.agent.rounds_look import Look
from probe.agent.rounds_votes import Vote, Wording
from probe.agent.schedule import Plan, Planner
from probe.agent.schedule_layout import Visit
from probe.catalogue.model import Catalogue, Endpoint
from probe.clock import Clock
from probe.measure.endpoint import Judged, measure_endpoint
from probe.measure.task import Task
from probe.wire.identifiers import uuid7
from probe.wire.reports import Reported
from probe.wire.verdicts import Tally
from probe.wire.vocabulary import Outcome

_APART = 0.25  # seconds between the endpoints of a service that is wanted at once
_FAILING = 40_000.0  # bytes that an endpoint costs deeply where its service fails: follow-ups, but hardly a page
_TIDY_EVERY = 8  # measurements: TLS connections are cycles of some hundred kB, see `probe.measure.round`
_FINE = frozenset({Outcome.OK, Outcome.DOWN, Outcome.VOID})


@dataclasses.dataclass(frozen=True)
class Tools:
    """What rounds need of the daemon. `still` is asked at the end of a measurement whether it may carry what `identity`
    said at its beginning. `keep` returns once it is durable; it is told whether that is urgent news."""

    clock: Clock
    budget: Budget
    identity: Callable[[], Identified]
    still: Callable[[Identified], Identified]
    keep: Callable[[Reported, bool], Awaitable[None]]
    measured: Callable[[Judged], None]
    concluded: Callable[[Tally], None]
    wording: Wording = dataclasses.field(default_factory=Wording)


class Play:
    """`wanted` are visits beside the plan, served until `stop`; `want` asks for one more of them."""

    def __init__(
        self,
        tools: Tools,
        planner: Planner,
        catalogue: Catalogue,
        look: Look,
        *,
        wanted: trio.MemoryReceiveChannel[Visit],
        want: Callable[[Visit], bool],
    ) -> None:
        self._tools, self._planner, self._catalogue = tools, planner, catalogue
        self.look, self._wanted, self._want = look, wanted, want
        self._clock, self._budget = tools.clock, tools.budget
        self._votes: dict[int, Vote | None] = {}
        self._open: set[Vote] = set()
        self._looked_deeply: set[str] = set()
        self._serving, self._starting = trio.CancelScope(), trio.Lock()
        self.measured = self.spent = 0  # endpoints, and bytes

    # --- the plan ---

    async def turns(self, plan: Plan, began: float) -> None:
        """Returns when the last of them has ended."""
        round_id = uuid7(self._clock.now())
        async with trio.open_nursery() as nursery:
            for turn in plan.turns:
                await self._clock.sleep(began + turn.at - self._clock.monotonic())
                vote = self._vote_on(turn.visit, round_id)
                if vote is not None:
                    nursery.start_soon(self._measure, turn.endpoint, vote)

    def _vote_on(self, visit: Visit, round_id: str) -> Vote | None:
        """Begun with its first endpoint; None where the budget has no room for all of them."""
        if id(visit) not in self._votes:
            cost = self._planner.costs.of_all(visit.endpoints, visit.mode)
            self._votes[id(visit)] = self._begun(round_id, visit, cost)
        return self._votes[id(visit)]

    def _begun(self, id: str, visit: Visit, cost: float) -> Vote | None:
        if not self._budget.hold(cost):
            return None
        vote = Vote(id, visit, cost)
        self._open.add(vote)
        return vote

    # --- what is wanted at once ---

    async def serve(self) -> None:
        """Deep visits; ends, once told to `stop`, when the last that was begun has ended."""
        async with trio.open_nursery() as nursery:
            with self._serving:
                async for visit in self._wanted:
                    nursery.start_soon(self._visit, visit, nursery)

    def stop(self) -> None:
        self._serving.cancel()

    async def _visit(self, visit: Visit, nursery: trio.Nursery) -> None:
        """Its endpoints one after the other, and only then the next one's."""
        async with self._starting:
            if visit.until is not None and visit.until < self._clock.now():
                return
            vote = self._begun(uuid7(self._clock.now()), visit, self._dear(visit))
            if vote is None:
                return
            vote.urgent = True
            for endpoint in visit.endpoints:
                nursery.start_soon(self._measure, endpoint, vote)
                await trio.sleep(_APART)

    def _dear(self, visit: Visit) -> float:
        failing = self._planner.memory.of(visit.key).failing
        cost = self._planner.costs.of_all(visit.endpoints, visit.mode)
        return min(cost, _FAILING * len(visit.endpoints)) if failing else cost

    # --- one measurement ---

    async def _measure(self, endpoint: Endpoint, vote: Vote) -> None:
        identified = self._tools.identity()
        network, mode = identified.network, vote.visit.mode
        context = dataclasses.replace(self.look.context, mode=mode, small=False, network=network)
        task = Task.of(endpoint, self._catalogue)
        judged = await context.pace.run(lambda beat: measure_endpoint(task, context, beat))
        self._planner.costs.learn(endpoint, mode, judged.cost)
        self._tidy(judged.cost)
        worked = not self._planner.memory.of(vote.visit.key).failing
        if worked and judged.verdict.outcome not in _FINE:
            judged = await self.look.again(judged)
        still = self._tools.still(identified)
        reported = self._tools.wording.of(judged, vote, lease=still.lease, vpn=still.vpn)
        news = worked and judged.verdict.outcome not in _FINE
        await self._tools.keep(reported, news or vote.urgent)
        self._tools.measured(judged)
        tally = vote.add(endpoint.url, judged.verdict)
        if tally is not None:
            self._conclude(vote, tally)

    def _conclude(self, vote: Vote, tally: Tally) -> None:
        self._release(vote)
        memory, key, now = self._planner.memory, vote.visit.key, self._clock.now()
        self._planner.done(vote.visit, memory.round, now)
        before = memory.of(key)
        after = memory.services[key] = before.after(tally, now)
        self._tools.concluded(tally)
        news = before.outcome is not None and after.outcome is not before.outcome
        if news and vote.visit.mode != "deep" and key not in self._looked_deeply:
            self._looked_deeply.add(key)
            whole = self._planner.whole(key)
            _ = whole is not None and self._want(whole)

    def _tidy(self, cost: int) -> None:
        self.measured += 1
        self.spent += cost
        if self.measured % _TIDY_EVERY == 0:
            gc.collect()

    # --- the end ---

    def close(self) -> None:
        """Whatever was cut short needs its part of the budget no more."""
        for vote in tuple(self._open):
            self._release(vote)

    def _release(self, vote: Vote) -> None:
        self._open.discard(vote)
        self._budget.release(vote.held)
        vote.held = 0.0
