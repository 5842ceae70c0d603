"""The kernel's packet queue, spoken to over netlink (linux/netfilter/nfnetlink_queue.h)."""

import socket
import struct
from collections.abc import Callable

import trio

_NETLINK_NETFILTER = 12
_SUBSYSTEM = 3 << 8
_PACKET, _VERDICT, _CONFIG = _SUBSYSTEM, _SUBSYSTEM | 1, _SUBSYSTEM | 2
_REQUEST = 1
_CFG_COMMAND, _CFG_PARAMETERS = 1, 2
_BIND, _COPY_PACKET = 1, 2
_ATTRIBUTE_HEADER, _ATTRIBUTE_PAYLOAD, _ATTRIBUTE_VERDICT = 1, 10, 2
_DROP, _ACCEPT = 0, 1
_BUFFER = 1 << 22
_TYPE_MASK = 0x3FFF  # the upper bits of an attribute's type are flags

Decide = Callable[[bytes], bool]  # an IP packet; whether it may pass


class PacketQueue:
    """Bound on creation. Raises OSError without the right or the kernel for it."""

    def __init__(self, number: int = 0) -> None:
        self._number = number
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((0, 0))
        self._socket.setblocking(False)
        self._send(_CONFIG, _attribute(_CFG_COMMAND, struct.pack("!BxH", _BIND, 0)))
        self._send(_CONFIG, _attribute(_CFG_PARAMETERS, struct.pack("!IB", 0xFFFF, _COPY_PACKET)))

    async def serve(self, decide: Decide) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                data = self._socket.recv(1 << 17)
            except OSError:
                continue  # ENOBUFS: the kernel dropped what did not fit, as a loaded middlebox does
            for number, packet in _packets(data):
                verdict = _ACCEPT if decide(packet) else _DROP
                self._send(_VERDICT, _attribute(_ATTRIBUTE_VERDICT, struct.pack("!II", verdict, number)))

    def _send(self, kind: int, attributes: bytes) -> None:
        body = struct.pack("!BBH", 0, 0, self._number) + attributes
        self._socket.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST, 0, 0) + body)


def _attribute(kind: int, value: bytes) -> bytes:
    return (struct.pack("=HH", 4 + len(value), kind) + value).ljust((4 + len(value) + 3) & ~3, b"\0")


def _packets(data: bytes) -> list[tuple[int, bytes]]:
    """The queue's numbers and the IP packets in one read."""
    found = []
    while len(data) >= 16:
        size, kind = struct.unpack("=IH", data[:6])
        if kind == _PACKET:
            attributes = dict(_attributes(data[20:size]))
            number = struct.unpack("!I", attributes[_ATTRIBUTE_HEADER][:4])[0]
            found.append((number, attributes[_ATTRIBUTE_PAYLOAD]))
        data = data[(size + 3) & ~3 :]
    return found


def _attributes(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while len(data) >= 4:
        size, kind = struct.unpack("=HH", data[:4])
        found.append((kind & _TYPE_MASK, data[4:size]))
        data = data[(size + 3) & ~3 :]
    return found
