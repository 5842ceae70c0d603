"""What clients have sent on their connections, in order."""

from probe.lab.censor.packets import SYN, Packet
from probe.lab.interference import NameFilter

_REMEMBERED = 4096  # connections
_LONGEST = 32768  # bytes kept of one


class Flow:
    """`received` is what came since the connection began or since the last whole request; `judged` means that nothing
    more on it is looked at, `condemned` that the recipe strikes at the next packet, `dead` that nothing more passes."""

    def __init__(self) -> None:
        self.received = b""
        self.dead = False
        self.judged = False
        self.condemned: NameFilter | None = None
        self._start: int | None = None

    def take(self, packet: Packet) -> None:
        if packet.flags & SYN:
            self._start = packet.next_seq
        if not packet.payload or self.judged:
            return
        if self._start is None:
            self._start = packet.seq
        offset = (packet.seq - self._start) & 0xFFFFFFFF
        if offset <= len(self.received):
            self.received = self.received[:offset] + packet.payload

    def settle(self, packet: Packet) -> None:
        """After what came was found harmless: a connection with a request on it may bring another."""
        if self.received.endswith(b"\r\n\r\n"):
            self.received, self._start = b"", packet.next_seq
        self.judged = len(self.received) > _LONGEST


class Flows:
    def __init__(self) -> None:
        self._flows: dict[tuple[str, int, str, int], Flow] = {}

    def of(self, packet: Packet) -> Flow:
        """With this packet taken in. A SYN on the same ports begins anew, a repeated one changes nothing."""
        key = (packet.source, packet.sport, packet.destination, packet.dport)
        if key not in self._flows or packet.flags & SYN:
            self._flows.pop(key, None)
            while len(self._flows) >= _REMEMBERED:
                del self._flows[next(iter(self._flows))]
            self._flows[key] = Flow()
        flow = self._flows[key]
        flow.take(packet)
        return flow
