"""What the world's process is told."""

import msgspec

from probe.lab.model import World


class WorldSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`folder` is the lab's own; `authority` a file with the key and certificate of the authority; `isps` the
    prefixes of the ISPs' clients."""

    world: World
    authority: str
    folder: str
    isps: tuple[str, ...] = ()
