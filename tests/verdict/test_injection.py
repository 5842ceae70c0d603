"""Replies that raced each other, and replies that only look so."""

import pytest

from probe.verdict.injection import injected_replies
from probe.verdict.seen import hops
from probe.wire.steps import AnyStep, DnsReply
from probe.wire.vocabulary import Purpose

from .records import (
    ALONE,
    NEUTRAL,
    NODE,
    NXDOMAIN,
    SITE,
    SPARE,
    STRANGER,
    TIMEOUT,
    connect,
    https,
    lookup,
    measured,
    page,
    reply,
    rules,
    says,
    shake,
    trusted,
    verdict,
)

X = "x.com"
REACHED = (connect(SITE), shake(X, SITE), page("https://x.com/"))


def raced(*replies: DnsReply, sent: int = 1, then: tuple[AnyStep, ...] = REACHED) -> bool:
    told = replies[0].addresses
    asked = lookup(X, told or "dns_nxdomain_error", replies=replies, sent=sent)
    return injected_replies(hops(measured("https://x.com/", asked, trusted(X, (SITE,)), *then))[0])


@pytest.mark.parametrize(
    "replies",
    [
        (reply(SITE, SPARE), reply(SPARE, SITE)),
        (reply(SITE), reply(SITE)),
        (reply(SITE, min_ttl=300), reply(SITE, min_ttl=12)),
        (reply(SITE, ip_ttl=54), reply(SITE, ip_ttl=53)),
        (reply(SITE, SPARE), reply(SPARE, NODE)),
        (reply(SITE), reply(rcode="NXDOMAIN", matches=False)),
        (reply(SITE, truncated=True), reply(STRANGER)),
        (reply(SITE), DnsReply(t=0.1, size=9, malformed="short")),
    ],
    ids=["rotated", "duplicate", "other-ttl", "other-hop-limit", "overlapping", "stray", "truncated", "malformed"],
)
def test_order_ttl_duplicates_and_strays_never_count(replies: tuple[DnsReply, ...]) -> None:
    assert not raced(*replies)


def test_servfail_and_then_an_answer_to_the_retransmission_is_no_race() -> None:
    assert not raced(reply(rcode="SERVFAIL"), reply(SITE), sent=2)
    assert raced(reply(rcode="SERVFAIL"), reply(SITE), sent=1)


def test_sets_of_two_content_networks_that_are_both_valid_are_no_race() -> None:
    both = (*REACHED, connect(NODE), shake(X, NODE))
    assert not raced(reply(SITE), reply(NODE), then=both)


def test_other_rcodes_are_a_race_whichever_came_first() -> None:
    assert raced(reply(rcode="NXDOMAIN"), reply(SITE))
    assert raced(reply(SITE), reply(rcode="REFUSED"))


def test_disjoint_sets_of_which_one_fails_tls_are_a_race() -> None:
    failing = (*REACHED, connect(STRANGER), shake(X, STRANGER, TIMEOUT))
    assert raced(reply(STRANGER), reply(SITE), then=failing)


def test_a_bogus_set_beside_a_valid_one_is_a_race() -> None:
    assert raced(reply("10.10.34.35"), reply(SITE))


def test_forged_first_is_blocked_and_forged_second_is_harmless() -> None:
    at = Purpose.TRUSTED_ADDRESS
    honest = (connect(SITE, purpose=at), shake(X, SITE, purpose=at))
    first = lookup(X, (STRANGER,), replies=(reply(STRANGER), reply(SITE)))
    lost = measured("https://x.com/", first, trusted(X, (SITE,)), connect(STRANGER, TIMEOUT), *honest)
    assert says(lost, ALONE) == "blocked dns-forged injected"
    second = lookup(X, (SITE,), replies=(reply(SITE), reply("10.10.34.35")))
    won = measured("https://x.com/", second, trusted(X, (SITE,)), *REACHED)
    assert says(won, ALONE) == "ok"
    assert "dns-extra-reply" in rules(won, ALONE)


def test_a_transparent_resolver_answers_every_name_and_is_no_injector() -> None:
    neutral = lookup(NEUTRAL, ("93.184.215.14",), purpose=Purpose.SILENT_NEUTRAL, resolver=SITE)
    named = lookup(X, (STRANGER,), purpose=Purpose.SILENT_TARGET, resolver=SITE)
    silent = lookup(NEUTRAL, TIMEOUT, purpose=Purpose.SILENT_NEUTRAL, resolver=SITE)
    seen = https(dns=("10.10.34.35",), then=(neutral, named))
    assert not verdict(seen).injected
    assert "dns-injection-on-path" not in rules(seen)
    assert verdict(https(dns=("10.10.34.35",), then=(silent, named))).injected


_SILENT = ((NEUTRAL, Purpose.SILENT_NEUTRAL), ("x.com", Purpose.SILENT_TARGET))


def test_who_answers_for_everybody_is_noted_and_injects_nothing() -> None:
    taken = [lookup(name, (SITE,), purpose=why, resolver=SITE) for name, why in _SILENT]
    seen = https(dns=NXDOMAIN, then=taken)
    assert "dns-transparent-interception" in rules(seen)
    assert "injected" not in says(seen)
