"""Networks with bad luck and censors with good ideas, for which a verdict was wrong or surer than its evidence."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.catalogue.model import Fingerprint
from probe.verdict.expect import expectation_of
from probe.verdict.fingerprints import Fingerprints
from probe.verdict.judge import judge
from probe.verdict.known import Library
from probe.wire.expectations import Expectation
from probe.wire.measurement import AnchorSeen, Measurement, Network
from probe.wire.steps import AnyStep
from probe.wire.vocabulary import Failure, Outcome, Purpose, Technique

from .accuracy import silent_address
from .records import (
    ALONE,
    CLOSED,
    CONTROLLED,
    EXPIRED,
    FIT,
    FORGED,
    FRONT,
    NEUTRAL,
    NO_ANSWER,
    NODE,
    NXDOMAIN,
    REFUSED,
    REFUSES,
    RESET,
    RIGHT,
    SELF_SIGNED,
    SERVFAIL,
    SITE,
    SITE6,
    SPARE,
    STRANGER,
    TIMEOUT,
    TRUSTED_PLAIN,
    VALID,
    WORKS,
    Certificate,
    connect,
    http,
    https,
    known,
    lookup,
    measured,
    page,
    repeated,
    reply,
    rules,
    says,
    shake,
    told,
    trusted,
    verdict,
)

X = "x.com"
AT = Purpose.TRUSTED_ADDRESS
HONEST = (connect(SITE, purpose=AT), shake(X, SITE, purpose=AT), page("https://x.com/", purpose=AT))


# === the probe's own clock, network or resolver: would call every platform blocked ===


def test_a_probe_whose_clock_is_wrong_does_not_call_the_sites_own_certificate_forged() -> None:
    """A board without a battery boots in the past: the very chain that the control saw is "not yet valid"."""
    early = VALID._replace(chain_valid=False, chain_failure="ssl_invalid_certificate")
    assert says(https(tls=early)) == "inconclusive"


def test_a_certificate_that_lapsed_after_the_control_looked_is_no_interception() -> None:
    lapsed = EXPIRED._replace(chain_sha256=VALID.chain_sha256)
    assert Technique.TLS_INTERCEPTION not in verdict(https(tls=lapsed)).techniques


def test_a_chain_that_leads_to_a_public_authority_is_no_forgery_although_it_expired() -> None:
    """`ssl_invalid_certificate` says that a path to a root exists: one node of the site's serves an old certificate."""
    assert verdict(https(tls=EXPIRED)).confidence <= 0.6 or verdict(https(tls=EXPIRED)).outcome is not Outcome.BLOCKED


def test_anchors_that_seem_expired_are_a_wrong_clock_and_no_interceptor() -> None:
    late = [
        AnchorSeen(url=url, operator="IANA", seen="wrong", failure="ssl_invalid_certificate", issuer="CN=Public CA")
        for url in ("https://example.com/", "https://www.iana.org/")
    ]
    around = msgspec.structs.replace(FIT, anchors=(*RIGHT[:2], *late))
    assert "intercepts" not in told(https(tls=EXPIRED, around=around))
    assert verdict(https(tls=EXPIRED, around=around)).outcome is not Outcome.BLOCKED


@pytest.mark.parametrize("failure", [SERVFAIL, REFUSES, NXDOMAIN, NO_ANSWER])
def test_a_resolver_that_fails_for_neutral_names_too_filters_nobody(failure: str) -> None:
    """It lost its upstream, or refuses strangers since the VPN came up."""
    dead = msgspec.structs.replace(FIT, resolver_ok=False)
    assert says(https(dns=failure, around=dead, then=HONEST)) == "inconclusive"


def test_a_network_that_goes_away_during_the_round_is_no_dns_block() -> None:
    """The trusted resolvers answered when the round began, and are as silent as the system's now."""
    lost = https(dns=TIMEOUT, true=TIMEOUT, then=(lookup(X, TIMEOUT, purpose=Purpose.REPEAT),))
    assert says(lost) == "inconclusive"


def test_a_network_that_goes_away_during_a_handshake_is_no_sni_block() -> None:
    """Silence, then no connect gets through: residual censorship looks so, a lost uplink too."""
    gone = (connect(SITE, TIMEOUT, purpose=Purpose.SPLIT), connect(SITE, TIMEOUT, purpose=Purpose.REPEAT))
    assert says(https(tls=TIMEOUT, then=gone), ALONE) == "inconclusive"


@given(st.lists(st.sampled_from([connect(SITE, TIMEOUT), connect(SITE, REFUSED), shake(X, SITE, TIMEOUT)]), max_size=6))
@settings(max_examples=60, deadline=None)
def test_after_a_connect_that_worked_silence_alone_still_blocks_nothing(tries: list[AnyStep]) -> None:
    seen = measured("https://x.com/", lookup(X, (SITE,)), connect(SITE), shake(X, SITE, TIMEOUT), *tries)
    assert judge(seen, ALONE).outcome is not Outcome.BLOCKED


def test_an_ipv4_literal_on_a_network_of_ipv6_only_is_not_blocked() -> None:
    """Telegram's data centres are literals, and NAT64 serves names only."""
    around = msgspec.structs.replace(FIT, nat64="64:ff9b::/96", ipv6=True)
    none = connect("149.154.167.51", Failure.NETWORK_UNREACHABLE)
    seen = measured("tcp://149.154.167.51:443", none, repeated(none), around=around)
    assert says(seen, known(Expectation(tcp_ok=True))) == "inconclusive"


def test_on_nat64_a_real_addresss_own_unreachability_adds_no_technique() -> None:
    around = msgspec.structs.replace(FIT, nat64="64:ff9b::/96", ipv6=True)
    none = connect(SITE, Failure.NETWORK_UNREACHABLE, purpose=AT)
    assert says(https(dns=NXDOMAIN, then=(none, repeated(none)), around=around)) == "blocked dns-nxdomain"


# === what a resolver answered for a family that the probe does not have ===


def test_an_unanswered_question_for_a_is_no_forgery_where_the_aaaa_answer_cannot_be_tried() -> None:
    """Loss of one datagram, on a network without IPv6: nobody tried the address that "nobody answers at"."""
    asked = (lookup(X, TIMEOUT), lookup(X, (SITE6,), qtype="AAAA"), trusted(X, (SITE,)))
    assert says(measured("https://x.com/", *asked, *HONEST), ALONE) != "blocked dns-forged"


def test_addresses_that_were_not_tried_are_not_called_dead() -> None:
    """Two of four are tried: those two are down, the others were never asked."""
    asked = (lookup(X, ("13.33.1.1", "13.33.1.2", "13.33.1.3", "13.33.1.4")), trusted(X, (SITE,)))
    tried = (connect("13.33.1.1", TIMEOUT), connect("13.33.1.2", TIMEOUT, purpose=Purpose.OTHER_ADDRESS))
    assert says(measured("https://x.com/", *asked, *tried, *HONEST), ALONE) != "blocked dns-forged"


def test_one_dead_node_of_a_content_network_is_no_sure_forgery() -> None:
    """The resolver's own cache node is down, the one that trusted resolvers name is not."""
    seen = https(dns=(NODE,), tcp=TIMEOUT, then=(repeated(connect(NODE, TIMEOUT)), *HONEST))
    found = verdict(seen, ALONE)
    assert found.outcome is not Outcome.BLOCKED or found.confidence <= 0.6


def test_forged_a_beside_an_honest_aaaa_blocks_who_has_no_ipv6() -> None:
    asked = (lookup(X, ("127.0.0.1",)), lookup(X, (SITE6,), qtype="AAAA"), trusted(X, (SITE,)))
    control = known(msgspec.structs.replace(WORKS, addresses=(SITE, SITE6)))
    assert says(measured("https://x.com/", *asked, *HONEST), control) == "blocked dns-forged"


def test_a_denied_a_beside_an_honest_aaaa_blocks_who_has_no_ipv6() -> None:
    asked = (lookup(X, NXDOMAIN), lookup(X, (SITE6,), qtype="AAAA"), trusted(X, (SITE,)))
    assert says(measured("https://x.com/", *asked, *HONEST)) == "blocked dns-nxdomain"


def test_handshakes_over_ipv6_that_does_not_work_are_nothing() -> None:
    asked = (lookup(X, (SITE6,), qtype="AAAA"), trusted(X, (SITE6,)))
    stuck = (connect(SITE6), shake(X, SITE6, TIMEOUT), repeated(shake(X, SITE6, TIMEOUT)))
    assert says(measured("https://x.com/", *asked, *stuck)) == "inconclusive"


def test_on_nat64_a_synthesised_answer_is_the_trusted_one() -> None:
    around = msgspec.structs.replace(FIT, nat64="64:ff9b::/96", ipv6=True)
    seen = measured("dns:x.com", lookup(X, ("64:ff9b::68f4:2a01",), qtype="AAAA"), trusted(X, (SITE,)), around=around)
    assert says(seen) == "ok"
    assert "dns-consistent" in rules(seen)


def test_on_nat64_a_notice_servers_address_is_recognised() -> None:
    around = msgspec.structs.replace(FIT, nat64="64:ff9b::/96", ipv6=True)
    mapped = "64:ff9b::c3af:fe02"  # 195.175.254.2
    seen = measured("https://x.com/", lookup(X, (mapped,), qtype="AAAA"), trusted(X, (SITE,)), around=around)
    assert says(seen) == "blocked dns-forged"


# === what is expected has aged ===


@pytest.mark.parametrize("failure", [NXDOMAIN, NO_ANSWER])
def test_a_name_that_was_withdrawn_is_not_blocked(failure: str) -> None:
    """Trusted resolvers say now what the system's says; only the expectation still has addresses."""
    seen = https(dns=failure, true=failure, then=(lookup(X, failure, purpose=Purpose.REPEAT),))
    assert verdict(seen).outcome in {Outcome.DOWN, Outcome.INCONCLUSIVE}


def test_a_withdrawn_name_behind_a_rewriting_resolver_is_not_blocked() -> None:
    around = msgspec.structs.replace(FIT, rewrite=(STRANGER,))
    seen = https(dns=(STRANGER,), true=NXDOMAIN, tcp=REFUSED, around=around)
    assert verdict(seen).outcome in {Outcome.DOWN, Outcome.INCONCLUSIVE}


def test_a_name_that_the_control_missed_and_everybody_else_resolves_is_not_down() -> None:
    stale = known(Expectation(dns_failure=NXDOMAIN))
    assert verdict(https(dns=NXDOMAIN, then=HONEST), stale).outcome is not Outcome.DOWN


# === DNS: whose fault, and by which technique ===


def test_a_marked_address_that_trusted_resolvers_give_too_is_no_forgery() -> None:
    """Lists age: the address is a hosting company's again."""
    seen = https(dns=("195.175.254.2",), true=("195.175.254.2",), tcp=TIMEOUT)
    assert Technique.DNS_FORGED not in verdict(seen, ALONE).techniques


@pytest.mark.parametrize("shown", [EXPIRED, FRONT, SELF_SIGNED], ids=["expired", "other-name", "self-signed"])
def test_the_sites_own_bad_certificate_on_another_node_is_no_forged_dns(shown: Certificate) -> None:
    """Each node has a certificate of its own, and all of them the same fault; the control knows one node."""
    control = expectation_of(https(tls=shown))
    elsewhere = shown._replace(chain_sha256="7" * 64)
    seen = https(dns=(NODE,), true=(SITE,), tls=elsewhere)
    assert verdict(seen, known(control)).outcome is not Outcome.BLOCKED


def test_an_interceptor_on_the_path_is_not_called_forged_dns_where_the_site_has_many_nodes() -> None:
    """A forger makes each connection a certificate of its own, by one issuer."""
    again = FORGED._replace(chain_sha256="8" * 64)
    seen = https(dns=(NODE,), tls=FORGED, then=(connect(SITE, purpose=AT), shake(X, SITE, again, purpose=AT)))
    assert says(seen) == "blocked tls-interception"


def test_a_forged_answer_is_not_called_tls_interception_where_nothing_tells_the_right_one() -> None:
    """Trusted resolvers are blocked and there is no control: the address may be as forged as the certificate."""
    seen = https(dns=(STRANGER,), true=TIMEOUT, tls=FORGED)
    assert says(seen, ALONE) == "inconclusive"


def test_two_nodes_that_serve_different_plain_pages_are_no_forgery() -> None:
    busy = page("http://x.com/", NODE, status=503, title="Service Unavailable")
    fine = page("http://x.com/", SITE, purpose=AT)
    seen = http(X, busy, connect(SITE, port=80, purpose=AT), fine, dns=(NODE,))
    assert verdict(seen, ALONE).outcome is not Outcome.BLOCKED


@pytest.mark.parametrize("failure", [RESET, TIMEOUT, CLOSED])
def test_what_a_node_shows_for_the_innocuous_name_is_no_proof_against_the_node(failure: str) -> None:
    """A content network, and a filter by name: the node's front certificate is for other names, as it should be."""
    seen = https(dns=(NODE,), tls=failure, innocuous=FRONT, then=(repeated(shake(X, NODE, failure)),))
    assert verdict(seen).techniques == (verdict(https(tls=failure, innocuous=FRONT)).technique,)


def test_a_filter_by_name_is_not_called_forged_dns_because_a_retransmission_was_answered_otherwise() -> None:
    """Two honest answers of a content network; the handshake is reset, so that neither can prove itself."""
    asked = lookup(X, (NODE,), replies=(reply(NODE), reply(SITE)), sent=2)
    shaken = (shake(NEUTRAL, NODE, FRONT, purpose=Purpose.INNOCUOUS), shake(X, NODE, RESET))
    seen = measured("https://x.com/", asked, trusted(X, (SITE,)), connect(NODE), *shaken, repeated(shaken[1]))
    assert says(seen) == "blocked sni-reset"


def test_an_honest_second_reply_that_nobody_tested_is_not_called_incompatible() -> None:
    asked = lookup(X, (SITE,), replies=(reply(SITE), reply(NODE)), sent=2)
    seen = measured("https://x.com/", asked, trusted(X, (SITE,)), connect(SITE), shake(X, SITE))
    assert "dns-extra-reply" not in rules(seen)


def test_a_marker_in_a_stray_reply_is_no_marker() -> None:
    """It belongs to another query, or comes from somebody who does not see ours."""
    mark = Fingerprint(name="m", location="dns", pattern_type="full", pattern="internet-positif.org", scope="isp")
    stray = reply(STRANGER, cnames=("internet-positif.org",), matches=False)
    asked = lookup(X, (NODE,), replies=(reply(NODE), stray))
    seen = measured("https://x.com/", asked, trusted(X, (SITE,)), connect(NODE, TIMEOUT))
    assert "dns-fingerprint" not in rules(seen, known(fingerprints=Fingerprints([mark])))


def test_a_repeat_at_the_forged_address_does_not_excuse_the_honest_one() -> None:
    forger = (connect(STRANGER), shake(X, STRANGER, FORGED))
    dropped = (connect(SITE, TIMEOUT, purpose=AT), repeated(connect(STRANGER)))
    seen = measured("https://x.com/", lookup(X, (STRANGER,)), trusted(X, (SITE,)), *forger, *dropped)
    assert says(seen) == "blocked dns-forged ip-drop"


def test_a_second_resolvers_answer_is_not_hidden_by_the_firsts_silence() -> None:
    dead = lookup(X, Failure.CONNECTION_REFUSED, resolver="127.0.0.53")
    seen = measured("https://x.com/", dead, lookup(X, NXDOMAIN), trusted(X, (SITE,)), *HONEST)
    assert says(seen) == "blocked dns-nxdomain"
    slow = lookup(X, TIMEOUT, resolver="192.0.2.53")
    assert says(measured("https://x.com/", slow, lookup(X, NXDOMAIN), trusted(X, (SITE,)), *HONEST)) == (
        "blocked dns-nxdomain"
    )


def test_a_trusted_resolver_that_stays_silent_over_udp_is_not_said_to_answer_wrongly() -> None:
    silent = lookup(X, TIMEOUT, purpose=Purpose.TRUSTED_UDP, resolver=TRUSTED_PLAIN)
    assert "answered wrongly" not in told(https(dns=NXDOMAIN, then=(silent, *HONEST)))


def test_another_node_over_udp_is_not_called_a_wrong_answer() -> None:
    node = lookup(X, (SPARE,), purpose=Purpose.TRUSTED_UDP, resolver=TRUSTED_PLAIN)
    assert "answered wrongly" not in told(https(dns=NXDOMAIN, then=(node, *HONEST)))


def test_an_ad_blocking_resolver_outside_the_isp_is_named_as_such() -> None:
    seen = https(dns=("0.0.0.0",), then=HONEST)
    theirs = msgspec.structs.replace(seen, network=Network(asn=9121, country="TR", resolver_asn=212772))
    assert verdict(theirs).scope == "resolver"


THEIRS = Network(asn=9121, country="TR", resolver_asn=212772)


def test_a_denial_by_a_resolver_outside_the_isp_is_that_resolvers() -> None:
    theirs = msgspec.structs.replace(https(dns=NXDOMAIN, then=HONEST), network=THEIRS)
    assert (says(theirs), verdict(theirs).scope) == ("blocked dns-nxdomain", "resolver")
    assert "AS212772" in told(theirs)
    siblings = msgspec.structs.replace(theirs, network=Network(asn=9121, resolver_asn=47331))
    assert verdict(siblings, known(siblings=(frozenset({9121, 47331}),))).scope is None


def test_what_is_forged_on_the_path_to_another_operators_resolver_is_the_isps_doing() -> None:
    wrong = lookup(X, NXDOMAIN, purpose=Purpose.TRUSTED_UDP, resolver=TRUSTED_PLAIN)
    on_path = msgspec.structs.replace(https(dns=NXDOMAIN, then=(wrong, *HONEST)), network=THEIRS)
    assert (says(on_path), verdict(on_path).scope) == ("blocked dns-nxdomain", None)


def test_a_stub_that_filters_on_this_machine_is_no_isp() -> None:
    honest = lookup(X, (SITE,), purpose=Purpose.UPLINK, resolver="195.175.39.39")
    assert verdict(https(dns=NXDOMAIN, then=(honest, *HONEST))).scope == "resolver"


def test_split_horizon_is_no_forgery_although_trusted_resolvers_tell_more() -> None:
    company = msgspec.structs.replace(FIT, private_neutral=True)
    assert says(https(dns=("10.20.0.9",), around=company, then=HONEST)) == "inconclusive"


def test_a_dead_neighbour_of_the_right_node_is_no_proof_that_the_user_gets_through() -> None:
    """What the resolver told leads nowhere, and only the trusted answer works: the user does not come that far."""
    neighbour = f"{SITE.rpartition('.')[0]}.250"
    dead = https(dns=(neighbour,), tcp=TIMEOUT, then=HONEST)
    assert says(dead) == "inconclusive"
    assert says(https(dns=(neighbour,), then=HONEST)) == "ok"


# === TLS: is it really the name? ===


def test_a_strike_after_the_handshake_is_by_name_where_another_name_gets_its_page() -> None:
    """In TLS 1.3 the client is through before the server has heard its last word."""
    url = "https://x.com/"
    line = (lookup(X, (SITE,)), trusted(X, (SITE,)), connect(SITE), shake(X, SITE))
    answered = (shake(NEUTRAL, SITE, purpose=Purpose.INNOCUOUS), page(url, purpose=Purpose.INNOCUOUS, status=404))
    for failure, technique in ((RESET, "sni-reset"), (TIMEOUT, "sni-drop"), (str(Failure.EOF_ERROR), "sni-close")):
        struck = page(url, failure=failure)
        for knowledge in (ALONE, CONTROLLED):
            assert says(measured(url, *line, struck, *answered), knowledge) == f"blocked {technique}"
        assert says(measured(url, *line, struck, *answered[:1]), ALONE) == "inconclusive"
    begun = page(url, failure=TIMEOUT, bytes_read=20_000, last_byte=1.0)
    assert "sni" not in says(measured(url, *line, begun, *answered), CONTROLLED)


def test_a_handshake_that_succeeds_when_repeated_proves_nothing_if_its_page_is_struck() -> None:
    url = "https://x.com/"
    line = (lookup(X, (SITE,)), trusted(X, (SITE,)), connect(SITE), shake(X, SITE, RESET))
    again = (repeated(shake(X, SITE)), repeated(page(url, failure=RESET)))
    assert says(measured(url, *line, *again), ALONE) == "inconclusive"
    assert says(measured(url, *line, repeated(shake(X, SITE)), repeated(page(url))), ALONE) == "ok"


def test_the_same_alert_for_every_name_isolates_no_name() -> None:
    named = shake(X, SITE, str(Failure.SSL_FAILED_HANDSHAKE), alert="handshake_failure", bytes_read=7)
    before = msgspec.structs.replace(named, sni=NEUTRAL, purpose=Purpose.INNOCUOUS)
    seen = measured("https://x.com/", lookup(X, (SITE,)), connect(SITE), before, named, repeated(named))
    assert says(seen, ALONE) == "inconclusive"
    assert not verdict(seen).techniques or verdict(seen).technique is Technique.TLS_CLOSE


def test_an_alert_is_the_servers_word_and_without_a_control_no_block() -> None:
    """The site left that content network: its front answers other names and refuses this one."""
    refused = shake(X, SITE, str(Failure.SSL_FAILED_HANDSHAKE), alert="unrecognized_name", bytes_read=7)
    before = shake(NEUTRAL, SITE, FRONT, purpose=Purpose.INNOCUOUS)
    seen = measured("https://x.com/", lookup(X, (SITE,)), connect(SITE), before, refused, repeated(refused))
    assert says(seen, ALONE) == "inconclusive"


def test_a_handshake_that_dies_at_the_same_place_for_every_name_isolates_no_name() -> None:
    broken = shake(X, SITE, RESET, bytes_read=1400)
    before = shake(NEUTRAL, SITE, RESET, bytes_read=1400, purpose=Purpose.INNOCUOUS)
    seen = measured("https://x.com/", lookup(X, (SITE,)), connect(SITE), before, broken, repeated(broken))
    assert says(seen, ALONE) == "inconclusive"


def test_a_self_signed_site_is_no_interception_although_its_chain_was_recorded_once() -> None:
    """The innocuous handshake came first and keeps the chain; the record of the site's own has only its hash."""
    bare = SELF_SIGNED._replace(chain=())
    assert says(https(tls=bare, innocuous=SELF_SIGNED), ALONE) == "inconclusive"


def test_a_loss_of_large_packets_is_no_filter_although_another_address_shows_it_too() -> None:
    small = shake(NEUTRAL, SITE, FRONT, profile="small", purpose=Purpose.SMALL_HELLO)
    there = shake(X, "23.215.0.136", TIMEOUT, purpose=Purpose.ELSEWHERE)
    split = shake(X, SITE, VALID, profile="split", purpose=Purpose.SPLIT)
    for tests in ((small, there), (small, split)):
        seen = https(tls=TIMEOUT, innocuous=TIMEOUT, then=(*tests, repeated(shake(X, SITE, TIMEOUT))))
        assert says(seen, ALONE) == "inconclusive"


def test_what_stops_the_innocuous_name_as_well_is_not_by_name_although_splitting_passes() -> None:
    """By the shape of the ClientHello: both names in one segment are reset."""
    split = shake(X, SITE, VALID, profile="split", purpose=Purpose.SPLIT)
    seen = https(tls=RESET, innocuous=RESET, then=(split, repeated(shake(X, SITE, RESET))))
    assert says(seen) == "blocked tls-reset"


def test_tls_drop_needs_a_small_client_hello_that_fails_too() -> None:
    silent = (repeated(shake(X, SITE, TIMEOUT)),)
    assert says(https(tls=TIMEOUT, innocuous=TIMEOUT, then=silent)) == "inconclusive"


def test_tls_drop_needs_neutral_names_that_work() -> None:
    dead = [msgspec.structs.replace(anchor, seen="silent", failure=TIMEOUT) for anchor in RIGHT[2:]]
    around = msgspec.structs.replace(FIT, anchors=(*RIGHT[:2], *dead))
    small = shake(NEUTRAL, SITE, TIMEOUT, profile="small", purpose=Purpose.SMALL_HELLO)
    tried = (small, repeated(shake(X, SITE, TIMEOUT)))
    assert says(https(tls=TIMEOUT, innocuous=TIMEOUT, then=tried, around=around)) == "inconclusive"


def test_silence_for_one_name_and_a_reset_for_the_other_is_not_told_as_silence_for_both() -> None:
    """The server resets names that it does not know; the filter drops this one."""
    seen = https(tls=TIMEOUT, innocuous=RESET, then=(repeated(shake(X, SITE, TIMEOUT)),))
    assert f"is met with silence with the name {NEUTRAL}" not in told(seen)
    assert verdict(seen).technique in {None, Technique.SNI_DROP}


def test_another_fault_than_the_controls_is_not_called_the_same() -> None:
    """The control finds a certificate for another name, the probe a forged one."""
    control = expectation_of(https(tls=FRONT))
    seen = https(tls=FORGED)
    assert verdict(seen, known(control)).outcome is not Outcome.DOWN
    assert "sees that too" not in told(seen, known(control))


# === a server that refuses a whole country ===


@pytest.mark.parametrize(
    "seen",
    [
        https(tcp=REFUSED, then=(repeated(connect(SITE, REFUSED)),)),
        https(tcp=TIMEOUT, then=(repeated(connect(SITE, TIMEOUT)),)),
        https(tls=RESET, innocuous=RESET, then=(repeated(shake(X, SITE, RESET)),)),
        https(tls=CLOSED, innocuous=CLOSED, then=(repeated(shake(X, SITE, CLOSED)),)),
    ],
    ids=["refused", "dropped", "reset", "closed"],
)
def test_what_the_server_itself_may_do_to_a_country_stays_in_doubt_and_says_so(seen: Measurement) -> None:
    found = verdict(seen)
    assert found.confidence <= 0.75
    assert "server" in " ".join(evidence.text for evidence in found.evidence)


# === HTTP ===


def test_a_host_whose_backend_hangs_is_not_blocked_although_its_front_answers_others() -> None:
    hung = page("http://x.com/", failure=TIMEOUT)
    front = page("http://x.com/", status=404, title="Not Found", host=NEUTRAL, purpose=Purpose.OTHER_HOST)
    assert says(http(X, hung, front, repeated(hung)), ALONE) == "inconclusive"


@pytest.mark.parametrize("stalls", ["first", "repeated"])
def test_a_slow_line_is_no_cutoff(stalls: str) -> None:
    """60 kB over a valid certificate in the twenty seconds that a page may take: it never stalled."""
    slow = page("https://x.com/", failure=TIMEOUT, status=200, bytes_read=60_000, body_length=59_000, t0=1.0, t=21.0)
    steps = (lookup(X, (SITE,)), connect(SITE), shake(X, SITE), slow)
    long = known(msgspec.structs.replace(WORKS, body_length=65_536))
    more = (repeated(slow),) if stalls == "repeated" else ()
    assert verdict(measured("https://x.com/", *steps, *more), long).outcome is not Outcome.BLOCKED


def test_a_title_in_the_visitors_language_is_no_notice() -> None:
    """The same length and the same headers as the control's, another title."""
    local = page("http://x.com/", title="Ana sayfa", headers=(("content-type", "text/html"), ("server", "x")))
    assert says(http(X, local)) != "blocked http-blockpage"


def test_too_many_requests_is_no_notice() -> None:
    busy = page("http://x.com/", status=429, title="Too Many Requests", body_length=60)
    assert says(http(X, busy)) != "blocked http-blockpage"


def test_a_redirect_to_the_sites_own_page_for_the_country_is_no_notice() -> None:
    moved = page("http://google.com/", status=302, title=None, location="https://www.google.com.tr/")
    there = (lookup("www.google.com.tr", (NODE,)), connect(NODE), shake("www.google.com.tr", NODE))
    seen = http("google.com", moved, *there, page("https://www.google.com.tr/", NODE, title="Google"))
    control = msgspec.structs.replace(WORKS, title="Google", hosts=("google.com", "www.google.de"))
    assert verdict(seen, known(control, domains=(), public=False)).outcome is not Outcome.BLOCKED


def test_a_platforms_domains_are_known_for_urls_of_its_that_the_catalogue_does_not_list() -> None:
    """`http://twitter.com/` leads to `https://x.com/`: OONI's documents and people ask so."""
    library = Library(load_catalogue(default_catalogue_path()), Fingerprints())
    moved = page("http://twitter.com/", status=301, title=None, location="https://x.com/")
    there = (lookup(X, (NODE,)), connect(NODE), shake(X, NODE), page("https://x.com/", NODE, title="X / Giriş"))
    seen = http("twitter.com", moved, *there)
    control = Expectation(tcp_ok=True, http_ok=True, status=200, title="X. It’s what’s happening", body_length=9000)
    assert judge(seen, library.of(None, "http://twitter.com/", control)).outcome is Outcome.OK


def test_a_forged_answer_whose_server_redirects_is_found_by_the_follow_ups() -> None:
    """What follows a redirect that was not followed is about the host that sent it, not about where it leads."""
    moved = page("http://x.com/", STRANGER, status=302, title=None, location="http://notice.isp.example/")
    after = (*silent_address(STRANGER), connect(SITE, port=80, purpose=AT), page("http://x.com/", SITE, purpose=AT))
    seen = http(X, moved, *after, dns=(STRANGER,))
    assert verdict(seen).technique is Technique.DNS_FORGED


def test_a_dead_end_of_an_unprotected_redirect_is_not_called_the_sites_own_fault() -> None:
    """Typed by hand, so followed: whoever sent it may have named a host that exists for nobody."""
    led = page("http://x.com/", status=302, location="http://gone.example/", title=None)
    away = (lookup("gone.example", NXDOMAIN), trusted("gone.example", NXDOMAIN))
    assert says(http("x.com", led, *away), known(public=False)) == "inconclusive"
    safe = msgspec.structs.replace(led, url="https://x.com/", trusted=True)
    line = (lookup(X, (SITE,)), trusted(X, (SITE,)), connect(SITE), shake(X, SITE), safe)
    assert says(measured("https://x.com/", *line, *away), known(public=False)) == "down"


def test_a_redirect_that_was_not_followed_is_told_although_follow_ups_came_after_it() -> None:
    moved = page("http://x.com/", status=302, title=None, location="http://elsewhere.example/")
    other = page("http://x.com/", host=NEUTRAL, purpose=Purpose.OTHER_HOST)
    assert "nothing-measured" not in rules(
        http(X, moved, connect(SITE, port=80, purpose=Purpose.OTHER_HOST), other), ALONE
    )


# === input that somebody else writes ===


@pytest.mark.parametrize(
    "location", ["http://x.com:99999/", "http://[bad", "http://[::1/", "https://x.com:port/", "http://\u2100.com/"]
)
def test_a_redirect_that_is_no_url_does_not_stop_the_judge(location: str) -> None:
    """A saved file, or a probe that lies to the collector."""
    seen = http(X, page("http://x.com/", status=302, location=location), page("http://x.com/"))
    assert judge(seen, ALONE).outcome in set(Outcome)


def test_a_name_written_in_its_own_script_is_the_name_that_was_asked_for() -> None:
    ascii_name = "xn--d1acpjx3f.xn--p1ai"
    seen = https(ascii_name, tls=RESET, innocuous=FRONT, then=(repeated(shake(ascii_name, SITE, RESET)),))
    assert says(msgspec.structs.replace(seen, endpoint="https://яндекс.рф/")) == "blocked sni-reset"


# === anchors ===


def test_a_censor_who_forges_anchors_is_no_portal_where_domestic_ones_answer_rightly() -> None:
    """A portal stands before domestic sites as well."""
    forged = [msgspec.structs.replace(anchor, seen="wrong", failure="dns_bogon_error") for anchor in RIGHT[:3]]
    home = AnchorSeen(url="http://connect.rom.miui.com/generate_204", operator="Xiaomi", seen="right", country="CN")
    around = msgspec.structs.replace(FIT, anchors=(*forged, RIGHT[3], home))
    assert verdict(https(around=around)).outcome is Outcome.OK


def test_without_foreign_anchors_nothing_is_cut_off() -> None:
    home = AnchorSeen(url="http://connect.rom.miui.com/generate_204", operator="Xiaomi", seen="right", country="CN")
    assert verdict(https(around=msgspec.structs.replace(FIT, anchors=(home,)))).outcome is Outcome.OK


# === what another endpoint did to the address ===


def test_what_another_name_drew_at_the_same_address_is_not_told_as_this_ones() -> None:
    """Two names on one address, residual censorship after the other's hit."""
    hit = shake(X, SITE, RESET, after_hit="y.com")
    before = shake(NEUTRAL, SITE, FRONT, purpose=Purpose.INNOCUOUS)
    seen = measured("https://x.com/", lookup(X, (SITE,)), connect(SITE), before, hit, repeated(hit))
    assert says(seen) == "inconclusive"
    after = shake(NEUTRAL, SITE, FRONT, purpose=Purpose.INNOCUOUS)
    cleared = measured("https://x.com/", lookup(X, (SITE,)), connect(SITE), before, hit, after, repeated(hit))
    assert says(cleared) == "blocked sni-reset"


def test_residual_silence_after_a_reset_is_by_name() -> None:
    gone = (connect(SITE, TIMEOUT, purpose=Purpose.INNOCUOUS), connect(SITE, TIMEOUT, purpose=Purpose.REPEAT))
    assert says(https(tls=RESET, then=gone)) == "blocked sni-reset"


@pytest.mark.parametrize(("real", "other"), [(RESET, CLOSED), (CLOSED, RESET), (TIMEOUT, CLOSED)])
def test_a_server_that_ends_unknown_names_otherwise_does_not_hide_a_filter(real: str, other: str) -> None:
    seen = https(tls=real, innocuous=other, then=(repeated(shake(X, SITE, real)),))
    assert verdict(seen).technique in {Technique.SNI_RESET, Technique.SNI_CLOSE, Technique.SNI_DROP}


def test_a_forged_certificate_is_nobodys_where_no_neutral_site_proves_itself() -> None:
    """Company software, and one of the two neutral sites was lost on the way."""
    lost = msgspec.structs.replace(RIGHT[2], seen="silent", failure=TIMEOUT)
    wrong = msgspec.structs.replace(RIGHT[3], seen="wrong", failure="ssl_unknown_authority", issuer="CN=Company")
    around = msgspec.structs.replace(FIT, anchors=(*RIGHT[:2], lost, wrong))
    assert says(https(tls=FORGED, around=around)) == "inconclusive"


def test_a_short_notice_without_a_title_is_not_the_short_page_of_the_control() -> None:
    control = msgspec.structs.replace(WORKS, title=None, body_length=900, body_sha256="a" * 64)
    notice = page("http://x.com/", title=None, body_length=850, body_sha256="b" * 64)
    assert says(http(X, notice), known(control)) != "ok"


def test_a_notice_of_the_controls_length_is_found_by_the_page_over_tls() -> None:
    notice = page("http://x.com/", title="Access restricted", headers=(("content-type", "text/html"), ("server", "x")))
    twin = page("https://x.com/", purpose=Purpose.OTHER_PORT)
    assert says(http(X, notice, twin)) == "blocked http-blockpage"


def test_a_notice_that_is_followed_by_a_reset_is_a_notice() -> None:
    cut = page("http://x.com/", failure=RESET, status=200, title="Access restricted", body_length=300)
    assert says(http(X, cut, repeated(cut))) == "blocked http-blockpage"


def test_a_silent_question_for_a_is_silence_although_aaaa_is_answered_without_data() -> None:
    both = (lookup(X, TIMEOUT), lookup(X, NO_ANSWER, qtype="AAAA"), trusted(X, (SITE,)))
    around = msgspec.structs.replace(FIT, ipv6=True)
    assert says(measured("https://x.com/", *both, *HONEST, around=around)) == "blocked dns-timeout"
