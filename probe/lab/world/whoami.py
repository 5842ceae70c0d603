"""The names that tell a client who it is: the address its resolver asks from, and who announces a prefix."""

import ipaddress

from probe.lab.model import Origin

_EGRESS = ("whoami.v4.powerdns.org", "whoami.akamai.net", "whoami.akamai.com", "whoami.ipv4.akahelp.net")
_EGRESS_TEXT = "o-o.myaddr.l.google.com"
_ALLOCATED = "ripencc | 2000-01-01"


class Whoami:
    """Answers of the reflectors and of Team Cymru's zones for the origins given."""

    def __init__(self, origins: tuple[Origin, ...]) -> None:
        self._origins = [(ipaddress.ip_network(origin.prefix), origin) for origin in origins]

    def addresses(self, name: str, egress: str) -> tuple[str, ...] | None:
        return (egress,) if name in _EGRESS else None

    def texts(self, name: str, egress: str, client: str | None = None) -> tuple[str, ...]:
        if name == _EGRESS_TEXT:
            return (egress, f"edns0-client-subnet {_network_of(client)}") if client else (egress,)
        if name.endswith((".origin.asn.cymru.com", ".origin6.asn.cymru.com")):
            return self._origin(_address_in(name))
        if name.startswith("as") and name.endswith(".asn.cymru.com"):
            return self._operator(name[2:].partition(".")[0])
        return ()

    def _origin(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> tuple[str, ...]:
        found = [(network.prefixlen, o) for network, o in self._origins if address is not None and address in network]
        if not found:
            return ()
        _, origin = max(found, key=lambda pair: pair[0])
        return (f"{origin.asn} | {origin.prefix} | {origin.country} | {_ALLOCATED}",)

    def _operator(self, number: str) -> tuple[str, ...]:
        found = (origin for _, origin in self._origins if str(origin.asn) == number)
        return tuple(f"{o.asn} | {o.country} | {_ALLOCATED} | {o.name}, {o.country}" for o in found)[:1]


def _network_of(client: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """As a resolver tells it: RFC 7871, 11.1."""
    return ipaddress.ip_network((client, 56 if ":" in client else 24), strict=False)


def _address_in(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Of the reversed octets or nibbles before the zone; fewer than all of them stand for the prefix."""
    labels = name.partition(".origin")[0].split(".")[::-1]
    try:
        if name.endswith(".origin6.asn.cymru.com"):
            digits = "".join(labels).ljust(32, "0")
            return ipaddress.IPv6Address(bytes.fromhex(digits))
        return ipaddress.IPv4Address(".".join([*labels, "0", "0", "0"][:4]))
    except ValueError:
        return None
