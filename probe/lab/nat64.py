"""A stateless translator between IPv6 customers and IPv4 (RFC 7915), one IPv4 address a customer, on a TUN device.

`python -m probe.lab.nat64 SPEC` serves until it is stopped. TCP and UDP only; what is fragmented is dropped. A client's
own maximum segment size keeps what comes back within its cable's, so nothing needs to be told about sizes.
"""

import fcntl
import ipaddress
import os
import struct
import subprocess
import sys
from pathlib import Path

import msgspec
import trio

from probe.lab.lifeline import until_abandoned

TUN = Path("/dev/net/tun")
PREFIX = "64:ff9b::/96"  # RFC 6052, the well-known one
DEVICE = "nat64"
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_CHECKSUM_AT = {6: 16, 17: 6}  # within the header of TCP and of UDP
_LONGEST = 65535


class Nat64Spec(msgspec.Struct, frozen=True, kw_only=True):
    """IPv4 addresses by the IPv6 address of each customer."""

    customers: dict[str, str]


class Translator:
    """Packets of either family into the other; None for what it does not carry."""

    def __init__(self, spec: Nat64Spec) -> None:
        self._fours = {_packed(six): _packed(four) for six, four in spec.customers.items()}
        self._sixes = {four: six for six, four in self._fours.items()}
        self._prefix = ipaddress.IPv6Network(PREFIX).network_address.packed[:12]

    def translated(self, packet: bytes) -> bytes | None:
        match packet[0] >> 4 if packet else 0:
            case 6:
                return self._to_ipv4(packet)
            case 4:
                return self._to_ipv6(packet)
        return None

    def _to_ipv4(self, packet: bytes) -> bytes | None:
        (length, protocol, hops), source, destination = struct.unpack("!HBB", packet[4:8]), packet[8:24], packet[24:40]
        here = self._fours.get(source)
        if here is None or protocol not in _CHECKSUM_AT or destination[:12] != self._prefix or hops < 2:
            return None
        there = destination[12:]
        body = _moved(packet[40 : 40 + length], protocol, packet[8:40], here + there)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, hops - 1, protocol, 0) + here + there
        return head[:10] + struct.pack("!H", _sum(head) ^ 0xFFFF) + head[12:] + body

    def _to_ipv6(self, packet: bytes) -> bytes | None:
        size = (packet[0] & 15) * 4
        length, fragment, hops, protocol = struct.unpack("!2xH2xHBB", packet[:10])
        there = self._sixes.get(packet[16:20])
        if there is None or protocol not in _CHECKSUM_AT or fragment & 0x3FFF or hops < 2:
            return None
        addresses = self._prefix + packet[12:16] + there
        body = _moved(packet[size:length], protocol, packet[12:20], addresses)
        return struct.pack("!IHBB", 6 << 28, len(body), protocol, hops - 1) + addresses + body


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def _moved(body: bytes, protocol: int, old: bytes, new: bytes) -> bytes:
    """With the checksum that the new addresses ask for (RFC 1624)."""
    at = _CHECKSUM_AT[protocol]
    (checksum,) = struct.unpack_from("!H", body, at)
    total = (checksum ^ 0xFFFF) + (_sum(old) ^ 0xFFFF) + _sum(new)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return body[:at] + struct.pack("!H", (total ^ 0xFFFF) or 0xFFFF) + body[at + 2 :]


def _sum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def opened() -> int:
    """A TUN device of this namespace, up, with the routes that lead to it still missing."""
    device: int = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    request = struct.pack("16sH22x", DEVICE.encode(), _IFF_TUN | _IFF_NO_PI)
    fcntl.ioctl(device, _TUNSETIFF, request)
    return device


async def serve(spec: Nat64Spec) -> None:
    device, translator = opened(), Translator(spec)
    routes = [f"link set {DEVICE} up", f"route add {PREFIX} dev {DEVICE}"]
    routes += [f"route add {four}/32 dev {DEVICE}" for four in spec.customers.values()]
    await trio.run_process(["ip", "-batch", "-"], stdin="\n".join([*routes, ""]).encode(), stdout=subprocess.DEVNULL)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_carry, device, translator)
        await until_abandoned()
        nursery.cancel_scope.cancel()


async def _carry(device: int, translator: Translator) -> None:
    while True:
        await trio.lowlevel.wait_readable(device)
        out = translator.translated(os.read(device, _LONGEST))
        if out is not None:
            os.write(device, out)


if __name__ == "__main__":
    trio.run(serve, msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Nat64Spec))
