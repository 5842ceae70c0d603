"""What a look at the surroundings makes of anchors that answer, lie or stay silent."""

import trio
import trustme

from probe.catalogue.model import Anchor, Infrastructure
from probe.measure.surroundings import look_around
from probe.net.chain import Roots
from probe.verdict.surroundings import judge_surroundings
from probe.wire.measurement import Surroundings
from probe.wire.vocabulary import Failure

from .sites import HERE, NEUTRAL, PRIVATE, Names, Web, certified, context_of, page, redirect, start

NAMES = {f"{name}.test": HERE for name in ("status", "body", "title", "secure", "foreign", "portal", "home")}


async def looked(roots: Roots, *anchors: Anchor, addresses: dict[str, str], nursery: trio.Nursery) -> Surroundings:
    await start(nursery, Names(addresses))
    infrastructure = Infrastructure(anchors=anchors, resolvers=(), neutral=NEUTRAL)
    with trio.fail_after(15):
        return await look_around(context_of(roots, infrastructure=infrastructure))


def anchor(url: str, **known: object) -> Anchor:
    return Anchor(url=url, operator=url, **known)  # type: ignore[arg-type]


async def test_each_anchor_is_right_wrong_or_silent_for_its_reason(
    authority: trustme.CA, roots: Roots, nursery: trio.Nursery
) -> None:
    answers = {"body.test": page(b" success\n"), "title.test": page(b"<title>Success</title>")}
    web = Web(lambda host, _: answers.get(host.partition(":")[0], page(b"", "204 No Content")))
    portal = Web(lambda _, __: redirect("http://login.test/"))
    secure = Web(lambda _, __: page(), tls=certified(authority, "secure.test"))
    forged = Web(lambda _, __: page(), tls=certified(trustme.CA(organization_name="Gateway"), "foreign.test"))
    await start(nursery, web, portal, secure, forged)
    seen = await looked(
        roots,
        anchor(f"http://status.test:{web.port}/", status=204),
        anchor(f"http://body.test:{web.port}/", body="success"),
        anchor(f"http://title.test:{web.port}/", title="Success"),
        anchor(f"https://secure.test:{secure.port}/"),
        anchor(f"http://portal.test:{portal.port}/", status=204),
        anchor(f"https://foreign.test:{forged.port}/"),
        anchor("https://missing.test/"),
        addresses=NAMES,
        nursery=nursery,
    )
    assert [(one.seen, one.failure) for one in seen.anchors] == [
        *[("right", None)] * 4,
        ("wrong", None),
        ("wrong", Failure.SSL_UNKNOWN_AUTHORITY),
        ("silent", Failure.DNS_NXDOMAIN_ERROR),
    ]
    assert "Gateway" in (seen.anchors[5].issuer or "")
    assert judge_surroundings(seen) is None
    assert (seen.resolver_ok, seen.ipv6, seen.rewrite) == (True, False, ())
    nursery.cancel_scope.cancel()


async def test_no_request_is_made_of_a_secure_anchor(
    authority: trustme.CA, roots: Roots, nursery: trio.Nursery
) -> None:
    secure = Web(lambda _, __: page(), tls=certified(authority, "secure.test"))
    await start(nursery, secure)
    await looked(roots, anchor(f"https://secure.test:{secure.port}/"), addresses=NAMES, nursery=nursery)
    assert (secure.names, secure.requests) == (["secure.test"], [])
    nursery.cancel_scope.cancel()


async def test_an_anchor_of_another_country_is_not_contacted(roots: Roots, nursery: trio.Nursery) -> None:
    web = Web(lambda _, __: page())
    await start(nursery, web)
    seen = await looked(
        roots, anchor(f"http://home.test:{web.port}/", country="CN", status=200), addresses=NAMES, nursery=nursery
    )
    assert (seen.anchors, web.connections) == ((), 0)
    nursery.cancel_scope.cancel()


async def test_a_neutral_name_at_a_private_address_is_a_wrong_answer(roots: Roots, nursery: trio.Nursery) -> None:
    seen = await looked(roots, anchor("https://secure.test/"), addresses={"secure.test": PRIVATE}, nursery=nursery)
    assert [(one.seen, one.failure) for one in seen.anchors] == [("wrong", Failure.DNS_BOGON_ERROR)]
    assert seen.private_neutral
    nursery.cancel_scope.cancel()


async def test_where_nothing_answers_the_network_is_offline(roots: Roots, nursery: trio.Nursery) -> None:
    infrastructure = Infrastructure(anchors=(anchor("https://secure.test/"),), resolvers=(), neutral=NEUTRAL)
    seen = await look_around(context_of(roots, infrastructure=infrastructure, resolvers=("127.0.0.78",)))
    assert [(one.seen, one.failure) for one in seen.anchors] == [("silent", Failure.CONNECTION_REFUSED)]
    assert (seen.resolver_ok, str((judge_surroundings(seen) or ("",))[0])) == (False, "offline")
    nursery.cancel_scope.cancel()
