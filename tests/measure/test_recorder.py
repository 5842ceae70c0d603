"""What of the steps is kept, and how."""

import trio
import trustme

from probe.catalogue.targets import parse_target
from probe.measure.flow import Flow
from probe.measure.pace import Beat
from probe.measure.recorder import Recorder
from probe.measure.task import Task
from probe.net.chain import Roots
from probe.wire.steps import HttpStep, TlsStep
from probe.wire.vocabulary import Failure, Purpose

from .sites import HERE, PRIVATE, Names, Web, certified, context_of, page, start

NAME = "www.own.test"


async def test_a_chain_is_kept_once_and_named_in_every_record(
    authority: trustme.CA, roots: Roots, nursery: trio.Nursery
) -> None:
    web = Web(lambda _, __: page(), tls=certified(authority, NAME))
    await start(nursery, Names({NAME: HERE}), web)
    flow = Flow(Task(parse_target(f"https://{NAME}:{web.port}/")), context_of(roots))
    await flow.walk()
    first, second = (step for step in flow.take.steps if isinstance(step, TlsStep))
    assert first.chain
    assert not second.chain
    assert first.chain_sha256 == second.chain_sha256 is not None
    assert (second.chain_valid, second.host_match, second.issuer) == (True, True, first.issuer)
    nursery.cancel_scope.cancel()


async def test_the_body_of_a_proven_page_is_not_kept_and_of_another_is(
    authority: trustme.CA, roots: Roots, nursery: trio.Nursery
) -> None:
    """The site's own page may name its visitor; a stranger's is evidence."""
    body = b"<title>Hello</title>Your address is 192.0.2.7"
    proven = Web(lambda _, __: page(body), tls=certified(authority, NAME))
    forged = Web(lambda _, __: page(body), tls=certified(authority, "gateway.test"))
    plain = Web(lambda _, __: page(body))
    await start(nursery, Names({NAME: HERE}), proven, forged, plain)
    kept = []
    for scheme, web in (("https", proven), ("https", forged), ("http", plain)):
        flow = Flow(Task(parse_target(f"{scheme}://{NAME}:{web.port}/")), context_of(roots))
        await flow.walk()
        kept += [step for step in flow.take.steps if isinstance(step, HttpStep)]
    told = body.replace(b"192.0.2.7", b"[scrubbed]")
    assert [(step.trusted, step.body) for step in kept] == [(True, b""), (False, told), (False, told)]
    assert [(step.title, step.body_length) for step in kept] == [("Hello", len(body))] * 3
    nursery.cancel_scope.cancel()


async def test_an_address_that_is_not_allowed_is_recorded_and_not_contacted(
    roots: Roots, nursery: trio.Nursery
) -> None:
    web = Web(lambda _, __: page(), address=PRIVATE)
    await start(nursery, web)
    take = Recorder(context_of(roots))
    assert await take.connect(PRIVATE, web.port, Purpose.TARGET) is None
    (step,) = take.steps
    assert step.failure is not None
    assert web.connections == 0
    nursery.cancel_scope.cancel()


async def test_steps_are_in_the_order_of_their_ends_and_each_is_a_beat(roots: Roots, nursery: trio.Nursery) -> None:
    web = Web(lambda _, __: page())
    await start(nursery, web)
    beat = Beat()
    began, beat.last = beat.last, 0.0
    take = Recorder(context_of(roots), beat)
    stream = await take.connect(HERE, web.port, Purpose.TARGET)
    assert stream is not None
    assert beat.last >= began
    step = await take.fetch(stream, f"http://{NAME}/", (HERE, web.port), Purpose.TARGET)
    assert take.steps[-1] == step
    assert [step.failure for step in take.steps] == [None, None]
    assert take.steps[0].t <= take.steps[1].t
    assert stream.socket.fileno() == -1
    nursery.cancel_scope.cancel()


async def test_a_repeat_gets_a_share_of_the_time(roots: Roots, nursery: trio.Nursery) -> None:
    async def hang(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await trio.sleep_forever()

    listeners = await nursery.start(trio.serve_tcp, hang, 0)
    port = listeners[0].socket.getsockname()[1]
    context = context_of(roots)
    for scale in (1.0, 0.5):
        take = Recorder(context)
        stream = await take.connect(HERE, port, Purpose.TARGET)
        assert stream is not None
        step, secure = await take.shake(stream, (HERE, port), (NAME, NAME), Purpose.REPEAT, scale=scale)
        assert (step.failure, secure) == (Failure.GENERIC_TIMEOUT_ERROR, None)
        assert context.timeouts.tls * scale <= step.t - step.t0 < context.timeouts.tls * scale + 0.4
    nursery.cancel_scope.cancel()
