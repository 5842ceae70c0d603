"""The test helper's answer is what verdicts hold observations against: a wrong reading makes false alarms."""

from typing import Any

import pytest

from probe.wire.expectations import Expectation
from probe.wire.ooni_in import from_ooni

from .documents import FORGED, SITE, control, needs_samples, no_page, sample, web


def expected(document: dict[str, Any]) -> Expectation:
    (part,) = from_ooni(document).parts
    assert part.expectation is not None
    return part.expectation


def test_a_site_that_works_for_the_control() -> None:
    seen = expected(web())
    assert seen.addresses == (SITE,)  # the CNAME among them is gone
    assert (seen.tcp_ok, seen.tls_ok, seen.chain_valid, seen.host_match, seen.http_ok) == (True,) * 5
    assert (seen.status, seen.title, seen.body_length, seen.headers) == (200, "A site & more", 1533, ("date",))


def test_a_control_before_handshakes_were_recorded_vouches_by_its_page() -> None:
    old = control()
    del old["tls_handshake"]
    seen = expected(web(control=old))
    assert (seen.tcp_ok, seen.tls_ok, seen.chain_valid) == (True, True, True)


@pytest.mark.parametrize("keys", [{"control_failure": "connection_reset"}, {"control": None}, {"control": {}}])
def test_a_control_that_failed_expects_nothing(keys: dict[str, Any]) -> None:
    (part,) = from_ooni(web(**keys)).parts
    assert part.expectation is None


def test_a_name_that_does_not_exist_for_the_control() -> None:
    gone = control(
        dns={"failure": "dns_name_error", "addrs": []}, tcp_connect={}, http_request=no_page("dns_lookup_error")
    )
    seen = expected(web(control=gone))
    assert (seen.dns_failure, seen.http_ok, seen.tcp_ok, seen.status) == ("dns_nxdomain_error", False, None, None)


def test_no_addresses_but_aliases_is_no_answer() -> None:
    gone = control(dns={"failure": None, "addrs": ["alias.example"]}, http_request=no_page("dns_lookup_error"))
    assert expected(web(control=gone)).dns_failure == "dns_no_answer"


def test_connecting_to_what_only_the_probe_resolved_says_nothing_of_the_site() -> None:
    forged = control(
        tcp_connect={f"{FORGED}:443": {"status": True, "failure": None}},
        tls_handshake={f"{FORGED}:443": {"status": False, "failure": "ssl_unknown_authority"}},
        http_request=no_page("unknown_error"),
    )
    seen = expected(web(control=forged))
    assert (seen.tcp_ok, seen.tls_ok, seen.chain_valid) == (None, None, None)


def test_another_port_says_nothing_of_this_one() -> None:
    other = control(
        tcp_connect={f"{SITE}:443": {"status": True}, f"{SITE}:80": {"status": False, "failure": "connect_error"}},
        http_request=no_page("connect_error"),
    )
    seen = expected(web("http://site.example/", control=other))
    assert (seen.tcp_ok, seen.tcp_failure) == (False, "unknown_failure: connect_error")


@pytest.mark.parametrize(
    ("failure", "wanted"),
    [
        ("ssl_invalid_certificate", {"tls_ok": True, "chain_valid": False, "chain_failure": "ssl_invalid_certificate"}),
        ("ssl_unknown_authority", {"tls_ok": True, "chain_valid": False, "chain_failure": "ssl_unknown_authority"}),
        ("ssl_invalid_hostname", {"tls_ok": True, "chain_valid": None, "host_match": False}),
        ("connection_reset", {"tls_ok": False, "tls_failure": "connection_reset", "chain_valid": None}),
    ],
)
def test_what_the_control_says_of_the_certificate(failure: str, wanted: dict[str, Any]) -> None:
    bad = control(
        tls_handshake={f"{SITE}:443": {"status": False, "failure": failure}}, http_request=no_page("unknown_error")
    )
    seen = expected(web(control=bad))
    assert {key: getattr(seen, key) for key in wanted} == wanted
    assert seen.tcp_ok is True


def test_one_address_that_works_is_enough() -> None:
    results = {f"{SITE}:443": {"status": False, "failure": "eof_error"}, "[2001:db8::1]:443": {"status": True}}
    both = control(
        dns={"failure": None, "addrs": [SITE, "2001:db8::1"]},
        tcp_connect=results,
        tls_handshake=results,
        http_request=no_page("unknown_error"),
    )
    seen = expected(web(control=both))
    assert (seen.tcp_ok, seen.tls_ok) == (True, True)


def test_minus_one_is_not_measured() -> None:
    unmeasured: dict[str, Any] = {"body_length": -1, "failure": None, "title": "", "headers": {}, "status_code": -1}
    seen = expected(web(control=control(http_request=unmeasured, tcp_connect={}, tls_handshake={})))
    assert (seen.http_ok, seen.status, seen.body_length, seen.tcp_ok) == (None, None, None, None)


@needs_samples
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("qa/badSSLWithExpiredCertificate.json", {"tls_ok": True, "chain_failure": "ssl_invalid_certificate"}),
        ("qa/badSSLWithUnknownAuthorityWithConsistentDNS.json", {"chain_failure": "ssl_unknown_authority"}),
        ("qa/localhostWithHTTP.json", {"addresses": ("127.0.0.1",), "http_ok": False, "tcp_ok": None}),
        ("qa/websiteDownNXDOMAIN.json", {"dns_failure": "dns_nxdomain_error", "http_ok": False}),
        ("qa/ghostDNSBlockingWithHTTP.json", {"dns_failure": "dns_nxdomain_error", "tcp_ok": None}),
        ("qa/dnsBlockingBOGON.json", {"addresses": ("93.184.216.34",), "chain_valid": True}),
        ("qa/redirectWithMoreThanTenRedirectsAndHTTPS.json", {"http_ok": False, "tls_ok": True}),
        ("real/web_connectivity_ir_fp.json", {"tcp_ok": True, "status": 200}),  # its connect to the bogon is no word
        ("real/requests_none.json", {"dns_failure": "dns_no_answer"}),
    ],
)
def test_the_controls_of_oonis_own_cases(name: str, wanted: dict[str, Any]) -> None:
    seen = expected(sample(name))
    assert {key: getattr(seen, key) for key in wanted} == wanted
