"""The measurements of each virtual probe, laid out in time as a real one does it: services in random order over the
interval, the endpoints of one service next to each other."""

import datetime as dt
import random
import uuid
from collections.abc import Iterator, Sequence

import msgspec

from probe import __version__
from probe.catalogue.model import Catalogue, Endpoint
from probe.lab.model import World
from probe.lab.scenario.model import Scenario
from probe.lab.simulate.fates import Fates, bad_luck, hiccup
from probe.lab.simulate.fleet import Resident
from probe.lab.simulate.surroundings import surroundings
from probe.lab.simulate.walk import Seen, Spot, cut_off, seen
from probe.wire.measurement import Measurement, Network
from probe.wire.reports import Agent, Reported
from probe.wire.verdicts import Verdict
from probe.wire.vocabulary import Outcome, Void

AGENT = Agent(name="simulated-probe", version=__version__)
_USED = 0.9  # of a slot, at most, is gone before a service's turn comes
_NEXT = 0.5  # seconds from the beginning of one endpoint to the next of its service
_NEAR, _FAR = 0.02, 0.09  # seconds to a server and back


class Made(msgspec.Struct, frozen=True):
    """A measurement that began at `at` and was there to be sent at `done`."""

    at: dt.datetime
    done: dt.datetime
    reported: Reported


class Rounds:
    """`noise`: the share of services in a round that fail for no reason. The same seed makes the same measurements."""

    def __init__(
        self, scenario: Scenario, catalogue: Catalogue, world: World, fates: Fates, *, noise: float, seed: int
    ) -> None:
        self._scenario, self._catalogue, self._fates = scenario, catalogue, fates
        self._noise, self._seed = noise, seed
        zone = world.zone()
        self._addresses = {name: addresses[0] for name, addresses in zone.items() if addresses}
        self._services = [
            service.endpoints for platform in catalogue.platforms for service in platform.services if service.endpoints
        ]

    def of(self, resident: Resident, begin: dt.datetime) -> list[Made]:
        """One round, by when each measurement was done."""
        chance = random.Random(f"{self._seed} {resident.name} {begin.timestamp()}")
        name = identifier(begin, chance)
        made = [
            one
            for at, service in self._turns(begin, chance)
            for one in self._service(resident, at, service, name, chance)
        ]
        return sorted(made, key=lambda one: one.done)

    def _turns(self, begin: dt.datetime, chance: random.Random) -> Iterator[tuple[dt.datetime, Sequence[Endpoint]]]:
        services = chance.sample(self._services, len(self._services))
        slot = self._scenario.interval / len(services)
        for place, service in enumerate(services):
            yield begin + dt.timedelta(seconds=slot * (place + _USED * chance.random())), service

    def _service(
        self, resident: Resident, at: dt.datetime, endpoints: Sequence[Endpoint], round: str, chance: random.Random
    ) -> Iterator[Made]:
        unlucky = (bad_luck(endpoints, chance),) if chance.random() < self._noise else ()
        spot = self._spot(resident, chance)
        for place, endpoint in enumerate(endpoints):
            began = at + dt.timedelta(seconds=_NEXT * place)
            lost = self._fates.cut_off(resident, began)
            acts = (*unlucky, *hiccup(resident, chance), *self._fates.of(resident, endpoint.target.host, began))
            found = cut_off(endpoint, spot, chance) if lost else seen(endpoint, acts, spot, chance)
            reported = Reported(
                measurement=self._measurement(
                    resident, endpoint, began, found, lost=lost, id=identifier(began, chance)
                ),
                verdict=_verdict(resident, found, lost=lost),
                round=round,
                of=len(endpoints),
                vpn=resident.trouble == "vpn",
                compact=found.outcome is Outcome.OK,
            )
            yield Made(began, began + dt.timedelta(seconds=found.duration), reported)

    def _spot(self, resident: Resident, chance: random.Random) -> Spot:
        return Spot(
            resolver=resident.resolver,
            distance=chance.uniform(_NEAR, _FAR),
            address_of=lambda host: self._addresses.get(host, host),
            infrastructure=self._catalogue.infrastructure,
            light=self._scenario.light,
        )

    def _measurement(
        self, resident: Resident, endpoint: Endpoint, began: dt.datetime, found: Seen, *, lost: bool, id: str
    ) -> Measurement:
        return Measurement(
            id=id,
            endpoint=endpoint.url,
            started_at=began,
            duration=found.duration,
            platform=endpoint.platform,
            service=endpoint.service,
            mode="light" if self._scenario.light else "default",
            network=network_of(resident),
            surroundings=surroundings(resident, self._catalogue.infrastructure, cut_off=lost),
            agent=f"{AGENT.name}/{AGENT.version}",
            steps=found.steps,
        )


def network_of(resident: Resident) -> Network:
    """What the probe believes of itself."""
    return Network(
        asn=resident.asn,
        country=resident.country,
        name=resident.network,
        resolver_asn=resident.resolver_asn,
        vpn=resident.trouble == "vpn" or None,
    )


def identifier(moment: dt.datetime, chance: random.Random) -> str:
    """A UUID of version 7 that a seed makes again."""
    milliseconds = int(moment.timestamp() * 1000) & (1 << 48) - 1
    value = milliseconds << 80 | 7 << 76 | chance.getrandbits(12) << 64 | 2 << 62 | chance.getrandbits(62)
    return str(uuid.UUID(int=value))


def _verdict(resident: Resident, found: Seen, *, lost: bool) -> Verdict:
    if lost or resident.trouble == "antivirus":
        why = Void.OFFLINE if lost else Void.LOCAL_INTERCEPTION
        return Verdict(outcome=Outcome.VOID, void=why, rules="simulated")
    return Verdict(outcome=found.outcome, techniques=found.techniques, confidence=0.9, rules="simulated")
