"""The censor's process: reads which recipes hold, and plays the parts that the kernel's own filters cannot."""

from functools import partial
from pathlib import Path

import msgspec
import trio

from probe.lab.censor.cable import Cables
from probe.lab.censor.filters import Middlebox
from probe.lab.censor.interception import Interception
from probe.lab.censor.nfqueue import PacketQueue
from probe.lab.censor.spec import CensorSpec
from probe.lab.interference import CaptivePortal, TransparentDns
from probe.lab.lifeline import until_abandoned
from probe.lab.model import Answer, Resolver
from probe.lab.ports import DNS_PORT
from probe.lab.world.dns import Zone, serve_udp


def read_spec(path: str) -> CensorSpec:
    return msgspec.json.decode(Path(path).read_bytes(), type=CensorSpec)


async def serve(spec: CensorSpec) -> None:
    middlebox = Middlebox(spec.recipes, Cables(spec.cables))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(PacketQueue().serve, middlebox.passes)
        await Interception(spec.recipes, Path(spec.folder)).serve(nursery)
        zone = Zone(spec.world.zone(), spec.world.origins)
        for resolver in _resolvers(spec):
            await nursery.start(partial(serve_udp, "0.0.0.0", DNS_PORT, resolver, zone))
        await until_abandoned()
        nursery.cancel_scope.cancel()


def _resolvers(spec: CensorSpec) -> list[Resolver]:
    """The router's own, at most one: a portal answers every name with itself."""
    if any(isinstance(recipe, CaptivePortal) and recipe.names for recipe in spec.recipes):
        everything = {".": Answer(addresses=(spec.gateway,))}
        return [Resolver(addresses=(spec.gateway,), answers=everything, delay=0.001)]
    answers = (recipe.answers for recipe in spec.recipes if isinstance(recipe, TransparentDns))
    return [Resolver(addresses=(spec.resolver,), answers=a, delay=0.001) for a in answers][:1]
