"""An exporter in a process of its own, for a namespace of the lab: CATALOGUE CA_FILE LISTEN. One round is measured,
so that `/metrics` has something to tell."""

import datetime as dt
import sys
from pathlib import Path

import trio

from probe import __version__
from probe.agent.exporter.exporter import Exporter, listening
from probe.agent.state import AgentState, RoundState, ServiceState
from probe.catalogue.loader import load_catalogue
from probe.catalogue.model import Catalogue
from probe.clock import SystemClock
from probe.measure.prepare import Wishes, prepared
from probe.measure.round import measuring
from probe.measure.task import Task
from probe.verdict.known import Library
from probe.verdict.tally import tally_service
from probe.wire.verdicts import Tally, Verdict


class Agent:
    """What the daemon would tell, of one round."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.clock = SystemClock()
        self.began = self.clock.now()
        self.verdicts: dict[str, Verdict] = {}
        self.round = RoundState()

    def state(self) -> AgentState:
        services = (service for platform in self.catalogue.platforms for service in platform.services)
        tallies = (tally_service(service, self.verdicts) for service in services)
        return AgentState(
            agent=f"censorship-probe/{__version__}",
            started_at=self.began,
            now=self.clock.now(),
            services=tuple(_state(tally) for tally in tallies if tally is not None),
            round=self.round,
        )

    def ended(self) -> None:
        duration = (self.clock.now() - self.began) / dt.timedelta(seconds=1)
        self.round = RoundState(number=1, duration=duration, ended_at=self.clock.now())


def _state(tally: Tally) -> ServiceState:
    return ServiceState(platform=tally.platform, service=tally.service or "", outcome=tally.outcome)


async def run(catalogue_file: str, ca_file: str, listen: str) -> None:
    catalogue = load_catalogue(Path(catalogue_file))
    agent, wishes = Agent(catalogue), Wishes(ca_file=Path(ca_file), step_seconds=4.0)
    async with prepared(wishes, catalogue, Library(catalogue)) as context, trio.open_nursery() as nursery:
        exporter = Exporter(catalogue, agent.state, lambda: context, agent.clock)
        await nursery.start(exporter.serve, listen, await listening(listen))
        print("ready", flush=True)
        tasks = [Task.of(endpoint, catalogue) for endpoint in catalogue.endpoints()]
        async with measuring(tasks, context) as judgements:
            async for judged in judgements:
                exporter.observe_measurement(judged.measurement, judged.verdict)
                agent.verdicts[judged.measurement.endpoint] = judged.verdict
        agent.ended()


if __name__ == "__main__":
    trio.run(run, sys.argv[1], sys.argv[2], sys.argv[3])
