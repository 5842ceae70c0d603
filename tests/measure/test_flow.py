"""The straight line over real sockets: where it goes on, and where it must not."""

import pytest
import trio
import trustme

from probe.catalogue.targets import parse_target
from probe.measure.context import Context
from probe.measure.flow import MAX_REDIRECTS, TOO_MANY_REDIRECTS, Flow
from probe.measure.task import Task
from probe.net.chain import Roots
from probe.wire.measurement import Measurement
from probe.wire.steps import DnsStep, HttpStep, TcpStep, TlsStep
from probe.wire.vocabulary import Failure, Purpose

from .sites import HERE, PRIVATE, Names, Web, certified, context_of, page, redirect, start

OWN, OTHER = "www.own.test", "www.stranger.test"
ADDRESSES = {OWN: HERE, "cdn.own.test": HERE, "sister.test": HERE, OTHER: HERE, "private.test": PRIVATE}
DOMAINS = ("own.test", "sister.test")


async def walked(context: Context, url: str, domains: tuple[str, ...] | None) -> Measurement:
    flow = Flow(Task(parse_target(url), domains=domains), context)
    with trio.fail_after(10):
        await flow.walk()
    return flow.measurement()


def pages(measurement: Measurement) -> list[HttpStep]:
    return [step for step in measurement.steps if isinstance(step, HttpStep)]


@pytest.mark.parametrize(
    ("lead", "domains", "visited"),
    [
        (OTHER, DOMAINS, [OWN]),
        ("sister.test", DOMAINS, [OWN, "sister.test"]),
        ("cdn.own.test", (), [OWN]),
        ("sister.test", (), [OWN]),
        (f"{OWN}.stranger.test", DOMAINS, [OWN]),
        ("notown.test", DOMAINS, [OWN]),
        (OTHER, None, [OWN, OTHER]),
    ],
)
async def test_a_redirect_is_followed_within_the_platform_or_anywhere_if_typed(
    lead: str, domains: tuple[str, ...] | None, visited: list[str], roots: Roots, nursery: trio.Nursery
) -> None:
    names = Names({**ADDRESSES, f"{OWN}.stranger.test": HERE, "notown.test": HERE})
    web = Web(lambda _, path: redirect(f"http://{lead}:{web.port}/there") if path == "/" else page())
    await start(nursery, names, web)
    measurement = await walked(context_of(roots), f"http://{OWN}:{web.port}/", domains)
    assert [host for host, _ in web.requests] == visited
    assert set(names.asked) == set(visited)
    assert pages(measurement)[0].location == f"http://{lead}:{web.port}/there"
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("lead", ["private.test", PRIVATE, "[::1]", "localhost", "2130706434", "0x7f.2"])
async def test_a_private_redirect_target_is_never_contacted(lead: str, roots: Roots, nursery: trio.Nursery) -> None:
    secret = Web(lambda _, __: page(b"secret"), address=PRIVATE)
    web = Web(lambda _, __: redirect(f"http://{lead}:{secret.port}/"))
    await start(nursery, Names(ADDRESSES), secret, web)
    measurement = await walked(context_of(roots), f"http://{OWN}:{web.port}/", None)
    assert (len(web.requests), secret.connections) == (1, 0)
    assert {step.address for step in measurement.steps if isinstance(step, TcpStep)} == {HERE}
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "lead", ["ftp://www.own.test/", "javascript:alert(1)", "http://", "tcp://www.own.test:80", "dns:x.com"]
)
async def test_a_redirect_to_what_is_no_web_page_ends_the_line(lead: str, roots: Roots, nursery: trio.Nursery) -> None:
    web = Web(lambda _, __: redirect(lead))
    await start(nursery, Names(ADDRESSES), web)
    measurement = await walked(context_of(roots), f"http://{OWN}:{web.port}/", None)
    assert (len(web.requests), len(pages(measurement))) == (1, 1)
    nursery.cancel_scope.cancel()


async def test_a_loop_ends_after_ten_redirects_and_is_a_failure(roots: Roots, nursery: trio.Nursery) -> None:
    names = Names(ADDRESSES)
    web = Web(lambda _, path: redirect(f"{path}a"))
    await start(nursery, names, web)
    measurement = await walked(context_of(roots), f"http://{OWN}:{web.port}/", DOMAINS)
    hops = pages(measurement)
    assert len(hops) == len(web.requests) == MAX_REDIRECTS + 1
    assert [hop.failure for hop in hops] == [None] * MAX_REDIRECTS + [TOO_MANY_REDIRECTS]
    assert hops[-1].location is None
    assert len(names.asked) == 2  # A and AAAA, once: the host is the same
    nursery.cancel_scope.cancel()


async def test_an_innocuous_name_goes_before_the_real_one_to_a_lone_address(
    authority: trustme.CA, roots: Roots, nursery: trio.Nursery
) -> None:
    web = Web(lambda _, __: page(), tls=certified(authority, OWN))
    await start(nursery, Names(ADDRESSES), web)
    measurement = await walked(context_of(roots), f"https://{OWN}:{web.port}/", DOMAINS)
    assert web.names == ["neutral.test", OWN]
    assert [step.status for step in pages(measurement)] == [200]
    nursery.cancel_scope.cancel()


async def test_a_light_line_ends_with_a_certificate_that_is_good(
    authority: trustme.CA, roots: Roots, nursery: trio.Nursery
) -> None:
    web = Web(lambda _, __: page(), tls=certified(authority, OWN))
    await start(nursery, Names(ADDRESSES), web)
    measurement = await walked(context_of(roots, mode="light"), f"https://{OWN}:{web.port}/", DOMAINS)
    assert (web.names, web.requests) == ([OWN], [])
    assert measurement.steps[-1].failure is None
    nursery.cancel_scope.cancel()


async def test_a_light_line_goes_on_to_the_page_where_the_certificate_is_not(
    authority: trustme.CA, roots: Roots, nursery: trio.Nursery
) -> None:
    """What stands behind a forged certificate tells who forged it."""
    web = Web(lambda _, __: page(b"notice"), tls=certified(authority, "gateway.test"))
    await start(nursery, Names(ADDRESSES), web)
    measurement = await walked(context_of(roots, mode="light"), f"https://{OWN}:{web.port}/", DOMAINS)
    (behind,) = pages(measurement)
    assert (behind.trusted, behind.body) == (False, b"notice")
    nursery.cancel_scope.cancel()


async def test_a_name_that_is_not_there_ends_the_line_with_its_records(roots: Roots, nursery: trio.Nursery) -> None:
    await start(nursery, Names(ADDRESSES))
    measurement = await walked(context_of(roots), "https://gone.own.test/", DOMAINS)
    assert [type(step) for step in measurement.steps] == [DnsStep, DnsStep]
    assert {step.failure for step in measurement.steps} == {Failure.DNS_NXDOMAIN_ERROR}
    nursery.cancel_scope.cancel()


async def test_the_next_resolver_is_asked_where_one_fails_but_not_where_it_denies(
    roots: Roots, nursery: trio.Nursery
) -> None:
    names = Names(ADDRESSES)
    await start(nursery, names)
    context = context_of(roots, resolvers=("127.0.0.78", "127.0.0.77"))  # nobody listens at the first
    flow = Flow(Task(parse_target("dns:www.own.test")), context)
    assert await flow.lookup(Purpose.TARGET) == (HERE,)
    flow = Flow(Task(parse_target("dns:gone.test")), context_of(roots, resolvers=("127.0.0.77", "127.0.0.78")))
    assert await flow.lookup(Purpose.TARGET) == ()
    assert {step.resolver for step in flow.take.steps if isinstance(step, DnsStep)} == {"127.0.0.77"}
    nursery.cancel_scope.cancel()


def test_only_public_addresses_of_working_families_are_usable_and_few_of_them(roots: Roots) -> None:
    flow = Flow.__new__(Flow)
    flow.context = context_of(roots, allowed=lambda address: not address.startswith("10."))
    told = ["10.0.0.1", "1.1.1.1", "not an address", "2606:4700::1", "1.1.1.2", "1.1.1.3"]
    assert flow.usable(told) == ["1.1.1.1", "1.1.1.2"]


async def test_handshakes_are_held_against_the_host_whatever_name_is_sent(
    authority: trustme.CA, roots: Roots, nursery: trio.Nursery
) -> None:
    web = Web(lambda _, __: page(), tls=certified(authority, OWN))
    await start(nursery, Names(ADDRESSES), web)
    measurement = await walked(context_of(roots), f"https://{OWN}:{web.port}/", DOMAINS)
    shaken = [step for step in measurement.steps if isinstance(step, TlsStep)]
    assert [(step.sni, step.host_match) for step in shaken] == [("neutral.test", True), (OWN, True)]
    nursery.cancel_scope.cancel()
