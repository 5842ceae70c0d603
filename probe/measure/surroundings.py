"""What stands between the probe and the world: looked at once a round, before any platform is."""

import dataclasses
import ipaddress
import secrets
import string

import trio

from probe.catalogue.model import Anchor
from probe.catalogue.targets import parse_target
from probe.measure.context import Context, Timeouts
from probe.measure.flow import Flow
from probe.measure.recorder import Recorder, drop
from probe.measure.task import Task
from probe.net.interfaces import local_addresses
from probe.verdict.seen import all_bogus
from probe.wire.addresses import parse_address
from probe.wire.measurement import AnchorSeen, Surroundings
from probe.wire.steps import HttpStep
from probe.wire.vocabulary import Failure, Purpose

_LETTERS = 20  # a new name each time: resolvers remember what does not exist (RFC 2308)
_WELL_KNOWN = {int(ipaddress.IPv4Address("192.0.0.170")), int(ipaddress.IPv4Address("192.0.0.171"))}
_TIMEOUTS = Timeouts(dns=3.0, tcp=4.0, tls=5.0, http_idle=5.0, http_whole=10.0)
_IPV6_SCALE = 0.5  # a working path answers at once, a broken one not at all


async def look_around(context: Context) -> Surroundings:
    """Anchors, a name that does not exist, IPv6 and the trusted resolvers, side by side."""
    quick = dataclasses.replace(context, mode="light", timeouts=_TIMEOUTS, surroundings=_assumed(context))
    look = _Look(quick)
    async with trio.open_nursery() as nursery:
        for anchor in look.anchors:
            nursery.start_soon(look.at_anchor, anchor)
        for part in (look.at_rewriting, look.at_ipv6, look.at_nat64):
            nursery.start_soon(part)
        if context.mode != "light":
            nursery.start_soon(look.at_trusted_resolvers)
    return look.surroundings()


def _assumed(context: Context) -> Surroundings | None:
    """That IPv6 works, where this machine has nothing else: else its anchors would all be silent."""
    own = local_addresses(context.source)
    return Surroundings(ipv6=True) if own and all(":" in address for address in own) else None


class _Look:
    def __init__(self, context: Context) -> None:
        self.context = context
        country = context.network.country
        self.anchors = [anchor for anchor in context.infrastructure.anchors if anchor.country in {None, country}]
        self.flows: dict[str, Flow] = {}
        self.rewrite: tuple[str, ...] = ()
        self.ipv6 = False
        self.nat64: str | None = None
        self.trusted: bool | None = None

    def surroundings(self) -> Surroundings:
        asked = list(self.flows.values())
        return Surroundings(
            anchors=tuple(_seen(anchor, self.flows[anchor.url]) for anchor in self.anchors),
            rewrite=self.rewrite,
            resolver_ok=any(flow.told for flow in asked) if asked else None,
            private_neutral=any(all_bogus(flow.told) for flow in asked if flow.target.scheme == "https"),
            ipv6=self.ipv6,
            nat64=self.nat64,
            trusted_resolvers=self.trusted,
        )

    async def at_anchor(self, anchor: Anchor) -> None:
        flow = self.flows[anchor.url] = Flow(Task(parse_target(anchor.url)), self.context)
        await flow.visit()
        if not flow.told and flow.usable(flow.trusted):
            flow.reached = await flow.attempt(flow.usable(flow.trusted), Purpose.TRUSTED_ADDRESS)

    async def at_rewriting(self) -> None:
        label = "".join(secrets.choice(string.ascii_lowercase) for _ in range(_LETTERS))
        if self.context.resolvers:
            take = Recorder(self.context)
            steps = await take.ask(self.context.resolvers[0], f"{label}.com", Purpose.TARGET, qtypes=("A",))
            self.rewrite = tuple(answer for step in steps for answer in step.answers)

    async def at_ipv6(self) -> None:
        """By connecting: a route may exist and lead nowhere."""
        addresses = [place for resolver in self.context.infrastructure.resolvers for place in resolver.addresses]
        sixes = [place for place in addresses if (parsed := parse_address(place)) is not None and parsed.version == 6]
        take = Recorder(self.context)

        async def one(address: str) -> None:
            stream = await take.connect(address, 443, Purpose.TARGET, scale=_IPV6_SCALE)
            self.ipv6 = self.ipv6 or stream is not None
            await drop(stream)

        async with trio.open_nursery() as nursery:
            for address in sixes[::2]:
                nursery.start_soon(one, address)

    async def at_nat64(self) -> None:
        """A name with IPv4 addresses only has an IPv6 one where a resolver synthesises it (RFC 7050)."""
        if self.context.resolvers:
            take = Recorder(self.context)
            steps = await take.ask(self.context.resolvers[0], "ipv4only.arpa", Purpose.TARGET, qtypes=("AAAA",))
            self.nat64 = next(
                (prefix for step in steps for answer in step.answers if (prefix := _prefix(answer))), None
            )

    async def at_trusted_resolvers(self) -> None:
        self.trusted = bool(await Recorder(self.context).ask_trusted(self.context.infrastructure.neutral[0]))


def _prefix(answer: str) -> str | None:
    """The /96 before one of the two addresses that ipv4only.arpa has."""
    address = parse_address(answer)
    if address is None or address.version == 4 or int(address) & 0xFFFFFFFF not in _WELL_KNOWN:
        return None
    return str(ipaddress.ip_network((int(address), 96), strict=False))


def _seen(anchor: Anchor, flow: Flow) -> AnchorSeen:
    seen, failure, issuer = _secure(flow) if flow.target.scheme == "https" else _plain(anchor, flow)
    return AnchorSeen(
        url=anchor.url, operator=anchor.operator, country=anchor.country, seen=seen, failure=failure, issuer=issuer
    )


def _secure(flow: Flow) -> tuple[str, str | None, str | None]:
    """Any status over a valid certificate is right."""
    tls = flow.reached.tls
    if tls is None or tls.failure is not None:
        return _missing(flow, tls.failure if tls else None)
    return ("right", None, None) if tls.trusted else ("wrong", tls.chain_failure, tls.issuer)


def _plain(anchor: Anchor, flow: Flow) -> tuple[str, str | None, str | None]:
    page = flow.reached.page
    if page is None or page.failure is not None:
        return _missing(flow, page.failure if page else None)
    return ("right" if _as_known(anchor, page) else "wrong"), None, None


def _missing(flow: Flow, failure: str | None) -> tuple[str, str | None, None]:
    """A neutral name that resolves to no public address is a wrong answer; all else is silence."""
    if all_bogus(flow.told):
        return "wrong", Failure.DNS_BOGON_ERROR, None
    failures = [step.failure for step in flow.take.steps if step.failure and step.failure != Failure.DNS_NO_ANSWER]
    return "silent", failure or (failures[0] if failures else None), None


def _as_known(anchor: Anchor, page: HttpStep) -> bool:
    if anchor.status is not None and page.status != anchor.status:
        return False
    if anchor.title is not None and page.title != anchor.title:
        return False
    return anchor.body is None or page.body.decode("utf-8", "replace").strip() == anchor.body.strip()
