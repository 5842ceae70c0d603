"""What may be said of an address without asking the network: its kind, and how to take it out of a text."""

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NEVER = tuple(  # IPv4-compatible, IPv4-translated, locally used NAT64, site-local: RFC 4291, 2765, 8215, 3879
    ipaddress.ip_network(prefix) for prefix in ("::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "fec0::/10")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052, the well-known prefix
_BENCHMARK = ipaddress.ip_network("198.18.0.0/15")  # RFC 2544


def parse_address(text: str) -> Address | None:
    """The address that the text is (an IPv6 zone is dropped), or None where it is a name or nothing."""
    try:
        return ipaddress.ip_address(text.partition("%")[0].strip("[]"))
    except ValueError:
        return None


def is_address(text: str) -> bool:
    return parse_address(text) is not None


def embedded_ipv4(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside a mapped, 6to4 or NAT64 address (RFC 4291, 3056, 6052)."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def is_public(text: str) -> bool:
    """Whether a host on the public internet can have this address (RFC 6890); what is not an address is not public.

    A probe never connects to an address that is not public, whatever a resolver answers.
    """
    address = parse_address(text)
    if address is None:
        return False
    inner = embedded_ipv4(address)
    if inner is not None:
        return is_public(str(inner))
    reserved = any(address in network for network in (_BENCHMARK, *_NEVER))
    return address.is_global and not address.is_multicast and not reserved


def unsynthesised(text: str, nat64: str | None) -> str:
    """The IPv4 address that one within the network's NAT64 prefix (a /96) stands for; any other address as it is."""
    address = parse_address(text)
    if nat64 is None or address is None or address.version == 4:
        return text
    try:
        inside = address in ipaddress.ip_network(nat64)
    except ValueError:
        return text
    return str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)) if inside else text


def is_bogon(text: str) -> bool:
    """An address, but not a public one: no honest answer for a public name."""
    return is_address(text) and not is_public(text)


SCRUBBED = "[scrubbed]"
_IPV4 = re.compile(r"(?<!\d)\d{1,3}(?:\.\d{1,3}){3}(?!\d)")
_IPV6 = re.compile(r"(?<![0-9A-Fa-f:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}+(?![0-9A-Za-z])")


def scrub(text: str, keep: frozenset[str] = frozenset()) -> str:
    """The text with every IP address but those to keep (in canonical form) replaced by `[scrubbed]`, as OONI does in
    unknown failures. Version numbers with four parts go too; what is encoded (`%2E`, base64) is not seen."""

    def replace(match: re.Match[str]) -> str:
        found = match.group()
        shapes = (found, found.lstrip(":"), found.rstrip(":"), found.strip(":"))
        address = next((shape for shape in shapes if shape.strip(":") and is_address(shape)), None)
        return SCRUBBED if address and str(parse_address(address)) not in keep else found

    return _IPV6.sub(replace, _IPV4.sub(replace, text))
