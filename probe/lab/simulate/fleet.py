"""The virtual probes of a scenario: who they are, and from which address they seem to come."""

import ipaddress
from collections.abc import Iterator

import msgspec

from probe.lab.model import LabError, Origin
from probe.lab.scenario.model import Scenario, Trouble
from probe.lab.scenario.population import AD_BLOCKER, Population, Vantage

_VPN_ASN = 9009
_AD_BLOCKER_ASN = 212772
_FIRST = 522  # of the addresses of a network: past those of routers and resolvers
_STEWARDS = 40  # at most: beyond that several probes have one owner
_MUTE: tuple[Trouble, ...] = ("offline", "captive-portal")  # they reach no collector either


class Resident(msgspec.Struct, frozen=True, kw_only=True):
    """`isp` is the provider whose customer it is; `asn` and `country` are where its traffic comes out."""

    name: str
    steward: str
    isp: int
    asn: int
    country: str
    network: str
    address: str
    resolver: str
    resolver_asn: int
    number: int
    trouble: Trouble | None = None
    control: bool = False

    @property
    def role(self) -> str:
        return "control" if self.control else "probe"

    @property
    def mute(self) -> bool:
        return self.trouble in _MUTE

    @property
    def vantage(self) -> Vantage:
        return Vantage(namespace="", asn=self.isp, number=self.number, trouble=self.trouble, control=self.control)


def fleet(scenario: Scenario, probes: int | None = None) -> tuple[Resident, ...]:
    """The ISPs' probes (`probes` of each in place of the scenario's number), then the controls. Raises LabError."""
    population = Population(scenario)
    places = {origin.asn: origin for origin in population.origins}
    resolvers = {customers.isp.asn: customers.isp.resolver for customers in population.customers}
    return (*_customers(scenario, places, resolvers, probes), *_controls(scenario, places, population))


def _customers(
    scenario: Scenario, places: dict[int, Origin], resolvers: dict[int, str], probes: int | None
) -> Iterator[Resident]:
    each = max(2, _STEWARDS // len(scenario.isps))
    for isp in scenario.isps:
        troubles: list[Trouble | None] = [None] * (probes or isp.probes)
        troubles += [home.trouble for home in isp.homes for _ in range(home.probes)]
        for number, trouble in enumerate(troubles, start=1):
            place = places[_VPN_ASN if trouble == "vpn" else isp.asn]
            name = f"as{isp.asn}-{number}"
            yield Resident(
                name=name,
                steward=f"owner {isp.asn}.{number % each if probes else number}",
                isp=isp.asn,
                asn=place.asn,
                country=place.country,
                network=place.name,
                address=_address(place, number),
                resolver=AD_BLOCKER.addresses[0] if trouble == "ad-blocker" else resolvers[isp.asn],
                resolver_asn=_AD_BLOCKER_ASN if trouble == "ad-blocker" else place.asn,
                number=number,
                trouble=trouble,
            )


def _controls(scenario: Scenario, places: dict[int, Origin], population: Population) -> Iterator[Resident]:
    resolvers = {control.asn: control.resolver for control in population.controls}
    for form in scenario.controls:
        place = places[form.asn]
        for number in range(1, form.probes + 1):
            yield Resident(
                name=f"control-as{form.asn}-{number}",
                steward=f"owner of control {form.asn}.{number}",
                isp=form.asn,
                asn=form.asn,
                country=form.country,
                network=place.name,
                address=_address(place, number),
                resolver=resolvers[form.asn],
                resolver_asn=form.asn,
                number=number,
                control=True,
            )


def _address(place: Origin, number: int) -> str:
    network = ipaddress.IPv4Network(place.prefix)
    if _FIRST + number >= network.num_addresses:
        raise LabError(f"AS{place.asn} has no room for {number} probes in {place.prefix}: simulate fewer")
    return str(network[_FIRST + number])
