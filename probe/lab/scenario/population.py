"""The ISPs, vantage points and controls of a scenario, with addresses from the networks where the real ones are."""

import ipaddress
from collections.abc import Iterator
from itertools import count

import msgspec

from probe.lab.interference import CaptivePortal, DataFilter, Interference, Loss, Offline, TlsInterception
from probe.lab.lab import Lab
from probe.lab.model import GERMANY, Answer, Control, Isp, Origin, Resolver
from probe.lab.router import Customers
from probe.lab.scenario.model import ControlForm, IspForm, Scenario, Trouble

AD_BLOCKER = Resolver(  # AS212772
    addresses=("94.140.14.14",),
    answers=dict.fromkeys(
        ("graph.facebook.com", "b-graph.facebook.com", "external.xx.fbcdn.net", "t.co"), Answer(addresses=("0.0.0.0",))
    ),
)
_KNOWN = {  # customers' addresses, and the resolver that they are handed
    9121: ("88.255.0.0/16", "195.175.39.39"),
    47331: ("78.160.0.0/11", "195.175.39.40"),
    15897: ("176.216.0.0/14", ""),
    16135: ("178.240.0.0/13", ""),
    34984: ("212.253.0.0/16", ""),
    8048: ("200.44.0.0/16", "200.44.32.12"),
    3320: ("87.128.0.0/10", GERMANY.resolver),
    1136: ("77.160.0.0/13", ""),
}
_OTHERS = "102.{}.0.0/16"  # for whoever is not listed, counted from here:
_FIRST_OTHER = 64
_HOSTING = Isp(asn=9009, name="M247", country="RO", subnet="37.120.1.0/24", resolver="37.120.53.53")
_RECIPES: dict[Trouble, Interference] = {
    "antivirus": TlsInterception(issuer="Example Antivirus Personal CA"),
    "black-hole": DataFilter(targets=("0.0.0.0/0",)),
    "captive-portal": CaptivePortal(),
    "loss": Loss(),
    "offline": Offline(),
}


class Vantage(msgspec.Struct, frozen=True, kw_only=True):
    """Where a probe runs. `trouble`: what its own network does to it."""

    namespace: str
    asn: int
    number: int  # within its ISP, from 1
    trouble: Trouble | None = None
    control: bool = False


class Population:
    """`customers` and `controls` are for a lab; `origins` say who announces their addresses."""

    def __init__(self, scenario: Scenario) -> None:
        self._prefixes: dict[int, str] = {}
        self._others = count(_FIRST_OTHER)
        self._homes: list[tuple[int, Trouble | None]] = []  # the ISP and the trouble of each of the customers
        self.customers = tuple(c for form in scenario.isps for c in self._customers(form, scenario.country))
        self.controls = tuple(control for form in scenario.controls for control in self._controls(form))
        self.origins = tuple(self._origins())

    def vantages(self, lab: Lab) -> Iterator[Vantage]:
        """In the lab that was built of it, the controls last."""
        numbers: dict[int, int] = {}
        for (asn, trouble), network in zip(self._homes, lab.layout.networks, strict=True):
            for client in network.clients:
                numbers[asn] = numbers.get(asn, 0) + 1
                yield Vantage(namespace=client.namespace, asn=asn, number=numbers[asn], trouble=trouble)
        for number, point in enumerate(lab.layout.controls, start=1):
            yield Vantage(namespace=point.namespace, asn=point.control.asn, number=number, control=True)

    def _customers(self, form: IspForm, country: str) -> Iterator[Customers]:
        network = self._network(form.asn, form.prefix)
        isp = Isp(
            asn=form.asn,
            name=form.name or f"AS{form.asn}",
            country=country,
            subnet=_subnet(network, 1),
            resolver=self._resolver(form.asn, network),
        )
        self._homes.append((form.asn, None))
        yield Customers(isp=isp, clients=form.probes)
        troubles = [home.trouble for home in form.homes for _ in range(home.probes)]
        for number, trouble in enumerate(troubles, start=2):
            self._homes.append((form.asn, trouble))
            yield _at_home(trouble, msgspec.structs.replace(isp, subnet=_subnet(network, number)), len(self._homes))

    def _controls(self, form: ControlForm) -> Iterator[Control]:
        network = self._network(form.asn, None)
        for number in range(form.probes):
            yield Control(
                asn=form.asn,
                name=form.name or f"AS{form.asn}",
                country=form.country,
                address=str(network[(1 << 8) + 10 + number]),
                gateway=str(network[(1 << 8) + 1]),
                resolver=self._resolver(form.asn, network),
            )

    def _network(self, asn: int, prefix: str | None) -> ipaddress.IPv4Network:
        if asn not in self._prefixes:
            known = prefix or (_KNOWN[asn][0] if asn in _KNOWN else _OTHERS.format(next(self._others)))
            self._prefixes[asn] = known
        return ipaddress.IPv4Network(self._prefixes[asn])

    def _resolver(self, asn: int, network: ipaddress.IPv4Network) -> str:
        return (_KNOWN[asn][1] if asn in _KNOWN else "") or str(network[(39 << 8) + 39])

    def _origins(self) -> Iterator[Origin]:
        names = {c.isp.asn: (c.isp.name, c.isp.country) for c in self.customers}
        names |= {control.asn: (control.name, control.country) for control in self.controls}
        prefixes = self._prefixes | {_HOSTING.asn: "37.120.0.0/16"}
        for asn, prefix in prefixes.items():
            name, country = names.get(asn, (_HOSTING.name, _HOSTING.country))
            yield Origin(prefix=prefix, asn=asn, country=country, name=name)


def _at_home(trouble: Trouble, isp: Isp, number: int) -> Customers:
    """One probe, behind a router of its own."""
    if trouble == "vpn":
        network = ipaddress.IPv4Network("37.120.0.0/16")
        return Customers(isp=msgspec.structs.replace(_HOSTING, subnet=_subnet(network, number)))
    if trouble == "ad-blocker":
        return Customers(isp=isp, resolver=AD_BLOCKER.addresses[0])
    return Customers(isp=isp, home=(_RECIPES[trouble],))


def _subnet(network: ipaddress.IPv4Network, number: int) -> str:
    return f"{network[number << 8]}/24"
