"""A fault of the sites themselves: they fail for everybody, censor or no censor."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from probe.lab.model import Answer, Resolver, World

_SERVFAIL = Answer(kind="servfail")


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """`names`: the sites' servers say nothing, refuse every connection, or their names are no longer found because
    the servers that know them are gone: every resolver in the world then says SERVFAIL."""

    names: tuple[str, ...]
    how: Literal["silent", "refused", "names"] = "silent"


def world_rules(outages: Sequence[Outage], world: World) -> str:
    """For the world's own namespace, as `iptables-restore` reads it; empty where all is well."""
    lines = [
        f"-A INPUT -d {address} {'-p tcp -j REJECT --reject-with tcp-reset' if outage.how == 'refused' else '-j DROP'}"
        for outage in outages
        if outage.how != "names"
        for name in outage.names
        for address in world.addresses(name)
        if ":" not in address
    ]
    return "\n".join(["*filter", *lines, "COMMIT", ""]) if lines else ""


def without_names(resolvers: Iterable[Resolver], outages: Sequence[Outage]) -> tuple[Resolver, ...]:
    """The resolvers as they answer during the outages, which no forger's answer outlasts but its own."""
    lost = {name: _SERVFAIL for outage in outages if outage.how == "names" for name in outage.names}
    return tuple(msgspec.structs.replace(resolver, answers=lost | resolver.answers) for resolver in resolvers)
