import socket
import sys
import threading
import time

import dns.edns
import dns.message
import dns.rcode
import pytest
import trio

from probe.net.dns import query_udp
from probe.net.trace import Trace
from probe.wire.steps import DnsStep
from probe.wire.vocabulary import Failure

from .resolver import Datagram, Resolver, always, reply
from .servers import HOST, closed_port

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="a fact that only Linux gives")


async def ask(
    nursery: trio.Nursery, resolver: Resolver, name: str = "x.com", qtype: str = "A", **options: float
) -> DnsStep:
    await nursery.start(resolver.run)
    options.setdefault("linger", 0.05)
    step = await query_udp(Trace(), name, qtype, HOST, port=resolver.port, **options)  # type: ignore[arg-type]
    nursery.cancel_scope.cancel()
    return step


async def test_an_answer_with_its_aliases(nursery: trio.Nursery) -> None:
    def answer(wire: bytes) -> list[Datagram]:
        response = dns.message.make_response(dns.message.from_wire(wire))
        for line in ("www.x.com. 300 IN CNAME edge.cdn.net.", "edge.cdn.net. 20 IN A 104.244.42.1"):
            name, ttl, _, qtype, text = line.split()
            response.answer.append(dns.rrset.from_text(name, int(ttl), "IN", qtype, text))
        return [Datagram(response.to_wire())]

    step = await ask(nursery, Resolver(answer), "www.x.com")
    assert (step.failure, step.answers, step.transport, step.sent) == (None, ("104.244.42.1",), "udp", 1)
    (only,) = step.replies
    assert (only.addresses, only.cnames, only.min_ttl) == (("104.244.42.1",), ("edge.cdn.net",), 20)
    assert (only.rcode, only.matches, only.malformed) == ("NOERROR", True, None)
    assert step.t0 < only.t < step.t


@pytest.mark.parametrize(
    ("qtype", "records", "answers"),
    [
        ("A", ["A 192.0.2.1", "A 192.0.2.2"], ("192.0.2.1", "192.0.2.2")),
        ("AAAA", ["AAAA 2001:db8::1"], ("2001:db8::1",)),
        ("TXT", ['TXT "13414 | 104.244.42.0/24" " | US"'], ("13414 | 104.244.42.0/24 | US",)),
    ],
)
async def test_the_types_that_are_asked(
    qtype: str, records: list[str], answers: tuple[str, ...], nursery: trio.Nursery
) -> None:
    step = await ask(nursery, Resolver(always(*records)), qtype=qtype)
    assert (step.failure, step.answers) == (None, answers)


@pytest.mark.parametrize(
    ("rcode", "failure"),
    [
        (dns.rcode.NXDOMAIN, Failure.DNS_NXDOMAIN_ERROR),
        (dns.rcode.REFUSED, Failure.DNS_REFUSED_ERROR),
        (dns.rcode.SERVFAIL, Failure.DNS_SERVFAIL_ERROR),
        (dns.rcode.NOERROR, Failure.DNS_NO_ANSWER),
        (dns.rcode.NOTAUTH, Failure.DNS_SERVER_MISBEHAVING),
    ],
)
async def test_a_negative_answer_has_its_own_word(rcode: int, failure: Failure, nursery: trio.Nursery) -> None:
    step = await ask(nursery, Resolver(always(rcode=rcode)))
    assert (step.failure, step.answers) == (failure, ())
    assert step.replies[0].rcode == dns.rcode.to_text(dns.rcode.Rcode(rcode))


async def test_an_address_of_the_other_family_is_seen_but_is_no_answer(nursery: trio.Nursery) -> None:
    step = await ask(nursery, Resolver(always("A 127.0.0.1")), qtype="AAAA")
    assert (step.failure, step.answers) == (Failure.DNS_NO_ANSWER, ())
    assert step.replies[0].addresses == ("127.0.0.1",)


async def test_a_forged_reply_and_the_real_one_it_raced_are_both_kept(nursery: trio.Nursery) -> None:
    def race(wire: bytes) -> list[Datagram]:
        return [
            Datagram(reply(wire, "A 10.10.34.35"), ip_ttl=33),
            Datagram(reply(wire, "A 104.244.42.1"), after=0.1, ip_ttl=57),
        ]

    step = await ask(nursery, Resolver(race), linger=0.3)
    assert [r.addresses for r in step.replies] == [("10.10.34.35",), ("104.244.42.1",)]
    assert step.answers == ("10.10.34.35",)  # what a stub resolver would take
    assert step.replies[1].t - step.replies[0].t == pytest.approx(0.1, abs=0.09)
    assert 0.3 <= step.t - step.replies[0].t < 1.5
    if sys.platform == "linux":
        assert [r.ip_ttl for r in step.replies] == [33, 57]


@LINUX
async def test_the_arrival_is_the_kernels_not_the_event_loops(nursery: trio.Nursery, trace: Trace) -> None:
    """The loop is held up while the reply comes, as it is when other measurements keep it busy."""
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind((HOST, 0))
        asked = threading.Event()

        def answer() -> None:
            wire, peer = server.recvfrom(4096)
            asked.set()
            time.sleep(0.1)
            server.sendto(reply(wire, "A 192.0.2.1"), peer)

        async def hold_up() -> None:
            while not asked.is_set():  # noqa: ASYNC110 (a thread sets it)
                await trio.sleep(0.001)
            time.sleep(0.3)  # noqa: ASYNC251

        nursery.start_soon(trio.to_thread.run_sync, answer)
        nursery.start_soon(hold_up)
        step = await query_udp(trace, "x.com", "A", HOST, port=server.getsockname()[1], linger=0.01)
    assert step.t >= 0.3
    assert 0.1 <= step.replies[0].t < step.t - 0.1


async def test_an_injected_nxdomain_before_the_answer_is_what_counts_and_the_answer_is_kept(
    nursery: trio.Nursery,
) -> None:
    def race(wire: bytes) -> list[Datagram]:
        return [
            Datagram(reply(wire, rcode=dns.rcode.NXDOMAIN)),
            Datagram(reply(wire, "A 104.244.42.1"), after=0.03),
        ]

    step = await ask(nursery, Resolver(race), linger=0.2)
    assert (step.failure, step.answers) == (Failure.DNS_NXDOMAIN_ERROR, ())
    assert [r.rcode for r in step.replies] == ["NXDOMAIN", "NOERROR"]


async def test_waiting_on_is_twice_the_time_of_a_slow_resolver(nursery: trio.Nursery) -> None:
    step = await ask(nursery, Resolver(lambda wire: [Datagram(reply(wire, "A 192.0.2.1"), after=0.2)]), linger=0.01)
    assert 0.4 <= step.t - step.replies[0].t + 0.02 < 1.5


async def test_noise_is_kept_does_not_count_and_cannot_crowd_out_the_answer(nursery: trio.Nursery) -> None:
    def noisy(wire: bytes) -> list[Datagram]:
        other_id = bytes([wire[0] ^ 1]) + reply(wire, "A 10.0.0.1")[1:]
        other_name = reply(dns.message.make_query("y.com", "A", id=int.from_bytes(wire[:2], "big")).to_wire())
        noise = [b"", b"\x00", b"noise", wire, other_id, other_name, *[b"\xff" * 40] * 60]
        return [*map(Datagram, noise), Datagram(reply(wire, "A 192.0.2.1"), after=0.05)]

    step = await ask(nursery, Resolver(noisy))
    assert (step.failure, step.answers) == (None, ("192.0.2.1",))
    assert len(step.replies) <= 32
    assert [r.matches for r in step.replies] == [False] * 24 + [True]
    assert any(r.malformed for r in step.replies)


async def test_nothing_but_garbage_is_a_misbehaving_server(nursery: trio.Nursery) -> None:
    step = await ask(nursery, Resolver(lambda wire: [Datagram(wire[:2] + b"\x81\x80garbage")]), timeout=0.2)
    assert (step.failure, step.answers) == (Failure.DNS_SERVER_MISBEHAVING, ())
    assert step.replies[0].rcode is None


async def test_silence_is_asked_again_and_then_a_timeout(nursery: trio.Nursery) -> None:
    resolver = Resolver(lambda _: [])
    step = await ask(nursery, resolver, timeout=1.3)
    assert (step.failure, step.replies, step.sent) == (Failure.GENERIC_TIMEOUT_ERROR, (), 2)
    assert 1.3 <= step.t - step.t0 < 3
    assert resolver.asked[0].id == resolver.asked[1].id


async def test_a_lost_query_is_answered_the_second_time(nursery: trio.Nursery) -> None:
    resolver = Resolver(lambda wire: [Datagram(reply(wire, "A 192.0.2.1"))] if len(resolver.asked) > 1 else [])
    step = await ask(nursery, resolver)
    assert (step.failure, step.answers, step.sent) == (None, ("192.0.2.1",), 2)


async def test_a_closed_port_says_so_at_once() -> None:
    step = await query_udp(Trace(), "x.com", "A", HOST, port=await closed_port(), linger=0.1)
    assert (step.failure, step.replies) == (Failure.CONNECTION_REFUSED, ())
    assert step.t - step.t0 < 2


@LINUX
async def test_an_injected_reply_is_seen_although_the_port_is_closed(trace: Trace) -> None:
    """What an on-path injector does for an address that runs no resolver: its reply comes beside the ICMP error."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as there:
        await there.bind((HOST, 0))
        port = there.getsockname()[1]
        steps: list[DnsStep] = []
        asked_at = trio.current_time()

        async def asking() -> None:
            steps.append(await query_udp(trace, "x.com", "A", HOST, port=port, linger=0.3))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking)
            wire, peer = await there.recvfrom(4096)
            there.close()
            await trio.sleep_until(asked_at + 1.1)  # it was asked once more, and the closed port refused that
            with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as injector:
                await injector.bind((HOST, port))
                await injector.sendto(reply(wire, "A 10.10.34.35"), peer)
    (step,) = steps
    assert (step.failure, step.answers, step.sent) == (None, ("10.10.34.35",), 2)
    assert step.t < 2.5  # the refusal did end the waiting


@pytest.mark.parametrize("rcode", [dns.rcode.FORMERR, dns.rcode.NOTIMP])
async def test_a_server_that_knows_no_edns_is_asked_without(rcode: int, nursery: trio.Nursery) -> None:
    def old(wire: bytes) -> list[Datagram]:
        if dns.message.from_wire(wire).edns >= 0:
            bare = dns.message.Message(id=int.from_bytes(wire[:2], "big"))
            bare.flags |= dns.flags.QR
            bare.set_rcode(dns.rcode.Rcode(rcode))
            return [Datagram(bare.to_wire())]
        return [Datagram(reply(wire, "A 192.0.2.1"))]

    resolver = Resolver(old)
    step = await ask(nursery, resolver)
    assert (step.failure, step.answers, step.sent) == (None, ("192.0.2.1",), 2)
    assert [query.edns for query in resolver.asked] == [0, -1]
    assert [r.rcode for r in step.replies] == [dns.rcode.to_text(dns.rcode.Rcode(rcode)), "NOERROR"]


async def test_a_firewall_that_drops_edns_meets_a_question_without_it(nursery: trio.Nursery) -> None:
    def answer(wire: bytes) -> list[Datagram]:
        return [] if dns.message.from_wire(wire).edns >= 0 else [Datagram(reply(wire, "A 192.0.2.1"))]

    resolver = Resolver(answer)
    step = await ask(nursery, resolver)
    assert (step.failure, step.answers, step.sent) == (None, ("192.0.2.1",), 2)
    assert [query.edns for query in resolver.asked] == [0, -1]


async def test_a_server_that_never_understands_misbehaves(nursery: trio.Nursery) -> None:
    step = await ask(nursery, Resolver(always(rcode=dns.rcode.FORMERR)))
    assert (step.failure, step.sent) == (Failure.DNS_SERVER_MISBEHAVING, 2)


async def test_the_query_announces_a_payload_that_is_not_fragmented(nursery: trio.Nursery) -> None:
    resolver = Resolver(always("A 192.0.2.1"))
    await ask(nursery, resolver)
    assert resolver.asked[0].payload == 1232


async def test_the_name_is_asked_as_written_and_an_answer_in_other_letters_matches(nursery: trio.Nursery) -> None:
    """Mixing the case of letters (0x20) breaks some of the resolvers that are to be measured."""
    name = "a-long-enough-name.site.example"
    resolver = Resolver(lambda wire: [Datagram(reply(wire, "A 192.0.2.1").replace(b"example", b"eXAmPLE"))])
    step = await ask(nursery, resolver, name)
    assert (step.answers, step.name) == (("192.0.2.1",), name)
    assert resolver.asked[0].question[0].name.to_text() == name + "."


async def test_a_truncated_answer_is_fetched_over_tcp(nursery: trio.Nursery) -> None:
    many = [f"A 192.0.2.{n}" for n in range(1, 61)]
    resolver = Resolver(lambda wire: [Datagram(reply(wire, truncated=True))], over_tcp=lambda wire: reply(wire, *many))
    step = await ask(nursery, resolver)
    assert (step.failure, step.transport, len(step.answers)) == (None, "tcp", 60)
    assert [r.truncated for r in step.replies] == [True, False]


async def test_a_truncated_answer_without_tcp_is_the_failure_of_tcp(nursery: trio.Nursery) -> None:
    step = await ask(nursery, Resolver(lambda wire: [Datagram(reply(wire, truncated=True))]))
    assert (step.failure, step.transport, step.answers) == (Failure.CONNECTION_REFUSED, "udp", ())


async def test_a_truncated_answer_without_tcp_still_answers_with_what_it_holds(nursery: trio.Nursery) -> None:
    step = await ask(nursery, Resolver(lambda wire: [Datagram(reply(wire, "A 192.0.2.1", truncated=True))]))
    assert (step.failure, step.transport, step.answers) == (None, "udp", ("192.0.2.1",))


async def test_a_tcp_answer_cut_short_is_the_end_of_a_stream(nursery: trio.Nursery) -> None:
    resolver = Resolver(lambda wire: [Datagram(reply(wire, truncated=True))], over_tcp=lambda _: None)
    step = await ask(nursery, resolver)
    assert (step.failure, resolver.asked_over_tcp) == (Failure.EOF_ERROR, 1)


async def test_an_extended_error_is_recorded(nursery: trio.Nursery) -> None:
    def censored(wire: bytes) -> list[Datagram]:
        response = dns.message.make_response(dns.message.from_wire(wire))
        response.set_rcode(dns.rcode.NXDOMAIN)
        response.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.CENSORED)])
        return [Datagram(response.to_wire())]

    assert (await ask(nursery, Resolver(censored))).replies[0].ede == (16,)


@pytest.mark.parametrize("name", ["a" * 64 + ".com", ".".join(["abc"] * 70), "two..dots", "\udcff.com", ""])
async def test_a_name_that_dns_cannot_carry_is_a_failure(name: str, trace: Trace) -> None:
    step = await query_udp(trace, name, "A", HOST, port=9, timeout=0.2)
    if name:
        assert (step.failure, step.sent) == (Failure.INVALID_ARGUMENT, 0)
    assert step.failure


@pytest.mark.parametrize(("resolver", "qtype"), [("dns.example", "A"), ("", "A"), (HOST, "WHAT")])
async def test_a_resolver_that_is_no_address_or_a_type_that_is_none_is_a_failure(
    resolver: str, qtype: str, trace: Trace
) -> None:
    step = await query_udp(trace, "x.com", qtype, resolver, timeout=0.2)
    assert (step.failure, step.sent) == (Failure.INVALID_ARGUMENT, 0)


async def test_a_resolver_in_a_zone_that_is_not_there_says_nothing_about_the_name(trace: Trace) -> None:
    step = await query_udp(trace, "x.com", "A", "fe80::1%no-such-link", timeout=0.2)
    assert (step.failure, step.sent) == (Failure.ADDRESS_NOT_AVAILABLE, 0)


async def test_a_source_of_another_family_is_a_failure(trace: Trace) -> None:
    step = await query_udp(trace, "x.com", "A", HOST, port=9, source="::1", timeout=0.2)
    assert (step.failure, step.sent) == (Failure.ADDRESS_FAMILY_NOT_SUPPORTED, 0)
