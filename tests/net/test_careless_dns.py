"""Replies that are careless behind their answers, as much forgers' and old forwarders' software makes them: a stub
resolver takes the answer, and so does a user."""

import struct
from collections.abc import Callable

import dns.message
import pytest
import trio

from probe.net.dns import query_udp
from probe.net.trace import Trace
from probe.wire.steps import DnsStep
from probe.wire.vocabulary import Failure

from .resolver import Datagram, Resolver, reply
from .servers import HOST

FORGED, REAL = "10.10.34.35", "104.244.42.1"
JUNK = b"\xde\xad\xbe\xef" * 3


def question_of(query: bytes) -> tuple[bytes, bytes]:
    """The question section as it came, and what the query has behind it: its OPT."""
    end = query.index(b"\0", 12) + 5
    return query[12:end], query[end:]


def record(address: str = FORGED) -> bytes:
    """An A record of the name in the question."""
    return struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + bytes(map(int, address.split(".")))


def header(query: bytes, flags: int = 0x8180, *, answers: int = 1, additional: int = 0) -> bytes:
    return query[:2] + struct.pack("!5H", flags, 1, answers, 0, additional)


def count_copied(query: bytes) -> bytes:
    """ARCOUNT is the query's, whose OPT is not there."""
    assert dns.message.from_wire(query).edns == 0
    return header(query, additional=1) + question_of(query)[0] + record()


def junk_behind(query: bytes) -> bytes:
    return header(query) + question_of(query)[0] + record() + JUNK


def junk_as_additional(query: bytes) -> bytes:
    return header(query, additional=1) + question_of(query)[0] + record() + JUNK


def second_answer_cut(query: bytes) -> bytes:
    return header(query, answers=2) + question_of(query)[0] + record() + record()[:-2]


def opt_before_the_answer(query: bytes) -> bytes:
    """The query copied whole, its OPT too, and the answer put behind it: two records, in whatever section."""
    return header(query, answers=2) + query[12:] + record()


CARELESS: dict[str, Callable[[bytes], bytes]] = {
    "count-copied": count_copied,
    "junk-as-additional": junk_as_additional,
    "second-answer-cut": second_answer_cut,
    "opt-before-the-answer": opt_before_the_answer,
}


async def ask(nursery: trio.Nursery, *replies: Callable[[bytes], bytes], linger: float = 0.05) -> DnsStep:
    """Replies come 50 ms apart."""
    resolver = Resolver(lambda wire: [Datagram(make(wire), 0.05 * number) for number, make in enumerate(replies)])
    await nursery.start(resolver.run)
    step = await query_udp(Trace(), "x.com", "A", HOST, port=resolver.port, timeout=1.0, linger=linger)
    nursery.cancel_scope.cancel()
    return step


@pytest.mark.parametrize("kind", CARELESS)
async def test_a_careless_reply_is_an_answer_whose_fault_is_a_fact(kind: str, nursery: trio.Nursery) -> None:
    step = await ask(nursery, CARELESS[kind])
    assert (step.failure, step.answers, step.sent) == (None, (FORGED,), 1)
    (only,) = step.replies
    assert (only.addresses, only.rcode, only.matches) == ((FORGED,), "NOERROR", True)
    assert only.malformed
    assert "\n" not in only.malformed


async def test_junk_behind_a_whole_reply_is_ignored(nursery: trio.Nursery) -> None:
    step = await ask(nursery, junk_behind)
    assert (step.failure, step.answers) == (None, (FORGED,))
    assert step.replies[0].size == len(junk_behind(dns.message.make_query("x.com", "A", use_edns=False).to_wire()))


@pytest.mark.parametrize("kind", [*CARELESS, "junk-behind"])
async def test_a_careless_forgery_that_comes_first_is_the_one_used_and_the_truth_is_kept(
    kind: str, nursery: trio.Nursery
) -> None:
    step = await ask(nursery, CARELESS.get(kind, junk_behind), lambda wire: reply(wire, f"A {REAL}"), linger=0.3)
    assert (step.failure, step.answers) == (None, (FORGED,))
    assert [kept.addresses for kept in step.replies] == [(FORGED,), (REAL,)]
    assert step.replies[1].malformed is None


async def test_a_careless_denial_is_a_denial(nursery: trio.Nursery) -> None:
    step = await ask(nursery, lambda query: header(query, 0x8183, answers=0, additional=1) + question_of(query)[0])
    assert (step.failure, step.answers) == (Failure.DNS_NXDOMAIN_ERROR, ())
    assert step.replies[0].malformed


async def test_a_careless_word_that_there_is_no_such_record_is_taken_at_once(nursery: trio.Nursery) -> None:
    """A forwarder that drops the OPT says so to most questions for IPv6: each would cost a whole timeout."""
    step = await ask(nursery, lambda query: header(query, answers=0, additional=1) + question_of(query)[0])
    assert (step.failure, step.answers, step.sent) == (Failure.DNS_NO_ANSWER, (), 1)
    assert step.replies[0].malformed
    assert step.t - step.replies[0].t < 0.5


async def test_a_reply_of_which_nothing_can_be_read_is_not_taken_for_an_empty_one(nursery: trio.Nursery) -> None:
    """What is damaged before its answers says nothing; the whole reply behind it does."""
    damaged = lambda query: header(query) + question_of(query)[0] + record()[:7]  # noqa: E731
    step = await ask(nursery, damaged, lambda wire: reply(wire, f"A {REAL}"), linger=0.3)
    assert (step.failure, step.answers) == (None, (REAL,))
    assert [bool(kept.malformed) for kept in step.replies] == [True, False]
