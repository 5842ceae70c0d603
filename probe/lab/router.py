"""An ISP's router while the lab runs: the rules of its kernel, and the censor's process behind them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from probe.lab.censor.spec import Cable, CensorSpec
from probe.lab.interference import Interference, Offline
from probe.lab.layout import Ipv6, Layout, Network
from probe.lab.model import Isp, World
from probe.lab.namespaces import apply_rules, plug, unplug
from probe.lab.processes import Server
from probe.lab.rules import needs_censor, ruleset

_IPV6_BROKEN = "*filter\n-A FORWARD -j DROP\nCOMMIT\n"
_UNPLUGGED = Offline(how="unplugged")

Start = Callable[[str, str, msgspec.Struct], Server]  # of a module in a namespace, told this


class Customers(msgspec.Struct, frozen=True, kw_only=True):
    """Vantage points of an ISP behind one router. `home` is what their own equipment does, censor or no censor;
    `resolver` the one that they use where it is not the ISP's."""

    isp: Isp
    clients: int = 1
    home: tuple[Interference, ...] = ()
    resolver: str | None = None


class Router:
    def __init__(self, customers: Customers, network: Network, layout: Layout, world: World, ipv6: Ipv6) -> None:
        self.customers = customers
        self.network = network
        self._layout, self._world, self._ipv6 = layout, world, ipv6
        self._rules = ("", "")
        self._plugged = True
        self._censor: Server | None = None

    def interfere(self, recipes: Sequence[Interference], start: Start, folder: Path) -> Server | None:
        """These recipes, and those of the customers' own homes, in the place of all that held before. What is returned
        is still to become ready."""
        recipes = (*recipes, *self.customers.home)
        rules = ruleset(recipes, self._world, self.network.isp, ipv6=False)
        rules6 = self._six(recipes)
        self._plug(_UNPLUGGED not in recipes)
        self.stop()
        if needs_censor(rules + rules6):
            self._censor = start(self.network.router, "probe.lab.censor", self._spec(recipes, folder))
        self._apply(rules, rules6)
        return self._censor

    def stop(self) -> None:
        """The process; the rules go with the namespace."""
        if self._censor is not None:
            self._censor.stop()
            self._censor = None

    def _six(self, recipes: Sequence[Interference]) -> str:
        match self._ipv6:
            case "none":
                return ""
            case "broken":
                return _IPV6_BROKEN
            case "works" | "nat64":
                return ruleset(recipes, self._world, self.network.isp, ipv6=True)

    def _apply(self, *rules: str) -> None:
        for new, old, ipv6 in zip(rules, self._rules, (False, True), strict=True):
            if new != old:
                apply_rules(self.network.router, new, ipv6=ipv6)
        self._rules = (rules[0], rules[1])

    def _plug(self, plugged: bool) -> None:
        if plugged and not self._plugged:
            plug(self._layout, self.network)
        elif self._plugged and not plugged:
            unplug(self.network)
        self._plugged = plugged

    def _spec(self, recipes: Sequence[Interference], folder: Path) -> CensorSpec:
        clients = self.network.clients
        return CensorSpec(
            recipes=tuple(recipes),
            cables=tuple(Cable(interface=c.interface, mac=c.mac, addresses=(c.address, c.ipv6)) for c in clients),
            gateway=self.network.gateway,
            resolver=self.network.isp.resolver,
            folder=str(folder),
            world=self._world,
        )
