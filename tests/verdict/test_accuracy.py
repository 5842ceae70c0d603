"""Each row of the accuracy table that records can tell, with a control's expectation and without."""

import msgspec
import pytest

from probe.verdict.expect import expectation_of
from probe.wire.vocabulary import Outcome, Technique

from .accuracy import CASES, Case, dns_failure
from .records import (
    ALONE,
    CONTROLLED,
    FIT,
    NXDOMAIN,
    TIMEOUT,
    VALID,
    https,
    known,
    lookup,
    measured,
    rules,
    says,
    told,
    trusted,
    verdict,
)

BY_NAME = {case.name: case for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_control_makes_the_verdict_exact(case: Case) -> None:
    assert says(case.measurement, known(case.expectation)) == case.says


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_without_a_control_it_is_the_same_or_not_clear_and_never_another(case: Case) -> None:
    assert says(case.measurement, ALONE) in {case.says, "inconclusive"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_of_a_url_that_no_catalogue_knows_it_is_the_same_or_not_clear(case: Case) -> None:
    bare = known(public=False, domains=())
    assert says(case.measurement, bare) in {case.says, "inconclusive"}


def test_nothing_at_all_known_of_a_dns_timeout_is_not_clear() -> None:
    unreachable = measured("https://x.com/", lookup("x.com", TIMEOUT), trusted("x.com", TIMEOUT))
    assert says(unreachable, ALONE) == "inconclusive"


def test_of_one_address_of_two_a_note_tells() -> None:
    assert "tcp-some-addresses" in rules(BY_NAME["ip-drop-one-of-two"].measurement)


def test_a_hijack_that_passes_tls_through_is_noted() -> None:
    assert "dns-differs" in rules(BY_NAME["dns-hijack-transparent"].measurement)


def test_splitting_that_passes_stands_in_the_evidence() -> None:
    assert "sni-splitting-passes" in rules(BY_NAME["sni-reset-first-segment-only"].measurement)


def test_the_notice_behind_an_interception_is_named() -> None:
    assert "tr-law" in told(BY_NAME["tls-interception-blockpage"].measurement)


def test_the_notice_server_is_named() -> None:
    assert "tr-notice (TR)" in told(BY_NAME["dns-blockpage-address"].measurement)


def test_an_opt_in_filter_has_its_scope_and_a_national_one_has_none() -> None:
    assert verdict(BY_NAME["opt-in-filter"].measurement).scope == "opt-in"
    assert verdict(BY_NAME["dns-blockpage-address"].measurement).scope is None


def test_both_techniques_make_it_surer_than_either() -> None:
    both = verdict(BY_NAME["dns-and-sni"].measurement)
    assert both.techniques == (Technique.DNS_FORGED, Technique.SNI_RESET)
    assert both.confidence >= verdict(BY_NAME["sni-reset"].measurement).confidence


def test_whose_filter_it_is_when_a_trusted_resolver_over_udp_gets_through() -> None:
    assert "dns-filter-in-resolver" in rules(dns_failure(NXDOMAIN))


def test_a_dead_resolver_is_no_filter() -> None:
    dead = msgspec.structs.replace(FIT, resolver_ok=False)
    assert says(https(dns=TIMEOUT, around=dead)) == "inconclusive"


# --- a control judged by what it saw itself ---

HEALTHY = ["healthy-https", "healthy-light", "healthy-http", "dns-other-cdn-node", "redirect-chain", "server-403"]


@pytest.mark.parametrize("name", HEALTHY)
def test_what_a_control_found_healthy_is_healthy_against_itself(name: str) -> None:
    seen = BY_NAME[name].measurement
    assert verdict(seen, known(expectation_of(seen))).outcome is Outcome.OK


def test_a_control_writes_down_every_host_of_the_chain_and_the_last_page() -> None:
    made = expectation_of(BY_NAME["redirect-chain"].measurement)
    assert (made.hosts, made.status, made.title, made.http_ok) == (("x.com",), 200, "X", True)


def test_a_layer_that_the_control_did_not_reach_is_absent() -> None:
    made = expectation_of(BY_NAME["server-refuses"].measurement)
    assert (made.tcp_ok, made.tls_ok, made.http_ok, made.chain_valid) == (False, None, None, None)
    light = expectation_of(BY_NAME["healthy-light"].measurement)
    assert (light.tls_ok, light.chain_valid, light.http_ok) == (True, True, None)


def test_a_control_keeps_the_certificate_that_it_saw() -> None:
    made = expectation_of(https())
    assert (made.chain_sha256, made.issuers) == ((VALID.chain_sha256,), (VALID.issuer,))


def test_a_light_control_says_nothing_against_a_page() -> None:
    light = expectation_of(BY_NAME["healthy-light"].measurement)
    assert verdict(https(), known(light)).outcome is Outcome.OK
    assert verdict(BY_NAME["sni-reset"].measurement, known(light)).technique is Technique.SNI_RESET


def test_a_control_on_a_blocked_name_still_gives_what_its_trusted_resolvers_said() -> None:
    assert verdict(https(dns=NXDOMAIN), CONTROLLED).technique is Technique.DNS_NXDOMAIN
    assert expectation_of(https(dns=NXDOMAIN)).dns_failure is None
