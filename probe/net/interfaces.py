"""By which addresses, interfaces and gateways this machine reaches the internet: the kernel is asked, nothing sent.

A route is looked up for real destinations instead of read from a table: WireGuard's rules, two halves of a default
route and a network namespace's own view are all in the answer then. Linux answers by netlink (rtnetlink(7)),
unprivileged; elsewhere only the addresses are known.
"""

import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Root name servers A and M, of both halves of each family's numbers or far apart in them.
_FAR = ("198.41.0.4", "41.0.0.1", "2001:503:ba3e::2:30")
_PORT = 443  # of a UDP socket that sends nothing

_NETLINK_ROUTE, _REQUEST = 0, 1
_NEWLINK, _GETLINK, _NEWROUTE, _GETROUTE = 16, 18, 24, 26
_DST, _OIF, _GATEWAY = 1, 4, 5  # of a route
_IFNAME, _LINKINFO, _INFO_KIND = 3, 18, 1  # of a link
_ATTRIBUTE_TYPE = 0x3FFF  # without the flags
_PATIENCE = 1.0  # seconds; the kernel answers at once

TUNNELS = frozenset(
    {"tun", "wireguard", "ppp", "ipip", "gre", "ip6gre", "ip6tnl", "sit", "vti", "vti6", "xfrm", "amneziawg", "ovpn"}
)
_TUNNEL_NAMES = ("tun", "tap", "wg", "ppp", "utun", "ipsec")  # where the kernel does not tell the kind
_TRANSLATORS = ("clat",)  # RFC 6877 by a TUN device: translated on the spot, tunnelled nowhere
_PPPOE = Path("/proc/net/pppoe")  # one line a session below its heading


class Hop(NamedTuple):
    """Where packets for one destination leave the machine."""

    interface: str
    kind: str | None  # the kernel's word for it: veth, tun, wireguard; None for a card
    gateway: str | None


def local_addresses(source: str | None = None) -> frozenset[str]:
    """The addresses from which this machine reaches the internet. To be kept in memory only, and briefly."""
    own = (_local_address(far, source) for far in _FAR)
    return frozenset(address for address in own if address is not None)


def attachment() -> frozenset[str]:
    """Changes when the machine moves to another network: its addresses, interfaces, gateways and what these are on the
    wire. To be compared in memory, never kept or shown."""
    hops = first_hops()
    neighbours = _neighbours() if hops else {}
    wires = (neighbours.get(hop.gateway) for hop in hops if hop.gateway is not None)
    return frozenset((*local_addresses(), *(f"{hop.interface} {hop.gateway}" for hop in hops), *filter(None, wires)))


def tunnelled() -> bool | None:
    """Whether traffic leaves through a tunnel, which may be a VPN's; by IPv4 where there is any. None where this system
    does not tell. What dials up by PPPoE is an ordinary line."""
    hops = first_hops()
    if not hops:
        return None
    dialled = _dialled_up()
    return any(_is_tunnel(hop) and not (dialled and hop.kind in {"ppp", None}) for hop in hops)


def first_hops() -> tuple[Hop, ...]:
    """Of packets to far destinations: IPv4, or IPv6 where there is no IPv4. Empty where nothing is known."""
    if sys.platform != "linux":
        return ()
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_ROUTE) as sock:
            sock.settimeout(_PATIENCE)
            found = [(far, hop) for far in _FAR if (hop := _first_hop(sock, far)) is not None]
    except OSError:  # a sandbox that allows no such sockets
        return ()
    fours = tuple(hop for far, hop in found if ":" not in far)
    return fours or tuple(hop for _, hop in found)


def _local_address(far: str, source: str | None) -> str | None:
    family = socket.AF_INET6 if ":" in far else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            if source is not None and (":" in source) == (":" in far):
                sock.bind((source, 0))
            sock.connect((far, _PORT))  # a datagram socket only looks up its route
            return str(sock.getsockname()[0]).partition("%")[0]
    except OSError:
        return None


def _is_tunnel(hop: Hop) -> bool:
    if hop.interface.startswith(_TRANSLATORS):
        return False
    return hop.kind in TUNNELS or (hop.kind is None and hop.interface.startswith(_TUNNEL_NAMES))


def _dialled_up() -> bool:
    try:
        return len(_PPPOE.read_text("ascii", "replace").splitlines()) > 1
    except OSError:
        return False


def _neighbours() -> dict[str, str]:
    """Hardware addresses by IPv4 address, as far as the kernel knows them."""
    try:
        rows = [line.split() for line in Path("/proc/net/arp").read_text("ascii", "replace").splitlines()[1:]]
    except OSError:
        return {}
    return {row[0]: row[3] for row in rows if len(row) > 3}


# --- netlink ---


def _first_hop(sock: socket.socket, far: str) -> Hop | None:
    family = socket.AF_INET6 if ":" in far else socket.AF_INET
    packed = socket.inet_pton(family, far)
    body = struct.pack("=8BI", family, 8 * len(packed), 0, 0, 0, 0, 0, 0, 0) + _attribute(_DST, packed)
    route = _asked(sock, _GETROUTE, body, _NEWROUTE, 12)
    if route is None or _OIF not in route:
        return None
    (index,) = struct.unpack("=i", route[_OIF])
    gateway = socket.inet_ntop(family, route[_GATEWAY]) if len(route.get(_GATEWAY, b"")) == len(packed) else None
    name, kind = _link(sock, index)
    return Hop(name, kind, gateway) if name != "lo" else None


def _link(sock: socket.socket, index: int) -> tuple[str, str | None]:
    link = _asked(sock, _GETLINK, struct.pack("=BxHiII", 0, 0, index, 0, 0), _NEWLINK, 16) or {}
    name = link[_IFNAME].rstrip(b"\0").decode("utf-8", "replace") if _IFNAME in link else str(index)
    kind = dict(_attributes(link.get(_LINKINFO, b""))).get(_INFO_KIND)
    return name, kind.rstrip(b"\0").decode("ascii", "replace") if kind else None


def _asked(sock: socket.socket, question: int, body: bytes, answer: int, fixed: int) -> dict[int, bytes] | None:
    """The attributes of the one message that answers; None where the kernel says that there is none. `fixed` is the
    length of what stands before them."""
    sock.send(struct.pack("=IHHII", 16 + len(body), question, _REQUEST, 1, 0) + body)
    message = sock.recv(65536)
    length, kind = struct.unpack_from("=IH", message) if len(message) >= 16 else (0, 0)
    return dict(_attributes(message[16 + fixed : length])) if kind == answer else None


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each is padded to four bytes."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            return
        yield kind & _ATTRIBUTE_TYPE, data[4:length]
        data = data[length + 3 & ~3 :]
