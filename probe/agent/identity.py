"""Which network a measurement is from: by the collector's lease while it holds, else by what this machine can find out
itself. Looked at again whenever the machine moves."""

import dataclasses
from collections.abc import Callable

import msgspec

from probe.agent.leases import Held, Leases
from probe.agent.watch import moved
from probe.catalogue.geo import GeoTables
from probe.clock import Clock
from probe.measure.context import Context
from probe.measure.identity import attachment, identify
from probe.wire.measurement import Network

_AGAIN = 3600.0  # seconds: an address may change behind a router that stays


@dataclasses.dataclass(frozen=True)
class Identified:
    """Who a measurement is from: facts, and the lease that they rest on."""

    network: Network
    held: Held | None = None

    @property
    def lease(self) -> str | None:
        return self.held.key if self.held is not None else None

    @property
    def vpn(self) -> bool:
        return bool(self.network.vpn)


class Attached:
    """What the machine is attached to, as long as it does not move: the kernel's knowledge of its neighbours comes and
    goes on one and the same network."""

    def __init__(self, look: Callable[[], frozenset[str]] = attachment) -> None:
        self._look = look
        self._given = self._seen = look()

    def __call__(self) -> frozenset[str]:
        seen = self._look()
        if moved(self._seen, seen):
            self._given = self._seen = seen
        elif len(seen) > len(self._seen):
            self._seen = seen
        return self._given


class Identity:
    """`geo` and `ask_strangers` as the owner configured them."""

    def __init__(
        self,
        clock: Clock,
        leases: Leases,
        attached: Callable[[], frozenset[str]],
        geo: GeoTables | None = None,
        *,
        ask_strangers: bool = False,
    ) -> None:
        self._clock, self._leases, self._attached = clock, leases, attached
        self._geo, self._ask_strangers = geo, ask_strangers
        self._local = Network()
        self._looked: tuple[float, frozenset[str]] | None = None

    async def look(self, context: Context) -> None:
        """Where the machine moved since, or an hour has passed."""
        now, attached = self._clock.monotonic(), self._attached()
        if self._looked is not None and now - self._looked[0] < _AGAIN and self._looked[1] == attached:
            return
        self._local = await identify(context, self._geo, ask_strangers=self._ask_strangers)
        self._looked = (now, attached)

    def now(self) -> Identified:
        local = self._local if self._looked is not None and self._looked[1] == self._attached() else Network()
        held = self._leases.held()
        if held is None:
            return Identified(local)
        lease = held.lease
        return Identified(
            msgspec.structs.replace(
                local,
                asn=lease.asn or local.asn,
                country=lease.country or local.country,
                name=lease.name or local.name,
                hosting=lease.hosting or local.hosting,
            ),
            held,
        )

    def still(self, identified: Identified) -> Identified:
        """What a measurement that began so may carry at its end."""
        held = identified.held
        if held is None or self._leases.still(held):
            return identified
        return Identified(identified.network)

    @property
    def by(self) -> str | None:
        """What the present identity rests on."""
        held, network = self._leases.held(), self.now().network
        if held is not None and (held.lease.asn or held.lease.country):
            return "lease"
        return "local" if network.asn or network.country else None
