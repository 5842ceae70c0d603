"""A scenario played in a lab: the censor does what the file says, while `probe run` measures at every vantage point and
reports to a `probe collector serve` in the world.

All of them keep the scenario's clock, which stands still while the censor changes its rules. Once an interval every
probe is asked what it makes of the platforms; at the end the collector is asked for its incidents.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Protocol

import msgspec

from probe.catalogue.model import Catalogue
from probe.lab.interference import NOTICE
from probe.lab.internet import internet
from probe.lab.interruption import termination_unwinds
from probe.lab.lab import Lab
from probe.lab.model import Site, World
from probe.lab.scenario.agent import Agent
from probe.lab.scenario.backstage import Backstage
from probe.lab.scenario.checks import shipped_catalogue
from probe.lab.scenario.crew import Crew
from probe.lab.scenario.effects import Effect, after, outages, recipes
from probe.lab.scenario.headquarters import ORIGIN, SITE, Headquarters
from probe.lab.scenario.history import Round, Said
from probe.lab.scenario.model import Event, Scenario
from probe.lab.scenario.population import AD_BLOCKER, Population, Vantage
from probe.lab.scenario.subset import subset, write_catalogue
from probe.lab.scenario.tempo import Tempo
from probe.lab.scenario.timeline import Clock, steps

_WARM_UP = 3  # rounds before the scenario starts: expectations are made and reach the probes, which see all well
_CATALOGUE = "catalogue"  # in the lab's folder


class Watcher(Protocol):
    """Is told what happens, as it happens."""

    def stands(self, vantages: Sequence[Vantage]) -> None: ...

    def clock(self, at: dt.datetime, speed: float) -> None: ...

    def changed(self, at: dt.datetime, events: Sequence[Event], effects: Sequence[Effect]) -> None: ...

    def said(self, at: dt.datetime, said: Said) -> None: ...

    def round(self, round: Round) -> None: ...


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `incidents` as the collector's API gives them in full."""

    rounds: tuple[Round, ...]
    incidents: tuple[dict[str, Any], ...]


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """What else takes part. `collector`: further keys of the collector's configuration, such as whom it notifies.
    `beside` is entered when the lab stands and left when the scenario has ended, while all of it still runs."""

    collector: Mapping[str, object] = {}
    beside: Callable[[Lab], AbstractContextManager[object]] = nullcontext


ALONE = Company()


def play(scenario: Scenario, watcher: Watcher, speed: float | None = None, company: Company = ALONE) -> Played:
    """Raises LabError where the lab cannot be built; takes everything away whatever happens."""
    population = Population(scenario)
    catalogue = subset(shipped_catalogue(), scenario)
    lab = Lab(_world(scenario, population), networks=population.customers, controls=population.controls, geo=True)
    with termination_unwinds(), lab, Crew() as crew, ExitStack() as stack:
        folder = write_catalogue(catalogue, lab.folder / _CATALOGUE)
        backstage = Backstage(lab.folder, lab.ca_file)
        watcher.stands(vantages := tuple(population.vantages(lab)))
        early = scenario.starts - _WARM_UP * dt.timedelta(seconds=scenario.interval)
        clock = Clock(backstage.clock_file, early, speed or scenario.speed)
        collector = Headquarters(lab, backstage, folder, [isp.asn for isp in scenario.isps], company.collector)
        agents = [Agent(vantage, backstage, scenario, folder) for vantage in vantages]
        programs: list[Headquarters | Agent] = [collector, *agents]
        for program in programs:
            stack.callback(program.end)
        with company.beside(lab):
            _start(collector, agents, crew, lab.layout.control)
            stage = _Stage(scenario, catalogue, lab, agents)
            rounds = tuple(stage.rounds(clock, watcher))
            return Played(rounds=rounds, incidents=tuple(collector.incidents()))


def _start(collector: Headquarters, agents: Sequence[Agent], crew: Crew, elsewhere: str) -> None:
    collector.open()
    for _ in crew.each(lambda agent: agent.enrol(collector.invite(agent.role, agent.steward), elsewhere), agents):
        pass
    for agent in agents:
        agent.start()


class _Stage:
    def __init__(self, scenario: Scenario, catalogue: Catalogue, lab: Lab, agents: Sequence[Agent]) -> None:
        self._scenario, self._catalogue, self._lab, self._agents = scenario, catalogue, lab, agents
        self._effects: tuple[Effect, ...] = ()
        self._done = 0

    def rounds(self, clock: Clock, watcher: Watcher) -> Iterator[Round]:
        clock.go(Tempo(clock.speed, [agent.process for agent in self._agents if agent.process is not None]).speed)
        for step in steps(self._scenario):
            if step.jumps:
                clock.set(step.at)
            clock.run_until(step.at, watcher.clock)
            if step.round:
                yield self._round(step.at, watcher)
            if step.events:
                with clock.standing(step.at):
                    self._happen(step.events)
                watcher.changed(step.at, step.events, self._effects)

    def _happen(self, events: Sequence[Event]) -> None:
        before, self._effects = self._effects, after(self._effects, events, self._scenario, self._catalogue)
        for isp in self._scenario.isps:
            new = tuple(recipes(self._effects, isp.asn, self._catalogue))
            if new != tuple(recipes(before, isp.asn, self._catalogue)):
                self._lab.interfere(isp.asn, new)
        faults = tuple(outages(self._effects, self._catalogue))
        if faults != tuple(outages(before, self._catalogue)):
            self._lab.fail(faults)

    def _round(self, at: dt.datetime, watcher: Watcher) -> Round:
        self._done += 1
        said = []
        for agent in self._agents:
            said.append(one := agent.said())
            watcher.said(at, one)
        done = Round(at=at, number=self._done, said=tuple(said))
        watcher.round(done)
        return done


def _world(scenario: Scenario, population: Population) -> World:
    notices = dict.fromkeys(event.address for event in scenario.events if event.address is not None)
    sites = tuple(
        Site(name=address, addresses=(address,), ports={80: "http"}, content=NOTICE)
        for address in notices
        if not address.startswith("127.")
    )
    resolvers = (AD_BLOCKER,) if any(isp.homes for isp in scenario.isps) else ()
    world = internet(subset(shipped_catalogue(), scenario), (*sites, SITE), resolvers=resolvers)
    return msgspec.structs.replace(world, origins=(*world.origins, *population.origins, ORIGIN))
