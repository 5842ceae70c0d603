"""Any bytes may come as a reply."""

import time

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.net.dns import query_udp
from probe.net.dns_message import Question
from probe.net.trace import Trace
from probe.wire.vocabulary import Failure

from .resolver import Datagram, Resolver, reply
from .servers import HOST

QUESTION = Question("x.com", "A", id=7)


def header(id: int, answers: int) -> bytes:
    return id.to_bytes(2, "big") + b"\x81\x80\x00\x01" + answers.to_bytes(2, "big") + bytes(4)


@given(st.binary(max_size=600))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_reply(wire: bytes) -> None:
    record = Question("x.com", "A", id=7).read(wire, 0.1).record
    assert record.size == len(wire)
    assert (record.rcode is None) == (record.malformed is not None)


@given(st.binary(max_size=300), st.integers(0, 65535))
@settings(max_examples=300, deadline=None)
def test_any_bytes_after_a_right_question_are_a_reply(rest: bytes, answers: int) -> None:
    asked = QUESTION.wire()[12:23]
    read = Question("x.com", "A", id=7).read(header(7, answers) + asked + rest, 0.1)
    assert read.record.matches
    if read.record.malformed is None:
        assert read.usable
    elif read.usable:
        assert read.answers or read.record.rcode != "NOERROR"


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_honest_reply_is_a_reply(data: st.DataObject) -> None:
    wire = bytearray(reply(QUESTION.wire(), "A 192.0.2.1", "AAAA 2001:db8::1", 'TXT "text"', "CNAME y.com."))
    for _ in range(data.draw(st.integers(1, 6))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    Question("x.com", "A", id=7).read(bytes(wire), 0.1)


def ladder_bomb(records: int) -> bytes:
    """A ladder of pointers, each to the one below, inside the data of a record of no known type; and as many records as
    asked for with their names at its top."""
    head = header(7, records + 1) + QUESTION.wire()[12:23]
    size = 4096 - len(head) - 11 - 16 * records
    first = len(head) + 11
    rungs = b"".join((0xC000 | first + max(0, 2 * at - 1)).to_bytes(2, "big") for at in range((size - 1) // 2))
    top = (0xC000 | first + 1 + len(rungs) - 2).to_bytes(2, "big")
    holder = b"\x00\xff\x00\x00\x01" + bytes(4) + (1 + len(rungs)).to_bytes(2, "big") + b"\x00" + rungs
    return head + holder + (top + b"\x00\x01\x00\x01" + bytes(4) + b"\x00\x04\xc0\x00\x02\x01") * records


def test_compressed_names_cannot_buy_much_of_our_time() -> None:
    question = Question("x.com", "A", id=7)
    bomb = ladder_bomb(80)
    started = time.process_time()
    for _ in range(32):
        question.read(bomb, 0.1)
    assert time.process_time() - started < 0.6


def test_after_costly_replies_the_rest_is_kept_unparsed() -> None:
    """dnspython before 2.9 follows every rung of such a ladder."""
    question = Question("x.com", "A", id=7)
    question._spent = 1.0
    record = question.read(reply(QUESTION.wire(), "A 192.0.2.1"), 0.1).record
    assert (record.matches, record.malformed) == (True, "the replies before it took too long to parse")


def test_huge_counts_and_huge_packets_are_refused_unparsed() -> None:
    asked = QUESTION.wire()[12:23]
    assert QUESTION.read(header(7, 65535) + asked, 0.1).record.malformed == "larger than an honest answer"
    assert QUESTION.read(header(7, 1) + asked + bytes(60000), 0.1).record.malformed == "larger than an honest answer"


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=5))
@settings(max_examples=10, deadline=None)
def test_any_datagrams_give_a_record_in_time(datagrams: list[bytes]) -> None:
    async def main() -> None:
        resolver = Resolver(lambda _: [Datagram(wire) for wire in datagrams])
        async with trio.open_nursery() as nursery:
            await nursery.start(resolver.run)
            step = await query_udp(Trace(), "x.com", "A", HOST, port=resolver.port, timeout=0.15)
            assert step.failure == (Failure.DNS_SERVER_MISBEHAVING if step.replies else Failure.GENERIC_TIMEOUT_ERROR)
            assert len(step.replies) <= len(datagrams)
            assert step.t - step.t0 < 3
            nursery.cancel_scope.cancel()

    trio.run(main)
