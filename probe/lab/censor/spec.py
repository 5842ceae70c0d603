"""What a censor's process is told."""

import msgspec

from probe.lab.interference import Interference
from probe.lab.model import World


class Cable(msgspec.Struct, frozen=True, kw_only=True):
    """The router's interface to one client, the client's hardware address, and its addresses."""

    interface: str
    mac: str
    addresses: tuple[str, ...]


class CensorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`gateway` is the router's address towards its clients, `resolver` the one in whose place it may answer."""

    recipes: tuple[Interference, ...]
    cables: tuple[Cable, ...]
    gateway: str
    resolver: str
    folder: str
    world: World
