"""IP packets taken apart, and forged: IPv4 and IPv6, UDP and TCP (RFC 791, 8200, 768, 9293)."""

import ipaddress
import struct
from typing import NamedTuple

TCP = 6
UDP = 17

FIN = 0x01
SYN = 0x02
RST = 0x04
PSH = 0x08
ACK = 0x10

_WINDOW = 65535


class Packet(NamedTuple):
    """`seq`, `ack` and `flags` are TCP's, 0 for UDP."""

    source: str
    destination: str
    protocol: int
    sport: int
    dport: int
    payload: bytes
    seq: int = 0
    ack: int = 0
    flags: int = 0

    @property
    def next_seq(self) -> int:
        """What the receiver of this packet acknowledges."""
        length = len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)
        return (self.seq + length) & 0xFFFFFFFF


def parse(raw: bytes) -> Packet | None:
    """None for what is neither UDP nor TCP, or has IPv6 extension headers."""
    if raw[0] >> 4 == 4:
        protocol = raw[9]
        source, destination = str(ipaddress.IPv4Address(raw[12:16])), str(ipaddress.IPv4Address(raw[16:20]))
        segment = raw[(raw[0] & 15) * 4 : int.from_bytes(raw[2:4])]
    else:
        protocol = raw[6]
        source, destination = str(ipaddress.IPv6Address(raw[8:24])), str(ipaddress.IPv6Address(raw[24:40]))
        segment = raw[40:]
    if protocol == UDP and len(segment) >= 8:
        sport, dport = struct.unpack("!HH", segment[:4])
        return Packet(source, destination, UDP, sport, dport, segment[8:])
    if protocol == TCP and len(segment) >= 20:
        sport, dport, seq, ack, offset, flags = struct.unpack("!HHIIBB", segment[:14])
        return Packet(source, destination, TCP, sport, dport, segment[(offset >> 4) * 4 :], seq, ack, flags)
    return None


def build(packet: Packet, ip_ttl: int) -> bytes:
    source, destination = ipaddress.ip_address(packet.source).packed, ipaddress.ip_address(packet.destination).packed
    segment = _segment(packet, source + destination)
    if len(source) == 16:
        return struct.pack("!IHBB", 6 << 28, len(segment), packet.protocol, ip_ttl) + source + destination + segment
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, ip_ttl, packet.protocol, 0)
    head += source + destination
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + segment


def _segment(packet: Packet, addresses: bytes) -> bytes:
    if packet.protocol == UDP:
        head, at = struct.pack("!HHHH", packet.sport, packet.dport, 8 + len(packet.payload), 0), 6
    else:
        fields = (packet.sport, packet.dport, packet.seq, packet.ack, 5 << 4, packet.flags, _WINDOW, 0, 0)
        head, at = struct.pack("!HHIIBBHHH", *fields), 16
    length = len(head) + len(packet.payload)
    pseudo = addresses + struct.pack("!IxxxB", length, packet.protocol)
    checksum = _checksum(pseudo + head + packet.payload) or 0xFFFF
    return head[:at] + struct.pack("!H", checksum) + head[at + 2 :] + packet.payload


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def reply_to(packet: Packet, payload: bytes = b"", flags: int = 0, *, skip: int = 0) -> Packet:
    """Forged in the name of whoever was asked: acknowledges all that the client sent; `skip` is how much of this
    reply's stream has gone before."""
    return Packet(
        packet.destination,
        packet.source,
        packet.protocol,
        packet.dport,
        packet.sport,
        payload,
        (packet.ack + skip) & 0xFFFFFFFF,
        packet.next_seq,
        flags,
    )


def reset_to(packet: Packet) -> Packet:
    """RFC 9293 section 3.5.2: to a SYN the reset carries an acknowledgement."""
    return reply_to(packet, flags=RST | ACK)
