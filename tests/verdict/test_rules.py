"""The rules that keep false alarms away: each has burned somebody, so each has its test."""

from typing import Any

import msgspec
import pytest

from probe.verdict.known import Known
from probe.wire.measurement import Measurement
from probe.wire.vocabulary import Failure, Outcome, Purpose, Technique

from .records import (
    ALONE,
    CLOSED,
    CONTROLLED,
    EXPIRED,
    FIT,
    FORGED,
    FRONT,
    NEUTRAL,
    NODE,
    NXDOMAIN,
    REFUSED,
    RESET,
    SELF_SIGNED,
    SITE,
    SITE6,
    SPARE,
    STRANGER,
    TIMEOUT,
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
    rules,
    says,
    shake,
    trusted,
    verdict,
)

X = "x.com"
BARE = known(public=False, domains=())


def over_tls(**got: Any) -> Measurement:
    served = page("https://x.com/", **got)
    return measured("https://x.com/", lookup(X, (SITE,)), trusted(X, (SITE,)), connect(SITE), shake(X, SITE), served)


# --- a page over a valid certificate ---


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 403, 404, 429, 451, 500, 503, 520])
@pytest.mark.parametrize("of", [CONTROLLED, ALONE, BARE], ids=["controlled", "catalogue", "bare"])
def test_a_page_over_a_valid_certificate_is_ok_whatever_its_status(status: int, of: Known) -> None:
    assert says(over_tls(status=status, title="Access denied", body_length=12), of) == "ok"


def test_a_page_over_a_valid_certificate_may_quote_a_notice() -> None:
    assert says(over_tls(title="News", body=b"blocked under law nr. 5651")) == "ok"


def test_a_page_over_a_valid_certificate_is_ok_although_a_known_address_served_it() -> None:
    """A transparent proxy, or a list of notice servers that has aged."""
    assert says(https(dns=("195.175.254.2",))) == "ok"


# --- addresses ---


@pytest.mark.parametrize("of", [CONTROLLED, ALONE], ids=["controlled", "alone"])
def test_other_addresses_alone_are_never_blocking(of: Known) -> None:
    assert says(https(dns=(NODE, SPARE), true=(SITE,)), of) == "ok"
    untested = measured("https://x.com/", lookup(X, (NODE,)), trusted(X, (SITE,)))
    assert says(untested, of) == "inconclusive"


def test_a_bogon_that_trusted_resolvers_get_too_is_not_blocking() -> None:
    assert says(https(dns=("10.1.1.1",), true=("10.1.1.2",)), ALONE) == "down"


def test_a_bogon_that_the_control_gets_too_is_not_blocking() -> None:
    control = msgspec.structs.replace(WORKS, addresses=("127.0.0.1",), tcp_ok=None, tls_ok=None, http_ok=None)
    assert says(https(dns=("127.0.0.1",), true=()), known(control)) == "down"


def test_a_bogon_where_nothing_tells_what_it_should_be_is_not_clear() -> None:
    assert says(https(dns=("10.1.1.1",), true=TIMEOUT), BARE) == "inconclusive"


# --- certificates ---


@pytest.mark.parametrize("shown", [EXPIRED, SELF_SIGNED, FRONT], ids=["expired", "self-signed", "other-name"])
def test_a_fault_that_the_control_sees_too_is_the_sites_own(shown: Certificate) -> None:
    control = msgspec.structs.replace(
        WORKS,
        chain_valid=shown.chain_valid,
        chain_failure=shown.chain_failure,
        host_match=shown.host_match,
        chain_sha256=(shown.chain_sha256,),
    )
    assert says(https(tls=shown), known(control)) == "down"


def test_an_unknown_certificate_of_a_url_that_nobody_knows_is_not_clear() -> None:
    assert says(https(tls=FORGED), BARE) == "inconclusive"


def test_an_unknown_certificate_of_a_catalogue_endpoint_is_an_interception() -> None:
    assert (
        says(https(tls=FORGED, innocuous=FORGED._replace(chain_sha256="9" * 64)), ALONE) == "blocked tls-interception"
    )


def test_a_certificate_for_another_name_that_an_authority_vouches_for_is_no_interception() -> None:
    assert Technique.TLS_INTERCEPTION not in verdict(https(tls=FRONT)).techniques


# --- nothing to compare with ---

SILENCES = {
    "dns-timeout": https(dns=TIMEOUT, true=TIMEOUT),
    "tcp-timeout": https(tcp=TIMEOUT, then=(repeated(connect(SITE, TIMEOUT)),)),
    "tcp-refused": https(tcp=REFUSED, then=(repeated(connect(SITE, REFUSED)),)),
    "tls-silence-for-every-name": https(tls=TIMEOUT, innocuous=TIMEOUT, then=(repeated(shake(X, SITE, TIMEOUT)),)),
    "http-silence": http(X, page("http://x.com/", failure=TIMEOUT)),
}


@pytest.mark.parametrize("name", SILENCES)
def test_what_only_does_not_work_is_not_clear_without_a_control(name: str) -> None:
    assert says(SILENCES[name], ALONE) == "inconclusive"


def test_a_trusted_resolvers_other_answer_speaks_without_a_control() -> None:
    assert says(https(dns=NXDOMAIN), ALONE) == "blocked dns-nxdomain"


def test_a_differential_test_speaks_without_a_control() -> None:
    assert (
        says(https(tls=RESET, innocuous=FRONT, then=(repeated(shake(X, SITE, RESET)),)), ALONE) == "blocked sni-reset"
    )


# --- large packets ---


def test_a_black_hole_for_large_packets_is_no_block() -> None:
    small = shake(NEUTRAL, SITE, FRONT, profile="small", purpose=Purpose.SMALL_HELLO)
    lost = https(tls=TIMEOUT, innocuous=TIMEOUT, then=(small, repeated(shake(X, SITE, TIMEOUT))))
    assert says(lost) == "inconclusive"
    assert "tls-large-packets-lost" in rules(lost)


@pytest.mark.parametrize(("failure", "technique"), [(RESET, "tls-reset"), (CLOSED, "tls-close")])
def test_what_stops_every_name_at_an_address_is_not_called_by_name(failure: str, technique: str) -> None:
    stopped = https(tls=failure, innocuous=failure, then=(repeated(shake(X, SITE, failure)),))
    assert says(stopped) == f"blocked {technique}"


# --- the first try ---

PASSING = {
    "dns": https(
        dns=NXDOMAIN,
        then=(lookup(X, (SITE,), purpose=Purpose.REPEAT), connect(SITE), shake(X, SITE), page("https://x.com/")),
    ),
    "tcp": https(
        tcp=TIMEOUT, then=(repeated(connect(SITE)), repeated(shake(X, SITE)), repeated(page("https://x.com/")))
    ),
    "tls": https(tls=RESET, innocuous=FRONT, then=(repeated(connect(SITE)), repeated(shake(X, SITE)))),
    "http": http(X, page("http://x.com/", failure=RESET), repeated(page("http://x.com/"))),
}


@pytest.mark.parametrize("layer", PASSING)
def test_a_failure_that_does_not_repeat_is_ok_with_a_note(layer: str) -> None:
    assert says(PASSING[layer]) == "ok"
    assert f"{layer}-transient" in rules(PASSING[layer])


# --- IPv6 ---


def test_ipv6_that_fails_where_the_probe_has_none_is_nothing() -> None:
    asked = (lookup(X, (SITE6,), qtype="AAAA"), trusted(X, (SITE6,)))
    dead = connect(SITE6, TIMEOUT)
    assert says(measured("https://x.com/", *asked, dead, repeated(dead))) == "inconclusive"
    working = msgspec.structs.replace(FIT, ipv6=True)
    assert says(measured("https://x.com/", *asked, dead, repeated(dead), around=working)) == "blocked ip-drop"


# --- redirects ---


@pytest.mark.parametrize(
    "there", ["http://x.com/login", "http://www.x.com/consent", "http://twitter.com/tr", "https://api.twitter.com/"]
)
def test_a_redirect_within_the_platform_is_ok(there: str) -> None:
    moved = page("http://x.com/", status=302, title=None, location=there)
    assert says(http(X, moved), CONTROLLED) == "ok"
    assert says(http(X, moved), ALONE) == "ok"


def test_a_redirect_where_the_control_was_sent_too_is_ok() -> None:
    control = known(msgspec.structs.replace(WORKS, hosts=("x.com", "accounts.example.org")))
    moved = page("http://x.com/", status=302, title=None, location="http://accounts.example.org/")
    assert says(http(X, moved), control) == "ok"


def test_a_redirect_to_a_private_address_is_a_notice() -> None:
    moved = page("http://x.com/", status=302, title=None, location="http://10.10.34.34/?x")
    assert says(http(X, moved), ALONE) == "blocked http-blockpage"


# --- what proves an address, and what a refusal of the server says ---


def test_a_wrong_server_is_told_by_its_certificate() -> None:
    at = Purpose.TRUSTED_ADDRESS
    honest = (connect(SITE, purpose=at), shake(X, SITE, purpose=at))
    seen = https(dns=(STRANGER,), tls=FORGED, then=honest)
    assert says(seen, ALONE) == "blocked dns-forged"
    assert "dns-wrong-server" in rules(seen, ALONE)


def test_a_reset_of_the_probes_own_making_is_not_clear() -> None:
    for failure in (Failure.NO_BUFFER_SPACE, Failure.ADDRESS_NOT_AVAILABLE, Failure.ADDRESS_FAMILY_NOT_SUPPORTED):
        assert verdict(https(tcp=failure)).outcome is Outcome.INCONCLUSIVE


def test_plain_pages_are_compared_with_what_comes_over_tls() -> None:
    twin = page("https://x.com/", title="Home", purpose=Purpose.OTHER_PORT)
    assert says(http(X, page("http://x.com/", title="Home"), twin), ALONE) == "ok"


def test_a_plain_page_with_nothing_to_compare_is_not_clear() -> None:
    assert says(http(X, page("http://x.com/", title="Anything")), ALONE) == "inconclusive"


def test_a_status_that_a_source_fixes_is_healthy() -> None:
    seen = measured(
        "http://149.154.167.51/",
        connect("149.154.167.51", port=80),
        page("http://149.154.167.51/", "149.154.167.51", status=404, title="404 Not Found"),
    )
    assert says(seen, known(healthy=(404, 501))) == "ok"


def test_a_servers_own_trouble_is_no_notice() -> None:
    assert says(http(X, page("http://x.com/", status=503, title="Service Unavailable"))) == "inconclusive"


def test_a_challenge_is_no_notice() -> None:
    assert says(http(X, page("http://x.com/", status=403, title="Just a moment..."))) == "inconclusive"


def test_a_notice_by_host_name_is_told_from_one_for_every_name() -> None:
    notice = page("http://x.com/", title="Notice", body_sha256="1" * 64)
    same = page("http://x.com/", title="Notice", body_sha256="1" * 64, host=NEUTRAL, purpose=Purpose.OTHER_HOST)
    other = page("http://x.com/", title="Home", body_sha256="2" * 64, host=NEUTRAL, purpose=Purpose.OTHER_HOST)
    assert says(http(X, notice, same)) == "inconclusive"
    assert says(http(X, notice, other)) == "blocked http-blockpage"


def test_a_valid_certificate_at_one_address_outweighs_a_failure_at_another() -> None:
    seen = https(dns=(SPARE, SITE), tls=RESET, then=(shake(X, SITE, VALID, purpose=Purpose.OTHER_ADDRESS),))
    assert says(seen) == "ok"
    assert "tls-some-addresses" in rules(seen)


def test_a_filter_behind_a_redirect_is_found_at_its_own_hop() -> None:
    moved = page("http://x.com/", status=301, title=None, location="https://www.x.com/")
    www = "www.x.com"
    names = (lookup(www, (SPARE,)), trusted(www, (SPARE,)), connect(SPARE))
    tried = (shake(NEUTRAL, SPARE, FRONT, purpose=Purpose.INNOCUOUS), shake(www, SPARE, RESET))
    assert says(http(X, moved, *names, *tried, repeated(tried[1]))) == "blocked sni-reset"


def test_a_forged_answer_and_a_drop_of_which_neither_is_proved_are_not_clear() -> None:
    """Two nodes of a content network that are down prove nothing by being two."""
    dropped = (connect(SITE, TIMEOUT, purpose=Purpose.TRUSTED_ADDRESS), repeated(connect(NODE, TIMEOUT)))
    assert says(https(dns=(NODE,), tcp=TIMEOUT, then=dropped), ALONE) == "inconclusive"


def test_a_stub_that_filters_by_itself_is_told_from_what_it_forwards_to() -> None:
    honest = lookup("x.com", (SITE,), purpose=Purpose.UPLINK, resolver="195.175.39.39")
    assert "dns-stub-filters" in rules(https(dns=("0.0.0.0",), then=(honest,)))
    same = lookup("x.com", NXDOMAIN, purpose=Purpose.UPLINK, resolver="195.175.39.39")
    assert "dns-uplink" in rules(https(dns=NXDOMAIN, then=(same,)))
