"""A DNS question and what its replies say. Parsing is bounded and never raises: any bytes may come as a reply."""

import io
import secrets
import struct
import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.OPT  # imported here, else dnspython does it inside the first reply's time
import dns.rdtypes.ANY.SOA
import dns.rdtypes.ANY.TXT
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import msgspec

from probe.wire.addresses import scrub
from probe.wire.steps import DnsReply
from probe.wire.vocabulary import Failure

A, AAAA, CNAME, TXT = (dns.rdatatype.A, dns.rdatatype.AAAA, dns.rdatatype.CNAME, dns.rdatatype.TXT)
PAYLOAD = 1232  # bytes over UDP that arrive unfragmented everywhere (the DNS flag day of 2020)
_HEADER = 12
_OPT = 11  # bytes of an OPT record before its options
_OPCODE, _RCODE = 0x7800, 0x000F
_LONGEST_PARSED = 4096  # bytes; honest answers about an address, and most texts, stay far below
_MOST_RECORDS = 96
_PATIENCE = 0.1  # seconds of CPU for all replies to one question: compressed names can be made quadratic
_NO_EDNS = frozenset({"FORMERR", "NOTIMP", "BADVERS"})  # RFC 6891, 6.1.3 and 7, and what older servers do
_WITHOUT_QUESTION = frozenset({dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED})

_FAILURES = {
    "NXDOMAIN": Failure.DNS_NXDOMAIN_ERROR,
    "REFUSED": Failure.DNS_REFUSED_ERROR,
    "SERVFAIL": Failure.DNS_SERVFAIL_ERROR,
}


class BadName(Exception):
    """Not a name that DNS can carry, or no record type."""


class Unreadable(Exception):
    """Bytes that are no DNS message, or not one worth the work."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A reply and, apart from its record, what it answers to the question: texts for TXT, else addresses of the
    type that was asked for."""

    record: DnsReply
    answers: tuple[str, ...] = ()
    promised: int = 0  # answer records that the header counts

    @property
    def usable(self) -> bool:
        """What a stub resolver would take: a fault behind the answers, such as a cut additional section, is none of
        its business."""
        if not self.record.matches or self.record.rcode is None:
            return False
        whole = self.record.malformed is None or not self.promised
        return whole or bool(self.answers) or self.record.rcode != "NOERROR"

    @property
    def wants_no_edns(self) -> bool:
        return self.usable and self.record.rcode in _NO_EDNS

    @property
    def failure(self) -> str | None:
        rcode = self.record.rcode
        if rcode == "NOERROR":
            return None if self.answers else Failure.DNS_NO_ANSWER
        return _FAILURES.get(rcode or "", Failure.DNS_SERVER_MISBEHAVING)


class Question:
    """`name` is written as it is asked, in A-labels without the last dot. Raises BadName."""

    def __init__(self, name: str, qtype: str, id: int | None = None) -> None:
        try:
            self._name = dns.name.from_text(name)
            self._type = dns.rdatatype.from_text(qtype)
        except (dns.exception.DNSException, UnicodeError, ValueError) as exc:
            raise BadName(f"{name} {qtype}") from exc
        self.name = self._name.to_text(omit_final_dot=True)
        self.qtype = qtype
        self._id = secrets.randbelow(65536) if id is None else id
        lower = io.BytesIO()
        self._name.to_wire(lower, canonicalize=True)
        self._section = lower.getvalue() + struct.pack("!HH", self._type, dns.rdataclass.IN)
        self._spent = 0.0

    def wire(self, *, edns: bool = True) -> bytes:
        facts = {"use_edns": 0, "payload": PAYLOAD} if edns else {"use_edns": False}
        return dns.message.make_query(self._name, self._type, id=self._id, **facts).to_wire()

    def read(self, wire: bytes, t: float, ip_ttl: int | None = None) -> Reply:
        """The reply that the bytes are. Whether it belongs to this question is a fact of it, not a condition."""
        bare = DnsReply(t=t, size=len(wire), ip_ttl=ip_ttl, matches=self._matches(wire))
        started = time.perf_counter()
        try:
            if bare.matches and self._put_right(wire) != wire:
                bare = msgspec.structs.replace(bare, malformed="OPT record among the answers")
            promised = struct.unpack_from("!H", wire.ljust(_HEADER), 6)[0]
            return msgspec.structs.replace(self._reply(self._parsed(wire), bare), promised=promised)
        except Unreadable as exc:
            return Reply(record=msgspec.structs.replace(bare, malformed=str(exc)))
        finally:
            self._spent += time.perf_counter() - started

    def _matches(self, wire: bytes) -> bool:
        """As `dns.message.Message.is_response`, but also for what cannot be parsed further on."""
        if len(wire) < _HEADER:
            return False
        number, flags, questions = struct.unpack_from("!HHH", wire)
        if number != self._id or not flags & dns.flags.QR or flags & _OPCODE:
            return False
        if questions == 0:
            return flags & _RCODE in _WITHOUT_QUESTION
        return questions == 1 and wire[_HEADER : _HEADER + len(self._section)].lower() == self._section

    def _parsed(self, wire: bytes) -> dns.message.Message:
        if len(wire) > _LONGEST_PARSED or sum(struct.unpack_from("!4H", wire.ljust(_HEADER), 4)) > _MOST_RECORDS:
            raise Unreadable("larger than an honest answer")
        if self._spent > _PATIENCE:
            raise Unreadable("the replies before it took too long to parse")
        try:
            return dns.message.from_wire(self._put_right(wire), ignore_trailing=True, continue_on_error=True)
        except Exception as exc:  # dnspython raises more than its own exceptions on bytes that were made for it
            raise Unreadable(" ".join(scrub(str(exc) or type(exc).__name__).split())[:100]) from exc

    def _put_right(self, wire: bytes) -> bytes:
        """Servers and forgers that copy the whole query before their answer leave its OPT there, counted as an answer:
        a stub passes over it, and so it is taken out."""
        end = _HEADER + len(self._section)
        if wire[end : end + 3] != b"\x00\x00\x29" or len(wire) < end + _OPT:
            return wire
        answers, length = struct.unpack_from("!H", wire, 6)[0], struct.unpack_from("!H", wire, end + 9)[0]
        if answers < 2:
            return wire
        return wire[:6] + struct.pack("!H", answers - 1) + wire[8:end] + wire[end + _OPT + length :]

    def _reply(self, message: dns.message.Message, bare: DnsReply) -> Reply:
        by_type = _texts(message)
        record = msgspec.structs.replace(
            bare,
            rcode=dns.rcode.to_text(message.rcode()),
            addresses=(*by_type[A], *by_type[AAAA]),
            cnames=tuple(by_type[CNAME]),
            min_ttl=min((rrset.ttl for rrset in message.answer), default=None),
            truncated=bool(message.flags & dns.flags.TC),
            ede=tuple(int(error.code) for error in message.extended_errors()),
            malformed=" ".join(scrub(str(message.errors[0].exception)).split())[:100]
            if message.errors
            else bare.malformed,
        )
        return Reply(record=record, answers=tuple(by_type.get(self._type, ())))


def _texts(message: dns.message.Message) -> dict[dns.rdatatype.RdataType, list[str]]:
    """The answer section by record type, whoever owns the records: a chain of aliases ends in other names'."""
    found: dict[dns.rdatatype.RdataType, list[str]] = {A: [], AAAA: [], CNAME: [], TXT: []}
    for rrset in message.answer:
        found.get(rrset.rdtype, []).extend(_text(rdata) for rdata in rrset if rrset.rdclass == dns.rdataclass.IN)
    return found


def _text(rdata: dns.rdata.Rdata) -> str:
    match rdata:
        case dns.rdtypes.ANY.TXT.TXT():
            return b"".join(rdata.strings).decode("utf-8", "replace")
        case dns.rdtypes.ANY.CNAME.CNAME():
            return rdata.target.to_text(omit_final_dot=True)
    return rdata.to_text()
