"""OONI's `queries` (df-002-dnst) as steps, and which address came from whom."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from probe.wire.addresses import is_address, parse_address
from probe.wire.ooni_failures import failure
from probe.wire.ooni_fields import Document, a_label, binary, integer, parts, seconds, socket_address, span, text, texts
from probe.wire.steps import DnsReply, DnsStep
from probe.wire.vocabulary import Failure, Purpose

SYSTEM = "system"  # the resolver's name in our record where OONI asked the platform

# A lookup by the platform is what the user's resolver says. Whatever else OONI asks is there to compare with.
_ENGINES: dict[str, tuple[str, Purpose]] = {
    "udp": ("udp", Purpose.TRUSTED_UDP),
    "tcp": ("tcp", Purpose.TRUSTED_UDP),
    "doh": ("https", Purpose.TRUSTED),
    "dot": ("tcp", Purpose.TRUSTED),
}
_RCODES: dict[str | None, str] = {
    None: "NOERROR",
    Failure.DNS_NO_ANSWER: "NOERROR",
    Failure.DNS_NXDOMAIN_ERROR: "NXDOMAIN",
    Failure.DNS_REFUSED_ERROR: "REFUSED",
    Failure.DNS_SERVFAIL_ERROR: "SERVFAIL",
}


def depth(entry: Document) -> int:
    """How many redirects came before (ts-017: the tag `depth=N`)."""
    for tag in texts(entry, "tags"):
        name, _, value = tag.partition("=")
        if name == "depth" and value.isascii() and value.isdigit() and len(value) < 4:
            return int(value)
    return 0


def told(entry: Document, name: str) -> str | None:
    """The value of a tag `NAME=VALUE`; our own export keeps there what OONI's format has no field for."""
    values = (tag.removeprefix(f"{name}=") for tag in texts(entry, "tags") if tag.startswith(f"{name}="))
    return next(values, None)


def told_purpose(entry: Document) -> Purpose | None:
    value = told(entry, "purpose")
    return Purpose(value) if value in set(Purpose) else None


def dns_steps(entry: Document, duplicates: list[Document]) -> Iterator[DnsStep]:
    """The steps of one query. getaddrinfo's `ANY` asked for A and for AAAA: one step for each family that it answered,
    both where it failed, since its failure does not say which."""
    name = a_label(text(entry, "hostname") or "")
    asked = (text(entry, "query_type") or "A").upper()
    if not name:
        return
    if asked != "ANY":
        yield _step(entry, name, asked, _addresses(entry), duplicates)
        return
    by_family = {
        qtype: [address for address in _addresses(entry) if (":" in address) == (qtype == "AAAA")]
        for qtype in ("A", "AAAA")
    }
    for qtype, addresses in by_family.items():
        if addresses or not any(by_family.values()):
            yield _step(entry, name, qtype, addresses, duplicates)


def _step(entry: Document, name: str, qtype: str, addresses: list[str], duplicates: list[Document]) -> DnsStep:
    engine = text(entry, "engine") or ""
    transport, purpose = _ENGINES.get(engine, (SYSTEM, Purpose.TARGET))
    wrong = failure(entry.get("failure")) or (
        None if addresses or qtype not in {"A", "AAAA"} else Failure.DNS_NO_ANSWER
    )
    t0, t = span(entry)
    return DnsStep(
        t0=t0,
        t=t,
        purpose=told_purpose(entry) or purpose,
        failure=wrong,
        name=name,
        qtype=qtype,
        resolver=_resolver(entry, transport),
        transport=told(entry, "transport") or transport,
        answers=tuple(addresses),
        replies=_replies(entry, duplicates),
    )


def _resolver(entry: Document, transport: str) -> str:
    address = text(entry, "resolver_address") or text(entry, "resolver_hostname")
    if address is None or transport == SYSTEM:
        return SYSTEM
    taken_apart = socket_address(address)
    return taken_apart[0] if taken_apart else address


def _addresses(entry: Document) -> list[str]:
    found = (text(answer, "ipv4") or text(answer, "ipv6") or "" for answer in parts(entry, "answers"))
    return list(dict.fromkeys(str(parse_address(address)) for address in found if is_address(address)))


def _replies(entry: Document, duplicates: list[Document]) -> tuple[DnsReply, ...]:
    """Kept where they say more than the answers: a CNAME, a TTL, the bytes, or a second reply to the same query."""
    replies = (_reply(entry), *(_reply(duplicate) for duplicate in duplicates))
    first = replies[0]
    return replies if first.cnames or first.min_ttl is not None or first.size or duplicates else ()


def _reply(entry: Document) -> DnsReply:
    answers = parts(entry, "answers")
    ttls = [ttl for answer in answers if (ttl := integer(answer, "ttl")) is not None and ttl > 0]  # 0: unknown
    cnames = (text(answer, "hostname") for answer in answers if text(answer, "answer_type") == "CNAME")
    return DnsReply(
        t=seconds(entry, "t") or 0.0,
        size=len(binary({"data": entry.get("raw_response")})),
        rcode=_RCODES.get(failure(entry.get("failure"))),
        addresses=tuple(_addresses(entry)),
        cnames=tuple(a_label(name) for name in cnames if name),
        min_ttl=min(ttls, default=None),
    )


def duplicates_of(entry: Document, test_keys: Document) -> list[Document]:
    """Further replies to the same query, which web_connectivity 0.5 sets apart: the mark of an injected answer."""
    query = (entry.get("transaction_id"), entry.get("hostname"), entry.get("query_type"))
    return [
        other
        for other in parts(test_keys, "x_dns_duplicate_responses")
        if query[0] and (other.get("transaction_id"), other.get("hostname"), other.get("query_type")) == query
    ]


class Answers(NamedTuple):
    """Addresses by who gave them, at one depth of the redirect chain."""

    system: frozenset[str]
    others: frozenset[str]

    def purpose(self, address: str | None) -> Purpose:
        """A user's connection goes to what the system's resolver said; OONI tries what others said beside it."""
        elsewhere = address is not None and address in self.others and address not in self.system
        return Purpose.TRUSTED_ADDRESS if elsewhere else Purpose.TARGET


def answers_of(steps: Iterable[DnsStep], control: Iterable[str] = ()) -> Answers:
    steps = tuple(steps)
    system = frozenset(a for step in steps if step.purpose is Purpose.TARGET for a in step.answers)
    others = frozenset(a for step in steps if step.purpose is not Purpose.TARGET for a in step.answers)
    return Answers(system, others | frozenset(control))
