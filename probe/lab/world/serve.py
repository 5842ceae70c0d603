"""The world's process: reads what there is to serve, listens everywhere, says so."""

from functools import partial
from pathlib import Path

import msgspec
import trio

from probe.lab.authority import Authority
from probe.lab.lifeline import until_abandoned
from probe.lab.model import Resolver, World
from probe.lab.world.certificates import Certificates
from probe.lab.world.dns import Zone, serve_tcp, serve_udp
from probe.lab.world.pages import Ask
from probe.lab.world.spec import WorldSpec
from probe.lab.world.web import Web


def read_spec(path: str) -> WorldSpec:
    return msgspec.json.decode(Path(path).read_bytes(), type=WorldSpec)


async def serve(spec: WorldSpec) -> None:
    zone = Zone(spec.world.zone(), spec.world.origins)
    web = Web(spec.world.sites, _certificates(spec), spec.isps, _asker(spec.world, zone))
    async with trio.open_nursery() as nursery:
        for resolver in spec.world.resolvers:
            for address in resolver.addresses:
                await nursery.start(serve_udp, address, 53, resolver, zone)
                await nursery.start(serve_tcp, address, resolver, zone)
        await nursery.start(web.serve)
        await until_abandoned(partial(_change, zone))
        nursery.cancel_scope.cancel()


def _change(zone: Zone, line: bytes) -> None:
    """A line from the starter: resolvers that answer otherwise from now on."""
    zone.change(msgspec.json.decode(line, type=tuple[Resolver, ...]))


def _certificates(spec: WorldSpec) -> Certificates:
    return Certificates(Authority.load(Path(spec.authority).read_bytes()), Path(spec.folder))


def _asker(world: World, zone: Zone) -> Ask:
    """How DNS over HTTPS reaches the resolver behind it."""
    resolvers = {address: resolver for resolver in world.resolvers for address in resolver.addresses}

    async def ask(address: str, query: bytes, client: str) -> bytes | None:
        resolver = resolvers[address]
        await trio.sleep(resolver.delay)
        replies = zone.respond(query, resolver, stream=True, client=client)
        return replies[0] if replies else None

    return ask
