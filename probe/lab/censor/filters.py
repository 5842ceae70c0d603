"""The middlebox proper: packets from clients in, verdicts out, forged replies on the way."""

import dns.exception
import dns.message
import trio

from probe.lab.censor.cable import Cables
from probe.lab.censor.flows import Flow, Flows
from probe.lab.censor.packets import ACK, FIN, PSH, RST, TCP, UDP, Packet, parse, reply_to, reset_to
from probe.lab.clienthello import Unread, host_header, matches, server_name
from probe.lab.interference import DnsInjection, Interference, NameFilter, NoticeInjection
from probe.lab.patterns import PORTS, by_kernel, patterns
from probe.lab.world.dns import answer_for, forged
from probe.lab.world.pages import page_response

_IP_TTL = 60
_SEGMENT = 1200


class Middlebox:
    def __init__(self, recipes: tuple[Interference, ...], cables: Cables) -> None:
        self._cables = cables
        self._injections = [r for r in recipes if isinstance(r, DnsInjection)]
        self._names = [r for r in recipes if isinstance(r, NameFilter) and not by_kernel(r)]
        self._notices = [r for r in recipes if isinstance(r, NoticeInjection)]
        self._flows = Flows()
        self._tainted: dict[tuple[str, str], tuple[float, NameFilter]] = {}

    def passes(self, raw: bytes) -> bool:
        packet = parse(raw)
        if packet is None:
            return True
        if packet.protocol == UDP:
            self._inject_answers(packet)
            return True
        return self._tcp(packet)

    def _inject_answers(self, packet: Packet) -> None:
        try:
            query = dns.message.from_wire(packet.payload)
        except dns.exception.DNSException:
            return
        name = query.question[0].name.to_text(omit_final_dot=True).lower() if query.question else ""
        for injection in self._injections:
            answer = answer_for(name, dict.fromkeys(injection.names, injection.answer))
            reply = forged(query, answer) if answer is not None else None
            if reply is not None and (reply.answer or injection.answer.kind != "address"):
                self._send_forgery(reply_to(packet, reply.to_wire()), injection)

    def _send_forgery(self, forgery: Packet, injection: DnsInjection) -> None:
        """Before the question is let through, so that it wins on any machine, unless it is meant to be late."""
        if not injection.late:
            self._cables.send(forgery, injection.ip_ttl)
            return

        async def send_late() -> None:
            await trio.sleep(injection.late)
            self._cables.send(forgery, injection.ip_ttl)

        trio.lowlevel.spawn_system_task(send_late)

    def _tcp(self, packet: Packet) -> bool:
        if (taint := self._taint(packet)) is not None:
            if taint.afterwards == "reset" and not packet.flags & RST:
                self._cables.send(reset_to(packet), _IP_TTL)
            return False
        flow = self._flows.of(packet)
        if flow.dead:
            if packet.flags & FIN:
                self._cables.send(reply_to(packet, flags=ACK), _IP_TTL)
            return False
        if flow.condemned is not None:  # what comes now acknowledges the server's answer
            self._strike(flow.condemned, packet, flow)
            return False
        if not packet.payload or flow.judged:
            return True
        hit = next((recipe for recipe in self._names if _hits(recipe, packet, flow)), None)
        if hit is not None and hit.answered:
            flow.condemned = hit
            return True
        if hit is not None:
            self._strike(hit, packet, flow)
            return False
        self._notice(packet, flow)
        flow.settle(packet)
        return True

    def _taint(self, packet: Packet) -> NameFilter | None:
        until, recipe = self._tainted.get((packet.source, packet.destination), (0.0, None))
        return recipe if trio.current_time() < until else None

    def _strike(self, recipe: NameFilter, packet: Packet, flow: Flow) -> None:
        flow.dead = True
        if recipe.residual:
            until = trio.current_time() + recipe.residual
            self._tainted[packet.source, packet.destination] = (until, recipe)
        if recipe.action == "reset":
            self._cables.send(reset_to(packet), _IP_TTL)
        elif recipe.action == "close":
            self._cables.send(reply_to(packet, flags=FIN | ACK), _IP_TTL)

    def _notice(self, packet: Packet, flow: Flow) -> None:
        for notice in self._notices:
            if packet.dport == PORTS["http"] and matches(_name_in(flow.received, "http"), notice.names):
                self._send_response(packet, _http_response(notice))

    def _send_response(self, packet: Packet, response: bytes) -> None:
        starts = range(0, len(response), _SEGMENT)
        for start in starts:
            flags = PSH | ACK | (FIN if start == starts[-1] else 0)
            self._cables.send(reply_to(packet, response[start : start + _SEGMENT], flags, skip=start), _IP_TTL)


def _hits(recipe: NameFilter, packet: Packet, flow: Flow) -> bool:
    if packet.protocol != TCP or packet.dport != PORTS[recipe.layer]:
        return False
    if recipe.inspects == "packet":
        lowered = packet.payload.lower()
        return any(p.lower() in lowered for name in recipe.names for p in patterns(name, recipe.layer))
    data = packet.payload if recipe.inspects == "first-segment" else flow.received
    return matches(_name_in(data, recipe.layer), recipe.names)


def _name_in(data: bytes, layer: str) -> str | None:
    try:
        return server_name(data) if layer == "tls" else host_header(data)
    except Unread:
        return None


def _http_response(notice: NoticeInjection) -> bytes:
    response = page_response(notice.page, "")
    head = "".join(f"{name}: {value}\r\n" for name, value in response.fields())
    return f"HTTP/1.1 {response.status} -\r\n{head}connection: close\r\n\r\n".encode() + b"".join(response.pieces())
