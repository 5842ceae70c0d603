"""A lab: a world, ISPs that interfere, vantage points behind them and controls that nobody interferes with."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from probe.lab.authority import Authority, write_private
from probe.lab.geo import write_mmdb
from probe.lab.interference import Interference
from probe.lab.interruption import deferred, termination_unwinds
from probe.lab.layout import Ipv6, Layout, Network
from probe.lab.model import GERMANY, TURK_TELEKOM, CommandFailed, Control, Isp, Resolver, World
from probe.lab.namespaces import apply_rules, build, claim, end_processes, sweep
from probe.lab.nat64 import Nat64Spec
from probe.lab.outage import Outage, without_names, world_rules
from probe.lab.processes import Server, run_inside
from probe.lab.router import Customers, Router
from probe.lab.sealed import check_machine, check_sealed
from probe.lab.tampering import isp_resolver
from probe.lab.world.spec import WorldSpec

_DONE = (0, 3)  # exit statuses of the command line: done, and done with something blocked
_TRANSIT = "195.175.200.0/24"


class Lab:
    """`with Lab(world, recipes) as lab:` builds it, and takes all of it away at the end, also when interrupted.

    One vantage point behind one ISP, unless `networks` lists others; the recipes hold at every ISP until `interfere`
    says otherwise. `resolver` is the one that the vantage point uses where it is not the ISP's. With `geo` there is a
    table of the lab's addresses. Raises LabError where it cannot be built or a packet could leave it.
    """

    def __init__(
        self,
        world: World,
        interferences: Sequence[Interference] = (),
        *,
        isp: Isp = TURK_TELEKOM,
        resolver: str | None = None,
        ipv6: Ipv6 = "none",
        networks: Sequence[Customers] = (),
        controls: Sequence[Control] = (GERMANY,),
        geo: bool = False,
    ) -> None:
        self._customers = tuple(networks) or (Customers(isp=isp, resolver=resolver),)
        self._controls = tuple(controls)
        self._recipes = {customers.isp.asn: tuple(interferences) for customers in self._customers}
        self._outages: tuple[Outage, ...] = ()
        self._ipv6 = ipv6
        self._geo = geo
        self._further = world.resolvers
        self.world = msgspec.structs.replace(world, resolvers=self._resolvers())
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        check_machine()
        sweep()
        self._stack.enter_context(termination_unwinds())
        try:
            self._lay_cables()
            self.check_sealed()
            self._start_processes()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def vantage(self) -> str:
        """The namespace of the first vantage point."""
        return self.network.clients[0].namespace

    @property
    def network(self) -> Network:
        return self.layout.networks[0]

    @property
    def ca_file(self) -> Path:
        """The authority that the world's certificates come from: for `--ca-file`."""
        return self.folder / "authority.pem"

    @property
    def geo_file(self) -> Path:
        """Who announces the lab's addresses, as a MaxMind DB, where it was asked for."""
        return self.folder / "geo.mmdb"

    def check_sealed(self) -> None:
        """Raises LabError where a packet could leave."""
        check_sealed(self.layout.cables, self.layout.world)

    def interfere(self, asn: int, recipes: Sequence[Interference]) -> None:
        """From the return on, this is what that ISP does; what it did before is lifted."""
        self._recipes[asn] = tuple(recipes)
        self._ready([self._set(router) for router in self.routers if router.customers.isp.asn == asn])
        self._world.tell(self._resolvers())

    def fail(self, outages: Sequence[Outage]) -> None:
        """From the return on, these sites fail for everybody, and no others."""
        self._outages = tuple(outages)
        apply_rules(self.layout.world, world_rules(self._outages, self.world), ipv6=False)
        self._world.tell(self._resolvers())

    def measure(self, arguments: Sequence[str], timeout: float = 120, at: str | None = None) -> list[dict[str, Any]]:
        """What `probe measure` prints, one object a line, in the namespace given or at the first vantage point. It has
        the lab's table of networks where there is one."""
        geo = ["--geo", str(self.geo_file)] if self._geo else []
        done = self._probe(at or self.vantage, ["measure", *arguments, *geo, "--format", "json"], timeout)
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def control(self, arguments: Sequence[str], timeout: float = 120) -> Path:
        """The expectations that a control makes of the same targets, from a network that nobody censors."""
        file = self.folder / "expectations.json"
        self.measure([*arguments, "--save-expectations", str(file)], timeout, self.layout.control)
        return file

    def run(self, namespace: str, command: list[str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Any command, inside a namespace of the lab."""
        return run_inside(namespace, command, self.folder, timeout)

    def end(self, namespace: str) -> None:
        """All that runs there; whoever waits for it is told."""
        end_processes(namespace)

    def _probe(self, namespace: str, arguments: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "probe", *arguments, "--ca-file", str(self.ca_file)]
        done = self.run(namespace, command, timeout)
        if done.returncode not in _DONE:
            said = [line for line in done.stderr.splitlines() if any(letter.isalpha() for letter in line)]
            last = said[-1].strip(" |") if said else "it said nothing"
            raise CommandFailed(f"`probe {' '.join(arguments)}` ended with {done.returncode}: {last}")
        return done

    def _lay_cables(self) -> None:
        held = claim()
        self._stack.callback(held.release)
        self.folder = held.folder
        isps, clients = [c.isp for c in self._customers], [c.clients for c in self._customers]
        self.layout = Layout(held.id, isps, self.world, self._ipv6, clients=clients, controls=self._controls)
        self.routers = tuple(
            Router(customers, network, self.layout, self.world, self._ipv6)
            for customers, network in zip(self._customers, self.layout.networks, strict=True)
        )
        for router in self.routers:
            self._stack.callback(router.stop)
        build(self.layout, self._nameservers())
        if self._geo:
            write_mmdb(self.world.origins, self.geo_file)

    def _nameservers(self) -> dict[str, str]:
        nameservers = {point.namespace: point.control.resolver for point in self.layout.controls}
        for router in self.routers:
            isp = router.customers.isp
            used = router.customers.resolver or (self._ipv6 == "nat64" and isp.resolver6) or isp.resolver
            nameservers.update({client.namespace: used for client in router.network.clients})
        return nameservers

    def _start_processes(self) -> None:
        authority = Authority.create("Lab Root CA")
        self.ca_file.write_bytes(authority.public_pem())
        self._world = self._start(self.layout.world, "probe.lab.world", self._world_spec(authority))
        self._stack.callback(self._world.stop)
        self._ready([self._world, *self._translators(), *(self._set(router) for router in self.routers)])

    def _translators(self) -> list[Server]:
        """Between customers without IPv4 and the rest of the world."""
        started = []
        for network in self.layout.networks if self._ipv6 == "nat64" else ():
            customers = {client.ipv6: client.address for client in network.clients}
            started.append(self._start(network.router, "probe.lab.nat64", Nat64Spec(customers=customers)))
            self._stack.callback(started[-1].stop)
        return started

    def _set(self, router: Router) -> Server | None:
        return router.interfere(self._recipes[router.customers.isp.asn], self._start, self.folder)

    def _resolvers(self) -> tuple[Resolver, ...]:
        """All of the world's, each as it answers now."""
        own = {c.isp.resolver: isp_resolver(c.isp, self._recipes[c.isp.asn]) for c in self._customers}
        honest = {control.resolver: Resolver(addresses=(control.resolver,)) for control in self._controls}
        return without_names((*(honest | own).values(), *self._further), self._outages)

    def _world_spec(self, authority: Authority) -> WorldSpec:
        private = write_private(self.folder / "authority.key", authority.private_pem())
        subnets = [subnet for c in self._customers for subnet in (c.isp.subnet, c.isp.ipv6)]
        return WorldSpec(world=self.world, authority=str(private), folder=str(self.folder), isps=(*subnets, _TRANSIT))

    def _start(self, namespace: str, module: str, spec: msgspec.Struct) -> Server:
        file = self.folder / f"{namespace}.{module.rpartition('.')[2]}.json"
        file.write_bytes(msgspec.json.encode(spec))
        return Server(namespace, module, file, self.folder)

    @staticmethod
    def _ready(servers: Sequence[Server | None]) -> None:
        for server in servers:
            if server is not None:
                server.wait_until_ready()

    def _close(self) -> None:
        with deferred():
            self._stack.close()
