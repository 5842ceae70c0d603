"""Recipes as netfilter rules for `iptables-restore`: what the kernel does itself, and what it hands to the censor.

`lan+` are the router's interfaces to clients, `wan` the one to the world. Connections that a name singled out carry a
mark of their own, a bit a recipe.
"""

from collections.abc import Iterable, Iterator
from functools import singledispatch

import msgspec

from probe.lab.interference import (
    AddressFilter,
    CaptivePortal,
    Cutoff,
    DataFilter,
    DnsInjection,
    DomesticOnly,
    Interference,
    Loss,
    NameFilter,
    NoticeInjection,
    Offline,
    SharedAddress,
    Throttle,
    TlsInterception,
    TransparentDns,
)
from probe.lab.model import Isp, World
from probe.lab.patterns import PORTS, Layer, by_kernel, patterns
from probe.lab.ports import DNS_PORT, PORTAL_PORT, TLS_PORT

_WITH_DATA = "-m length --length 70:65535"  # bytes; a client's segments without data are shorter, IPv4 and IPv6
_QUEUE = "-j NFQUEUE --queue-num 0"
_WEB = "-p tcp -m multiport --dports 80,443"
_RESET = "-j REJECT --reject-with tcp-reset"

Rule = tuple[str, str]  # table, line


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a recipe is to hold, and the mark that is its own."""

    world: World
    isp: Isp
    ipv6: bool
    mark: int

    def addresses(self, targets: tuple[str, ...]) -> list[str]:
        """Those of this family."""
        return [a for target in targets for a in self.world.addresses(target) if (":" in a) == self.ipv6]


def ruleset(recipes: Iterable[Interference], world: World, isp: Isp, *, ipv6: bool) -> str:
    """For one family, as `iptables-restore` reads it; empty where nothing is to be done."""
    tables: dict[str, list[str]] = {}
    for position, recipe in enumerate(recipes):
        place = Place(world=world, isp=isp, ipv6=ipv6, mark=1 << position)
        for table, line in rules_of(recipe, place):
            if line not in tables.setdefault(table, []):
                tables[table].append(line)
    return "".join("\n".join([f"*{table}", *_queues_last(lines), "COMMIT", ""]) for table, lines in tables.items())


def _queues_last(lines: list[str]) -> list[str]:
    """What the queue lets pass goes on at the next table, past the rest of its own."""
    return sorted(lines, key=lambda line: "NFQUEUE" in line)


def needs_censor(rules: str) -> bool:
    """Whether something must stand ready behind the rules: a queue or a redirection."""
    return "NFQUEUE" in rules or "REDIRECT" in rules


@singledispatch
def rules_of(recipe: Interference, place: Place) -> Iterator[Rule]:
    """None for what the world's resolvers do."""
    del recipe, place
    yield from ()


@rules_of.register
def _(recipe: AddressFilter, place: Place) -> Iterator[Rule]:
    unreachable = "icmp6-addr-unreachable" if place.ipv6 else "icmp-host-unreachable"
    prohibited = "icmp6-adm-prohibited" if place.ipv6 else "icmp-admin-prohibited"
    does = {
        "drop": "-j DROP",
        "reset": _RESET,
        "unreachable": f"-j REJECT --reject-with {unreachable}",
        "prohibited": f"-j REJECT --reject-with {prohibited}",
    }[recipe.action]
    tcp = " -p tcp" if recipe.action == "reset" else ""
    matches = [f" -p {recipe.protocol} --dport {port}" for port in recipe.ports] or [tcp]
    for address in place.addresses(recipe.targets):
        for match in matches:
            yield "filter", f"-A FORWARD -i lan+ -d {address}{match} {does}"


@rules_of.register
def _(recipe: DataFilter, place: Place) -> Iterator[Rule]:
    does = "-j DROP" if recipe.action == "drop" else _RESET
    for address in place.addresses(recipe.targets):
        for port in recipe.ports:
            yield "filter", f"-A FORWARD -i lan+ -d {address} -p tcp --dport {port} {_WITH_DATA} {does}"


@rules_of.register
def _(recipe: NameFilter, place: Place) -> Iterator[Rule]:
    del place
    if not by_kernel(recipe):
        yield "mangle", f"-A FORWARD -i lan+ {_WEB} {_QUEUE}"
        return
    for match in _searches(recipe.names, recipe.layer):
        yield "filter", f"-A FORWARD -i lan+ {match} {'-j DROP' if recipe.action == 'drop' else _RESET}"


@rules_of.register
def _(recipe: NoticeInjection, place: Place) -> Iterator[Rule]:
    del recipe, place
    yield "mangle", f"-A FORWARD -i lan+ {_WEB} {_QUEUE}"


@rules_of.register
def _(recipe: DnsInjection, place: Place) -> Iterator[Rule]:
    del recipe, place
    yield "mangle", f"-A FORWARD -i lan+ -p udp --dport 53 {_QUEUE}"


@rules_of.register
def _(recipe: Cutoff, place: Place) -> Iterator[Rule]:
    mark = f"{place.mark:#x}/{place.mark:#x}"
    for line in _marking(recipe.names, place.mark):
        yield "mangle", line
    spent = f"-m connbytes --connbytes {recipe.after}: --connbytes-dir reply --connbytes-mode bytes"
    yield "filter", f"-A FORWARD -i wan -m connmark --mark {mark} {spent} -j DROP"


@rules_of.register
def _(recipe: Throttle, place: Place) -> Iterator[Rule]:
    policer = (
        f"-m hashlimit --hashlimit-above {recipe.rate}kb/s --hashlimit-mode srcip,srcport,dstip,dstport"
        f" --hashlimit-name throttle{place.mark}{6 if place.ipv6 else 4} -j DROP"
    )
    if not recipe.names:
        yield "filter", f"-A FORWARD -p tcp {policer}"
        return
    for line in _marking(recipe.names, place.mark):
        yield "mangle", line
    if recipe.taints:
        yield from _tainting(recipe, place)
    yield "filter", f"-A FORWARD -m connmark --mark {place.mark:#x}/{place.mark:#x} {policer}"


@rules_of.register
def _(recipe: TlsInterception, place: Place) -> Iterator[Rule]:
    """For names, only connections to their addresses: others never meet the box."""
    if place.ipv6:
        return
    onto = f"-p tcp --dport 443 -j REDIRECT --to-ports {TLS_PORT}"
    for address in place.addresses(recipe.names) if recipe.names else ["0.0.0.0/0"]:
        yield "nat", f"-A PREROUTING -i lan+ -d {address} {onto}"


@rules_of.register
def _(recipe: TransparentDns, place: Place) -> Iterator[Rule]:
    del recipe
    if not place.ipv6:
        yield "nat", f"-A PREROUTING -i lan+ -p udp --dport 53 -j REDIRECT --to-ports {DNS_PORT}"


@rules_of.register
def _(recipe: CaptivePortal, place: Place) -> Iterator[Rule]:
    if not place.ipv6:
        if recipe.names:
            yield "nat", f"-A PREROUTING -i lan+ -p udp --dport 53 -j REDIRECT --to-ports {DNS_PORT}"
        yield "nat", f"-A PREROUTING -i lan+ -p tcp --dport 443 -j REDIRECT --to-ports {TLS_PORT}"
        yield "nat", f"-A PREROUTING -i lan+ -p tcp -j REDIRECT --to-ports {PORTAL_PORT}"
    open_port = "" if recipe.names or place.ipv6 else "-p udp ! --dport 53 "
    yield "filter", f"-A FORWARD -i lan+ {open_port}-j DROP"


@rules_of.register
def _(recipe: DomesticOnly, place: Place) -> Iterator[Rule]:
    del recipe
    for prefix in place.isp.domestic:
        if (":" in prefix) == place.ipv6:
            yield "filter", f"-A FORWARD -i lan+ -d {prefix} -j RETURN"
    yield "filter", "-A FORWARD -i lan+ -j DROP"


@rules_of.register
def _(recipe: Offline, place: Place) -> Iterator[Rule]:
    del place
    if recipe.how == "drop":
        yield "filter", "-A FORWARD -j DROP"


@rules_of.register
def _(recipe: Loss, place: Place) -> Iterator[Rule]:
    """Ahead of all other filters: what is lost meets none of them."""
    del place
    yield "filter", f"-I FORWARD -m statistic --mode random --probability {recipe.share} -j DROP"


@rules_of.register
def _(recipe: SharedAddress, place: Place) -> Iterator[Rule]:
    del recipe
    if not place.ipv6:
        yield "nat", "-A POSTROUTING -o wan -j MASQUERADE"


def _marking(names: tuple[str, ...], mark: int) -> Iterator[str]:
    for layer in PORTS:
        for match in _searches(names, layer):
            yield f"-A FORWARD -i lan+ {match} -j CONNMARK --or-mark {mark:#x}"


def _tainting(recipe: Throttle, place: Place) -> Iterator[Rule]:
    """The kernel's list of recent addresses keeps the destinations; this is for all clients of the router."""
    recent = f"-m recent --name taint{place.mark}{6 if place.ipv6 else 4} --rdest"
    for layer in PORTS:
        for match in _searches(recipe.names, layer):
            yield "mangle", f"-A FORWARD -i lan+ {match} {recent} --set"
    tainted = f"{recent} --rcheck --seconds {recipe.taints} -j CONNMARK --or-mark {place.mark:#x}"
    yield "mangle", f"-A FORWARD -i lan+ {tainted}"


def _searches(names: tuple[str, ...], layer: Layer) -> Iterator[str]:
    for name in names:
        for pattern in patterns(name, layer):
            search = f"-m string --algo bm --icase --hex-string |{pattern.hex()}|"
            yield f"-p tcp --dport {PORTS[layer]} {search}"
