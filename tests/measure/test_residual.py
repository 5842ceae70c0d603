"""What one name drew at a shared address is not blamed on another, and what a server cannot do is not asked of it."""

import socket
import ssl
import struct
from dataclasses import dataclass
from functools import partial

import dns.message
import dns.rdatatype
import dns.rrset
import pytest
import trio
import trustme

from probe.catalogue.targets import parse_target
from probe.measure.context import Context, Timeouts
from probe.measure.endpoint import Judged, measure_endpoint
from probe.measure.flow import Flow
from probe.measure.task import Task
from probe.net.chain import Roots
from probe.wire.steps import HttpStep, TcpStep, TlsStep
from probe.wire.vocabulary import Outcome, Purpose, Technique

from .sites import HERE, NEUTRAL, Names, Web, certified, context_of, page, redirect, start

RESIDUAL = 1.0  # seconds for which the censor here holds a grudge
OWN = "www.owner.test"
DOMAINS = ("owner.test", "sister.test")


class Several(Names):
    """A resolver whose names may have more than one address, parted by blanks."""

    def _reply(self, wire: bytes) -> bytes:
        query = dns.message.from_wire(wire)
        question, reply = query.question[0], dns.message.make_response(query)
        name = question.name.to_text(omit_final_dot=True)
        if question.rdtype == dns.rdatatype.A and name in self.addresses:
            addresses = self.addresses[name].split()
            reply.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", "A", addresses))
        return reply.to_wire(want_shuffle=False)


def anywhere(_: str) -> bool:
    return True


def patient(roots: Roots, **more: object) -> Context:
    """A busy machine must not look like silence."""
    return context_of(roots, **({"timeouts": Timeouts().scaled(0.4), "allowed": anywhere} | more))


async def measured(context: Context, url: str, domains: tuple[str, ...] | None = None) -> Judged:
    with trio.fail_after(20):
        return await measure_endpoint(Task(parse_target(url), domains=domains), context)


def handshakes(judged: Judged) -> list[TlsStep]:
    return [step for step in judged.measurement.steps if isinstance(step, TlsStep)]


# --- many addresses ---


@pytest.mark.parametrize("alive", ["127.0.0.13", "127.0.0.14"])
async def test_a_name_whose_first_addresses_refuse_is_reached_at_its_others(
    alive: str, authority: trustme.CA, roots: Roots, nursery: trio.Nursery
) -> None:
    places = ("127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14")
    web = Web(lambda _, __: page(), address=alive, tls=certified(authority, OWN))
    await start(nursery, Several({OWN: " ".join(places)}), web)
    judged = await measured(patient(roots), f"https://{OWN}:{web.port}/")
    nursery.cancel_scope.cancel()
    assert (judged.verdict.outcome, judged.verdict.techniques) == (Outcome.OK, ())
    assert "tcp-some-addresses" in {evidence.rule for evidence in judged.verdict.evidence}
    tried = {step.address for step in judged.measurement.steps if isinstance(step, TcpStep)}
    assert tried == set(places)
    assert [step.status for step in judged.measurement.steps if isinstance(step, HttpStep)] == [200]


# --- a shared address ---


@dataclass
class Grudge:
    """A site of two names behind a filter: `bad` is reset, and for a while after it whatever comes to that address."""

    tls: ssl.SSLContext
    address: str
    port: int = 0
    until: float = float("-inf")

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        listeners = await trio.open_tcp_listeners(0, host=self.address)
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._connection, listeners)

    async def _connection(self, stream: trio.SocketStream) -> None:
        async with stream:
            try:
                hello = await stream.socket.recv(4096, socket.MSG_PEEK)
                if b"bad" in hello:
                    self.until = trio.current_time() + RESIDUAL
                if trio.current_time() < self.until:
                    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    stream.socket.close()
                    return
                await Web(lambda _, __: page(), tls=self.tls)._secured(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
                return


async def test_what_one_name_drew_at_a_shared_address_is_not_blamed_on_another(
    authority: trustme.CA, roots: Roots, nursery: trio.Nursery
) -> None:
    """Pairs side by side, each at an address of its own: together, the bad name first, or the good one."""
    later = [0.0] * 12 + [0.15 * number for number in range(1, 9)] + [-0.15 * number for number in range(1, 9)]
    wall, found = list[Grudge](), dict[str, Judged]()
    for number in range(len(later)):
        tls = certified(authority, f"good{number}.test", f"bad{number}.test")
        wall.append(Grudge(tls, f"127.0.3.{number + 1}"))
        await nursery.start(partial(wall[number].serve))
    names = {f"{kind}{number}.test": grudge.address for number, grudge in enumerate(wall) for kind in ("good", "bad")}
    await start(nursery, Names(names))
    context = patient(roots)

    async def one(kind: str, number: int, wait: float) -> None:
        await trio.sleep(max(0.0, wait))
        found[f"{kind}{number}"] = await measured(context, f"https://{kind}{number}.test:{wall[number].port}/")

    async with trio.open_nursery() as rounds:
        for number, wait in enumerate(later):
            rounds.start_soon(one, "good", number, wait)
            rounds.start_soon(one, "bad", number, -wait)
    nursery.cancel_scope.cancel()
    said = {name: (judged.verdict.outcome, judged.verdict.technique) for name, judged in found.items()}
    allowed: dict[str, set[tuple[Outcome, Technique | None]]] = {
        "good": {(Outcome.OK, None), (Outcome.INCONCLUSIVE, None)},
        "bad": {(Outcome.BLOCKED, Technique.SNI_RESET), (Outcome.INCONCLUSIVE, None)},
    }
    wrong = {name: verdict for name, verdict in said.items() if verdict not in allowed[name.rstrip("0123456789")]}
    assert wrong == {}
    assert sum(technique is Technique.SNI_RESET for _, technique in said.values()) >= len(later) // 2
    good = [judged for name, judged in found.items() if name.startswith("good")]
    assert any((step.after_hit or "").startswith("bad") for judged in good for step in handshakes(judged))


async def test_who_comes_third_is_told_of_the_name_that_drew_it_not_of_one_that_suffered(
    authority: trustme.CA, roots: Roots, nursery: trio.Nursery
) -> None:
    """Evidence names names, and people will read it."""
    grudge = Grudge(certified(authority, "bad.test", "good.test", "third.test"), HERE)
    await start(nursery, Names(dict.fromkeys(("bad.test", "good.test", "third.test"), HERE)))
    await nursery.start(partial(grudge.serve))
    context, found = patient(roots), dict[str, Judged]()

    async def one(name: str, later: float) -> None:
        await trio.sleep(later)
        found[name] = await measured(context, f"https://{name}:{grudge.port}/")

    async with trio.open_nursery() as rounds:
        for number, name in enumerate(("bad.test", "good.test", "third.test")):
            rounds.start_soon(one, name, 0.3 * number)
    nursery.cancel_scope.cancel()
    assert found["bad.test"].verdict.technique is Technique.SNI_RESET
    for name in ("good.test", "third.test"):
        failed = [step for step in handshakes(found[name]) if step.failure is not None]
        assert failed
        assert failed[0].after_hit == "bad.test", name
        assert "good.test drew" not in " ".join(evidence.text for evidence in found[name].verdict.evidence)


# --- one connection at a time ---


@dataclass
class OneAtATime:
    """Accepts, serves, closes; only then the next."""

    tls: ssl.SSLContext
    port: int = 0
    served: int = 0

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        (listener,) = await trio.open_tcp_listeners(0, host=HERE)
        self.port = listener.socket.getsockname()[1]
        task_status.started()
        web = Web(lambda _, __: page(), tls=self.tls)
        async with listener:
            while True:
                stream = await listener.accept()
                await web._connection(stream)
                self.served += 1


@pytest.mark.parametrize("mode", ["default", "deep"])
async def test_a_server_that_takes_one_connection_at_a_time_answers_both_names(
    mode: str, authority: trustme.CA, roots: Roots, nursery: trio.Nursery
) -> None:
    server = OneAtATime(certified(authority, OWN))
    await start(nursery, Names({OWN: HERE}))
    await nursery.start(partial(server.serve))
    judged = await measured(patient(roots, mode=mode), f"https://{OWN}:{server.port}/")
    nursery.cancel_scope.cancel()
    assert judged.verdict.outcome == Outcome.OK
    assert [(step.sni, step.purpose, step.failure) for step in handshakes(judged)] == [
        (NEUTRAL[0], Purpose.INNOCUOUS, None),
        (OWN, Purpose.TARGET, None),
    ]
    assert [step.status for step in judged.measurement.steps if isinstance(step, HttpStep)] == [200]
    assert server.served >= 2


# --- redirects ---


@pytest.mark.parametrize(
    "lead",
    [
        "http://127.0.0.1:{port}/there",
        "http://127.0.0.9:{port}/there",
        f"http://{OWN}:{{other}}/there",
        "http://sister.test:{other}/there",
        "http://www.owner.tk:{port}/there",
        "http://owner.com.tr:{port}/there",
        "http://owner.test.evil.test:{port}/there",
    ],
)
async def test_a_catalogue_endpoint_is_not_led_away(lead: str, roots: Roots, nursery: trio.Nursery) -> None:
    hosts = (OWN, "sister.test", "www.owner.tk", "owner.com.tr", "owner.test.evil.test")
    other = Web(lambda _, __: page())
    elsewhere = Web(lambda _, __: page(), address="127.0.0.9")
    web = Web(lambda _, path: redirect(lead.format(port=web.port, other=other.port)) if path == "/" else page())
    names = Names(dict.fromkeys(hosts, HERE))
    await start(nursery, names, other, elsewhere, web)
    flow = Flow(Task(parse_target(f"http://{OWN}:{web.port}/"), domains=DOMAINS), patient(roots))
    with trio.fail_after(10):
        await flow.walk()
    nursery.cancel_scope.cancel()
    assert web.requests == [(OWN, "/")]
    assert (other.connections, elsewhere.connections) == (0, 0)
    assert set(names.asked) == {OWN}
    (only,) = [step for step in flow.measurement().steps if isinstance(step, HttpStep)]
    assert only.location == lead.format(port=web.port, other=other.port)


@pytest.mark.parametrize(("shown", "visited"), [("forged", ["/"]), ("own", ["/", "/there"])])
@pytest.mark.parametrize("domains", [DOMAINS, None])
async def test_where_a_page_behind_a_bad_certificate_leads_nobody_goes(
    *,
    shown: str,
    visited: list[str],
    domains: tuple[str, ...] | None,
    authority: trustme.CA,
    roots: Roots,
    nursery: trio.Nursery,
) -> None:
    issuer = authority if shown == "own" else trustme.CA(key_type=trustme.KeyType.ECDSA)
    web = Web(
        lambda _, path: redirect(f"https://{OWN}:{web.port}/there") if path == "/" else page(),
        tls=certified(issuer, OWN),
    )
    await start(nursery, Names({OWN: HERE}), web)
    flow = Flow(Task(parse_target(f"https://{OWN}:{web.port}/"), domains=domains), patient(roots))
    with trio.fail_after(10):
        await flow.walk()
    nursery.cancel_scope.cancel()
    assert [path for _, path in web.requests] == visited
