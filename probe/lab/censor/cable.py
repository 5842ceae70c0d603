"""The cables to the clients, for forged packets."""

import ipaddress
import socket

from probe.lab.censor.packets import Packet, build
from probe.lab.censor.spec import Cable

_IPV4, _IPV6 = 0x0800, 0x86DD


class Cables:
    def __init__(self, cables: tuple[Cable, ...]) -> None:
        self._by_client = {ipaddress.ip_address(a): cable for cable in cables for a in cable.addresses}
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)

    def send(self, packet: Packet, ip_ttl: int) -> None:
        cable = self._by_client[ipaddress.ip_address(packet.destination)]
        protocol = _IPV6 if ":" in packet.destination else _IPV4
        to = (cable.interface, protocol, 0, 0, bytes.fromhex(cable.mac.replace(":", "")))
        self._socket.sendto(build(packet, ip_ttl), to)
