"""A scenario played in a lab: the censor does what the file says, and `probe measure` runs at every vantage point,
round by round.

A round sees one state of the world: the scenario's clock waits for it, however slow the machine is. The first control
measures ahead of the probes whenever the world itself has changed, and what it saw is what they expect.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from probe.catalogue.model import Catalogue
from probe.lab.interference import NOTICE
from probe.lab.internet import internet
from probe.lab.interruption import termination_unwinds
from probe.lab.lab import Lab
from probe.lab.model import CommandFailed, Site, World
from probe.lab.scenario.checks import shipped_catalogue
from probe.lab.scenario.crew import Crew
from probe.lab.scenario.effects import Effect, after, outages, recipes
from probe.lab.scenario.history import Round, Said, words_of
from probe.lab.scenario.model import Event, Scenario
from probe.lab.scenario.population import AD_BLOCKER, Population, Vantage
from probe.lab.scenario.subset import subset, write_catalogue
from probe.lab.scenario.timeline import Clock, steps

_TIMEOUT = 3.0  # seconds a connection may take: the lab's world is milliseconds away; `speed` changes nothing about it
_CONCURRENCY = 16  # endpoints of one probe that are busy at once: all probes share the machine with the world
_PATIENCE = 180.0  # seconds for one probe's round
_CATALOGUE = "catalogue"  # in the lab's folder


class Watcher(Protocol):
    """Is told what happens, as it happens."""

    def stands(self, vantages: Sequence[Vantage]) -> None: ...

    def clock(self, at: dt.datetime) -> None: ...

    def changed(self, at: dt.datetime, events: Sequence[Event], effects: Sequence[Effect]) -> None: ...

    def said(self, at: dt.datetime, said: Said) -> None: ...

    def round(self, round: Round) -> None: ...


def play(scenario: Scenario, watcher: Watcher, speed: float | None = None) -> tuple[Round, ...]:
    """Raises LabError where the lab cannot be built; takes everything away whatever happens."""
    population = Population(scenario)
    catalogue = subset(shipped_catalogue(), scenario)
    lab = Lab(_world(scenario, population), networks=population.customers, controls=population.controls)
    with termination_unwinds(), lab, Crew() as crew:
        write_catalogue(catalogue, lab.folder / _CATALOGUE)
        watcher.stands(vantages := tuple(population.vantages(lab)))
        stage = _Stage(scenario, catalogue, lab, vantages)
        return tuple(stage.rounds(Clock(scenario.starts, speed or scenario.speed), crew, watcher))


class _Stage:
    def __init__(self, scenario: Scenario, catalogue: Catalogue, lab: Lab, vantages: tuple[Vantage, ...]) -> None:
        self._scenario, self._catalogue, self._lab, self._vantages = scenario, catalogue, lab, vantages
        self._expectations = lab.folder / "expectations.json"
        self._effects: tuple[Effect, ...] = ()
        self._done = 0
        self._known = False  # whether what the controls saw still holds

    def rounds(self, clock: Clock, crew: Crew, watcher: Watcher) -> Iterator[Round]:
        for step in steps(self._scenario):
            if step.jumps:
                clock.set(step.at)
            clock.run_until(step.at, watcher.clock)
            watcher.clock(step.at)
            if step.events:
                self._happen(step.events)
                watcher.changed(step.at, step.events, self._effects)
            if step.round:
                yield self._round(step.at, crew, watcher)

    def _happen(self, events: Sequence[Event]) -> None:
        before, self._effects = self._effects, after(self._effects, events, self._scenario, self._catalogue)
        for isp in self._scenario.isps:
            new = tuple(recipes(self._effects, isp.asn, self._catalogue))
            if new != tuple(recipes(before, isp.asn, self._catalogue)):
                self._lab.interfere(isp.asn, new)
        faults = tuple(outages(self._effects, self._catalogue))
        if faults != tuple(outages(before, self._catalogue)):
            self._lab.fail(faults)
            self._known = False

    def _round(self, at: dt.datetime, crew: Crew, watcher: Watcher) -> Round:
        self._done += 1
        said = []
        for group in self._in_turn():
            for one in crew.each(self._measured, group):
                watcher.said(at, one)
                said.append(one)
        self._known = self._known or not any(one.fault for one in said if one.vantage.control)
        done = Round(at=at, number=self._done, said=tuple(said))
        watcher.round(done)
        return done

    def _in_turn(self) -> Iterator[list[Vantage]]:
        """Controls first where the world is not as they last saw it, else all side by side."""
        if self._known:
            yield list(self._vantages)
            return
        yield [vantage for vantage in self._vantages if vantage.control]
        yield [vantage for vantage in self._vantages if not vantage.control]

    def _measured(self, vantage: Vantage) -> Said:
        try:
            lines = self._lab.measure(self._arguments(vantage), _PATIENCE, vantage.namespace)
        except CommandFailed as error:
            return Said(vantage=vantage, fault=str(error))
        return Said(vantage=vantage, words=words_of(lines))

    def _arguments(self, vantage: Vantage) -> list[str]:
        catalogue = ["--catalogue", str(self._lab.folder / _CATALOGUE)]
        light = ["--light"] if self._scenario.light else []
        limits = ["--timeout", str(_TIMEOUT), "--concurrency", str(_CONCURRENCY)]
        return [*catalogue, *limits, *light, *self._knowledge(vantage)]

    def _knowledge(self, vantage: Vantage) -> list[str]:
        """The first control makes the expectations, everybody else rests on them."""
        if vantage.control:
            makes = vantage.number == 1 and not self._known
            return ["--save-expectations", str(self._expectations)] if makes else []
        return ["--expectations", str(self._expectations)] if self._expectations.exists() else []


def _world(scenario: Scenario, population: Population) -> World:
    notices = dict.fromkeys(event.address for event in scenario.events if event.address is not None)
    sites = tuple(
        Site(name=address, addresses=(address,), ports={80: "http"}, content=NOTICE)
        for address in notices
        if not address.startswith("127.")
    )
    resolvers = (AD_BLOCKER,) if any(isp.homes for isp in scenario.isps) else ()
    world = internet(subset(shipped_catalogue(), scenario), sites, resolvers=resolvers)
    return msgspec.structs.replace(world, origins=(*world.origins, *population.origins))
