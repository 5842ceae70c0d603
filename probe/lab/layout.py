"""Which namespaces a lab has, and how they are cabled and addressed: pure data, as lines for `ip -batch`.

    vantage point c0 --- lan0 [router r0] wan --- isp0 [world w] ctl --- control k

A router may have several vantage points (c0, c0-1, ...), and the world several routers and controls (k, k1, ...).
Every address of the world is a /32 on its loopback interface; unused ones are silent, as the world forwards nothing.
"""

import ipaddress
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import msgspec

from probe.lab.model import GERMANY, Control, Isp, World

Ipv6 = Literal["none", "works", "broken", "nat64"]  # the last: nothing but IPv6, translated
_CONTROL_GATEWAY6 = "2003:0:4000::1"  # of every control that has IPv6


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """One vantage point behind an ISP's router."""

    namespace: str
    interface: str  # the router's, towards it
    mac: str
    address: str
    ipv6: str


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """One ISP: its router and its customers."""

    isp: Isp
    router: str
    gateway: str
    gateway6: str
    transit: tuple[str, str]  # the world's end, the router's
    clients: tuple[Client, ...]


class ControlPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A control and where it is cabled to the world."""

    control: Control
    namespace: str
    interface: str  # the world's, towards it


class Layout:
    """`id` is unique on the machine; every namespace's name begins with it. `clients` is how many vantage points each
    of the ISPs has, one where it says nothing."""

    def __init__(
        self,
        id: str,
        isps: Sequence[Isp],
        world: World,
        ipv6: Ipv6,
        *,
        clients: Sequence[int] = (),
        controls: Sequence[Control] = (GERMANY,),
    ) -> None:
        self.id = id
        self.world = f"{id}-w"
        counts = clients or [1] * len(isps)
        self.controls = tuple(_control_point(id, position, control) for position, control in enumerate(controls))
        self.networks = tuple(
            _network(id, position, isp, count) for position, (isp, count) in enumerate(zip(isps, counts, strict=True))
        )
        self._ipv6 = ipv6
        self._addresses = sorted(
            {a for s in world.sites for a in s.addresses} | {a for r in world.resolvers for a in r.addresses}
        )

    @property
    def control(self) -> str:
        """The namespace of the first control."""
        return self.controls[0].namespace

    @cached_property
    def cables(self) -> dict[str, set[str]]:
        """The interfaces of each namespace."""
        cables = {self.world: {point.interface for point in self.controls}}
        cables.update({point.namespace: {"eth0"} for point in self.controls})
        for position, network in enumerate(self.networks):
            cables[self.world].add(f"isp{position}")
            cables[network.router] = {"wan", *(client.interface for client in network.clients)}
            cables.update({client.namespace: {"eth0"} for client in network.clients})
        return cables

    def creation(self) -> list[str]:
        """Both ends of each cable are made where they belong: nothing ever shows up in the machine's own namespace."""
        lines = [f"netns add {namespace}" for namespace in self.cables]
        lines += [_cable(point.interface, self.world, "eth0", point.namespace) for point in self.controls]
        for position, network in enumerate(self.networks):
            lines.append(_cable(f"isp{position}", self.world, "wan", network.router))
            for client in network.clients:
                lines.append(_cable(client.interface, network.router, "eth0", client.namespace, client.mac))
        return lines

    def configuration(self) -> dict[str, list[str]]:
        """For each namespace."""
        lines = {self.world: self._world()}
        for point in self.controls:
            lines[point.namespace] = _customer(point.control.address, point.control.gateway)
            if self._ipv6 != "none" and point.control.address6:
                lines[point.namespace] += _customer6(point.control.address6, _CONTROL_GATEWAY6)
        for network in self.networks:
            lines[network.router] = self._router(network)
            for client in network.clients:
                lines[client.namespace] = []
                if self._ipv6 != "nat64":
                    lines[client.namespace] += _customer(client.address, network.gateway)
                if self._ipv6 != "none":
                    lines[client.namespace] += _customer6(client.ipv6, network.gateway6)
        return {namespace: [*self._links(namespace), *own] for namespace, own in lines.items()}

    def _links(self, namespace: str) -> list[str]:
        """Packets have the size that they have on a real cable, not that of the kernel's offloading."""
        cables = sorted(self.cables[namespace])
        return ["link set lo up", *(f"link set {cable} gso_max_segs 1 up" for cable in cables)]

    def _world(self) -> list[str]:
        lines = [f"address add {address} dev lo{' nodad' if ':' in address else ''}" for address in self._addresses]
        for point in self.controls:
            lines += [
                f"address add {point.control.gateway}/32 dev {point.interface}",
                f"route add {point.control.address} dev {point.interface}",
            ]
            if self._ipv6 != "none" and point.control.address6:
                lines.append(f"address add {_CONTROL_GATEWAY6}/128 dev {point.interface} nodad")
                lines.append(f"route add {point.control.address6} dev {point.interface}")
        for position, network in enumerate(self.networks):
            here, there = network.transit
            device = f"isp{position}"
            lines += [f"address add {here}/30 dev {device}"]
            lines.append(f"route add {network.isp.subnet} via {there} dev {device}")
            if self._ipv6 != "none":
                lines += [f"address add {_six(here)}/126 dev {device} nodad"]
                lines.append(f"route add {network.isp.ipv6} via {_six(there)} dev {device}")
        return lines

    def _router(self, network: Network) -> list[str]:
        _, there = network.transit
        lines = [f"address add {there}/30 dev wan"]
        if self._ipv6 != "none":
            lines.append(f"address add {_six(there)}/126 dev wan nodad")
        lines += self.uplink(network)
        for client in network.clients:
            lines += [f"address add {network.gateway}/32 dev {client.interface}"]
            if self._ipv6 != "nat64":
                lines.append(f"route add {client.address} dev {client.interface}")
            if self._ipv6 != "none":
                lines.append(f"address add {network.gateway6}/128 dev {client.interface} nodad")
                lines.append(f"route add {client.ipv6} dev {client.interface}")
        return lines

    def uplink(self, network: Network) -> list[str]:
        """The routes that a router loses with its cable."""
        here, _ = network.transit
        six = [f"route add ::/0 via {_six(here)} dev wan"] if self._ipv6 != "none" else []
        return [f"route add default via {here} dev wan", *six]


def _control_point(id: str, position: int, control: Control) -> ControlPoint:
    number = str(position or "")
    return ControlPoint(control=control, namespace=f"{id}-k{number}", interface=f"ctl{number}")


def _client(id: str, position: int, number: int, isp: Isp) -> Client:
    subnet, subnet6 = ipaddress.ip_network(isp.subnet), ipaddress.ip_network(isp.ipv6)
    return Client(
        namespace=f"{id}-c{position}" + (f"-{number}" if number else ""),
        interface=f"lan{number}",
        mac=f"02:00:00:00:{position:02x}:{10 + number:02x}",
        address=str(subnet[10 + number]),
        ipv6=str(subnet6[10 + number]),
    )


def _network(id: str, position: int, isp: Isp, clients: int) -> Network:
    subnet, subnet6 = ipaddress.ip_network(isp.subnet), ipaddress.ip_network(isp.ipv6)
    transit = ipaddress.IPv4Address("195.175.200.0") + 4 * position
    return Network(
        isp=isp,
        router=f"{id}-r{position}",
        gateway=str(subnet[1]),
        gateway6=str(subnet6[1]),
        transit=(str(transit + 1), str(transit + 2)),
        clients=tuple(_client(id, position, number, isp) for number in range(clients)),
    )


def _cable(end: str, namespace: str, other_end: str, other_namespace: str, other_mac: str = "") -> str:
    mac = f" address {other_mac}" if other_mac else ""
    return f"link add name {end} netns {namespace} type veth peer name {other_end}{mac} netns {other_namespace}"


def _customer(address: str, gateway: str) -> list[str]:
    return [
        f"address add {address}/32 dev eth0",
        f"route add {gateway} dev eth0",
        f"route add default via {gateway} dev eth0 src {address}",
    ]


def _customer6(address: str, gateway: str) -> list[str]:
    return [
        f"address add {address}/128 dev eth0 nodad",
        f"route add {gateway} dev eth0",
        f"route add ::/0 via {gateway} dev eth0 src {address}",
    ]


def _six(transit: str) -> str:
    """The same number in an IPv6 transit network."""
    return f"2a01:358:ffff::{int(transit.rpartition('.')[2]):x}"
