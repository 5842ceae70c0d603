"""Where a request comes from: by local tables, or by the probe's own word. The address is looked up and let go."""

import ipaddress
from collections.abc import Iterable, Sequence

from starlette.types import Scope

from probe.catalogue.geo import GeoTables, Place
from probe.collector.config_form import IpNetwork
from probe.collector.forwarding import FORWARDED_FOR, was_forwarded
from probe.collector.log import Origin
from probe.wire.addresses import is_public, parse_address
from probe.wire.measurement import Network

_NOBODY = Network()


class Location:
    def __init__(self, tables: GeoTables, proxies: Sequence[IpNetwork]) -> None:
        self._tables = tables
        self._proxies = tuple(proxies)

    def origin(self, scope: Scope, claim: Network = _NOBODY) -> Origin:
        """`claim` is what the sender says of itself, for what no table can know."""
        address, proxied = self._sender(scope)
        if proxied:
            return Origin(proxied=True)
        place = self._tables.locate(address) if address else None
        family = _family(address)
        if place is None:
            return self._unlocated(address, claim, family)
        asn, claimed = place.asn, False
        if asn is None and claim.asn is not None and claim.country == place.country:
            asn, claimed = claim.asn, True
        return _origin(place, asn, claimed, family)

    def _unlocated(self, address: str | None, claim: Network, family: int | None) -> Origin:
        """A public address that the operator's tables do not know gets no facts: a claim would be better than they."""
        if self._tables.tables and address and is_public(address):
            return Origin(family=family)
        return Origin(country=claim.country, asn=claim.asn, name=claim.name, claimed=True, family=family)

    def _sender(self, scope: Scope) -> tuple[str | None, bool]:
        """The address that the request began at, and whether a proxy that we do not know hides it.

        A configured proxy's word is taken, from the last hop back to the first that is not one of ours. Anybody else's
        header only tells that there is some proxy, or somebody who would like us to think so.
        """
        client = scope.get("client")
        peer = client[0] if client else None
        hops = _hops(scope["headers"])
        if not self._trusted(peer):
            return peer, was_forwarded(scope["headers"])
        while hops:
            hop = hops.pop()
            if not self._trusted(hop):
                return (hop, False) if parse_address(hop) else (None, True)
        return None, True

    def _trusted(self, text: str | None) -> bool:
        """A request over a Unix socket has no peer address: whoever can open it was let in by the operator."""
        if text is None:
            return True
        address = parse_address(text)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return address is not None and any(address in network for network in self._proxies)


def _hops(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    lines = [value.decode("latin-1") for name, value in headers if name == FORWARDED_FOR]
    return [_bare(hop) for line in lines for hop in line.split(",")]


def _bare(hop: str) -> str:
    """Without the port that some proxies add."""
    text = hop.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _family(address: str | None) -> int | None:
    parsed = parse_address(address) if address else None
    return parsed.version if parsed else None


def _origin(place: Place, asn: int | None, claimed: bool, family: int | None) -> Origin:
    hosting = bool(place.hosting or place.vpn)
    return Origin(country=place.country, asn=asn, name=place.name, claimed=claimed, hosting=hosting, family=family)
