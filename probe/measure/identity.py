"""Who am I: the network that a probe measures from, so that a block can be put down to it.

Public addresses, the probe's own and the one from which its resolver asks, are looked up in local tables, or, only
where the owner agreed, by a question over HTTPS about the network that they are in. They live in local variables of
this module: what it gives back is a `Network`, which holds none.
"""

import ipaddress
from collections.abc import Iterable

import msgspec
import trio

from probe.catalogue.geo import GeoTables, Place
from probe.catalogue.model import OriginZone, Tables, TracePage, WhoamiName
from probe.catalogue.targets import parse_target
from probe.measure.context import Context
from probe.measure.recorder import drop
from probe.net import tcp, tls
from probe.net.dns import query_udp
from probe.net.http import fetch
from probe.net.interfaces import attachment, local_addresses, tunnelled
from probe.net.trace import Trace
from probe.wire.addresses import is_public, parse_address
from probe.wire.measurement import Network

__all__ = ["attachment", "identify", "local_addresses", "tunnelled"]

PATIENCE = 6.0  # seconds for all of it: a network in which nothing answers is left unnamed
_PAGE_SECONDS = 2.0  # for each address of a page
_NAME_SECONDS = 1.5  # for each question
_PAGES_ADDRESSES = 2  # of each family
_KEPT_BITS = {4: 24, 6: 48}  # of an address, in a question to a stranger
_SUBNET = "edns0-client-subnet"


async def identify(context: Context, geo: GeoTables | None, *, ask_strangers: bool = False) -> Network:
    """ASN, country and name of the probe's network, the ASN of its resolver, and whether it looks like a VPN's or a
    hosting network. What could not be found out is absent. Without tables and without leave to ask strangers only the
    machine's own routes are looked at, and nothing is sent. Raises nothing of the network's making."""
    look = _Look(context, geo, ask_strangers)
    if geo is not None or ask_strangers:
        with trio.move_on_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(look.at_own)
                nursery.start_soon(look.at_resolver)
    return _network(look.own or Place(), look.resolver or Place(), context.library.tables, tunnelled())


def _network(own: Place, resolver: Place, tables: Tables, tunnel: bool | None) -> Network:
    asn = own.asn or 0
    vpn = True if own.vpn or asn in tables.vpn else tunnel
    hosting = own.hosting or asn in tables.hosting if own.asn or own.hosting is not None else None
    return Network(
        asn=own.asn,
        country=own.country,
        name=tables.networks.get(asn, own.name),
        resolver_asn=resolver.asn,
        vpn=vpn,
        hosting=hosting,
    )


class _Look:
    """`own` and `resolver` are filled as they are found, so that running out of time loses only what is missing."""

    def __init__(self, context: Context, geo: GeoTables | None, ask_strangers: bool) -> None:
        self._context, self._geo, self._ask_strangers = context, geo, ask_strangers
        self._trace = Trace(context.traffic)
        self.own: Place | None = None
        self.resolver: Place | None = None

    async def at_own(self) -> None:
        """IPv4 first: most of what is measured goes there, and IPv6 may be another network's tunnel."""
        local = local_addresses(self._context.source)
        for version in (4, 6):
            mine = [address for address in local if _version(address) == version]
            address = _first_public(mine) or (await self._shown_to_pages(version) if mine else None)
            if await self._is_mine(address):
                return
        await self._is_mine(await self._shown_to_trusted())

    async def _is_mine(self, address: str | None) -> bool:
        """Whether it tells the network."""
        place = await self._located(address) if address is not None else None
        self.own = place or self.own
        return place is not None and place.asn is not None

    async def at_resolver(self) -> None:
        """By where it comes out; where nobody abroad can tell, by where it stands."""
        names = [whoami for whoami in self._context.infrastructure.whoami if whoami.resolver is None]
        for resolver in self._context.resolvers:
            for whoami in names:
                egress = await self._egress(whoami, resolver)
                if egress is not None and (place := await self._located(egress)) is not None:
                    self.resolver = place
                    return
            if (place := await self._located(resolver)) is not None:
                self.resolver = place
                return

    # --- what others see ---

    async def _shown_to_pages(self, version: int) -> str | None:
        for page in self._context.infrastructure.traces:
            for place in [place for place in page.addresses if _version(place) == version][:_PAGES_ADDRESSES]:
                address = None
                with trio.move_on_after(_PAGE_SECONDS):
                    address = await self._shown_to(page, place)
                if address is not None:
                    return address
        return None

    async def _shown_to(self, page: TracePage, place: str) -> str | None:
        """What the page says of its visitor, if it comes over a valid certificate."""
        context, target = self._context, parse_target(page.url)
        _, stream = await tcp.connect(
            self._trace, place, target.port, source=context.source_for(place), allowed=context.allowed
        )
        if stream is None:
            return None
        shaken, secure = await tls.handshake(
            self._trace, stream, place, target.port, target.host, roots=context.roots, now=context.today()
        )
        if secure is None or not shaken.trusted:
            await drop(secure)
            return None
        shown = await fetch(
            self._trace, secure, page.url, address=place, port=target.port, alpn=shaken.alpn, trusted=True
        )
        await drop(secure)
        lines = shown.body.decode("ascii", "replace").splitlines() if shown.status == 200 else []
        return _first_public(line.removeprefix("ip=") for line in lines if line.startswith("ip="))

    async def _shown_to_trusted(self) -> str | None:
        """A trusted resolver tells where a question came from, cut to its network."""
        for whoami in self._context.infrastructure.whoami:
            for trusted in self._context.trusted:
                if trusted.url == whoami.resolver:
                    step = await trusted.query(self._trace, whoami.name, whoami.qtype, timeout=_NAME_SECONDS)
                    said = [text.split() for text in step.answers if text.startswith(_SUBNET)]
                    network = _first_public(words[1].partition("/")[0] for words in said if len(words) > 1)
                    if network is not None:
                        return network
        return None

    async def _egress(self, whoami: WhoamiName, resolver: str) -> str | None:
        step = await query_udp(
            self._trace,
            whoami.name,
            whoami.qtype,
            resolver,
            timeout=_NAME_SECONDS,
            linger=0.0,
            source=self._context.source_for(resolver),
        )
        return _first_public(step.answers)

    # --- where that is ---

    async def _located(self, address: str) -> Place | None:
        place = self._geo.locate(address) if self._geo is not None else None
        if not self._ask_strangers or (place is not None and place.asn is not None):
            return place
        for zone in self._context.infrastructure.origins:
            told = await self._told(zone, address)
            if told is not None:
                return told if place is None else msgspec.structs.replace(told, country=place.country or told.country)
        return place

    async def _told(self, zone: OriginZone, address: str) -> Place | None:
        name = _question(zone, address)
        fields = await self._asked_of_trusted(name) if name is not None else []
        number = fields[0].split()[0] if fields and fields[0] else ""
        if len(fields) < 3 or not number.isdecimal():
            return None
        names = await self._asked_of_trusted(f"AS{number}.{zone.names}")
        return Place(asn=int(number), country=fields[2] or None, name=names[-1] if len(names) > 4 else None)

    async def _asked_of_trusted(self, name: str) -> list[str]:
        """The fields of the text at the name, over HTTPS: the provider does not see the question."""
        for trusted in self._context.trusted:
            step = await trusted.query(self._trace, name, "TXT", timeout=_NAME_SECONDS)
            if step.answers:
                return [field.strip() for field in step.answers[0].split("|")]
        return []


def _question(zone: OriginZone, address: str) -> str | None:
    """The network part of a public address, reversed, below the zone."""
    parsed = parse_address(address)
    if parsed is None or not is_public(address):
        return None
    network = ipaddress.ip_network((int(parsed), _KEPT_BITS[parsed.version]), strict=False).network_address
    if parsed.version == 4:
        return ".".join([*reversed(str(network).split(".")[:3]), zone.ipv4])
    return ".".join([*reversed(network.exploded.replace(":", "")[:12]), zone.ipv6])


def _version(address: str) -> int | None:
    parsed = parse_address(address)
    return parsed.version if parsed is not None else None


def _first_public(texts: Iterable[str]) -> str | None:
    return next((text.strip() for text in texts if is_public(text.strip())), None)
