"""A lab: a world, an ISP that interferes, a vantage point behind it and a control that nobody interferes with."""

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
from probe.lab.censor.spec import Cable, CensorSpec
from probe.lab.interference import Interference, Offline
from probe.lab.interruption import deferred, termination_unwinds
from probe.lab.layout import CONTROL_RESOLVER, Ipv6, Layout, Network
from probe.lab.model import TURK_TELEKOM, CommandFailed, Isp, Resolver, World
from probe.lab.namespaces import apply_rules, build, claim, sweep
from probe.lab.processes import Server, run_inside
from probe.lab.rules import needs_censor, ruleset
from probe.lab.sealed import check_machine, check_sealed
from probe.lab.tampering import isp_resolver
from probe.lab.world.spec import WorldSpec

_DONE = (0, 3)  # exit statuses of the command line: done, and done with something blocked
_TRANSIT = "195.175.200.0/24"
_IPV6_BROKEN = "*filter\n-A FORWARD -j DROP\nCOMMIT\n"


class Lab:
    """`with Lab(world, recipes) as lab:` builds it, and takes all of it away at the end, also when interrupted.

    `resolver` is the one that the vantage point uses where it is not the ISP's. Raises LabError where it cannot be
    built or a packet could leave it.
    """

    def __init__(
        self,
        world: World,
        interferences: Sequence[Interference] = (),
        *,
        isp: Isp = TURK_TELEKOM,
        resolver: str | None = None,
        ipv6: Ipv6 = "none",
    ) -> None:
        self._recipes = tuple(interferences)
        self._isp = isp
        self._resolver = resolver or isp.resolver
        self._ipv6 = ipv6
        own = (isp_resolver(isp, self._recipes), Resolver(addresses=(CONTROL_RESOLVER,)))
        self.world = msgspec.structs.replace(world, resolvers=(*own, *world.resolvers))
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
        """The namespace of the vantage point."""
        return self.network.clients[0].namespace

    @property
    def network(self) -> Network:
        return self.layout.networks[0]

    @property
    def ca_file(self) -> Path:
        """The authority that the world's certificates come from: for `--ca-file`."""
        return self.folder / "authority.pem"

    def check_sealed(self) -> None:
        """Raises LabError where a packet could leave."""
        check_sealed(self.layout.cables, self.layout.world)

    def measure(self, arguments: Sequence[str], timeout: float = 120) -> list[dict[str, Any]]:
        """What `probe measure` prints at the vantage point, one object a line."""
        done = self._probe(self.vantage, ["measure", *arguments, "--format", "json"], timeout)
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def control(self, arguments: Sequence[str], timeout: float = 120) -> Path:
        """The expectations that a control makes of the same targets, from a network that nobody censors."""
        file = self.folder / "expectations.json"
        saving = ["--format", "json", "--save-expectations", str(file)]
        self._probe(self.layout.control, ["measure", *arguments, *saving], timeout)
        return file

    def run(self, namespace: str, command: list[str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Any command, inside a namespace of the lab."""
        return run_inside(namespace, command, self.folder, timeout)

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
        self.layout = Layout(held.id, [self._isp], self.world, self._ipv6)
        build(self.layout, {self.vantage: self._resolver, self.layout.control: CONTROL_RESOLVER})

    def _start_processes(self) -> None:
        authority = Authority.create("Lab Root CA")
        self.ca_file.write_bytes(authority.public_pem())
        servers = [self._world_server(authority)]
        rules = ruleset(self._recipes, self.world, self._isp, ipv6=False)
        rules6 = ruleset(self._recipes, self.world, self._isp, ipv6=True) if self._ipv6 != "none" else ""
        if needs_censor(rules + rules6):
            servers.append(self._censor_server())
        self._interfere(rules, rules6)
        for server in servers:
            server.wait_until_ready()

    def _interfere(self, rules: str, rules6: str) -> None:
        if rules:
            apply_rules(self.network.router, rules, ipv6=False)
        if self._ipv6 == "broken":
            apply_rules(self.network.router, _IPV6_BROKEN, ipv6=True)
        elif rules6:
            apply_rules(self.network.router, rules6, ipv6=True)
        if Offline(how="unplugged") in self._recipes:
            self.run(self.network.router, ["ip", "link", "set", "wan", "down"])

    def _world_server(self, authority: Authority) -> Server:
        private = write_private(self.folder / "authority.key", authority.private_pem())
        spec = WorldSpec(
            world=self.world,
            authority=str(private),
            folder=str(self.folder),
            isps=(self._isp.subnet, self._isp.ipv6, _TRANSIT),
        )
        return self._server(self.layout.world, "probe.lab.world", spec)

    def _censor_server(self) -> Server:
        network = self.network
        spec = CensorSpec(
            recipes=self._recipes,
            cables=tuple(
                Cable(interface=c.interface, mac=c.mac, addresses=(c.address, c.ipv6)) for c in network.clients
            ),
            gateway=network.gateway,
            resolver=self._isp.resolver,
            folder=str(self.folder),
            world=self.world,
        )
        return self._server(network.router, "probe.lab.censor", spec)

    def _server(self, namespace: str, module: str, spec: msgspec.Struct) -> Server:
        file = self.folder / f"{namespace}.json"
        file.write_bytes(msgspec.json.encode(spec))
        server = Server(namespace, module, file, self.folder)
        self._stack.callback(server.stop)
        return server

    def _close(self) -> None:
        with deferred():
            self._stack.close()
