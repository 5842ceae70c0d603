"""What a document of OONI's says must come out as facts of ours, no more and no less."""

import base64
import copy
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe.wire.codec import decode_measurement
from probe.wire.measurement import Measurement
from probe.wire.ooni_in import OoniError, OoniMeasurement, from_ooni
from probe.wire.vocabulary import Purpose

from . import documents as made
from .documents import FORGED, SITE, connect, dns, envelope, handshake, http, query, request, tcp, tls, web


def only(document: dict[str, Any]) -> Measurement:
    (part,) = from_ooni(document).parts
    return part.measurement


def test_the_envelope_tells_network_time_and_software() -> None:
    measurement = only(web())
    assert measurement.endpoint == "https://site.example/"
    assert measurement.started_at.isoformat() == "2024-02-12T20:33:47+00:00"
    assert (measurement.network.asn, measurement.network.country, measurement.network.resolver_asn) == (
        64500,
        "XA",
        64501,
    )
    assert (measurement.agent, measurement.duration) == ("ooniprobe/3.22.0", 1.5)


def test_placeholders_for_an_unknown_network_are_absent() -> None:
    document = web()
    document |= {"probe_asn": "AS0", "probe_cc": "ZZ", "probe_network_name": "", "resolver_asn": "AS0"}
    network = only(document).network
    assert (network.asn, network.country, network.name, network.resolver_asn) == (None, None, None, None)


def test_the_id_is_the_same_for_the_same_document_and_another_for_another() -> None:
    assert only(web()).id == only(copy.deepcopy(web())).id
    assert only(web()).id != only(web() | {"report_id": "other"}).id
    assert only(web() | {"measurement_uid": "u"}).id == only(web() | {"measurement_uid": "u", "report_id": "x"}).id


def test_who_was_asked_decides_the_purpose_of_a_lookup() -> None:
    steps = dns(only(web()).steps)
    assert [(s.transport, s.purpose, s.resolver) for s in steps] == [
        ("system", Purpose.TARGET, "system"),
        ("udp", Purpose.TRUSTED_UDP, "1.1.1.1"),
        ("https", Purpose.TRUSTED, "https://dns.google/dns-query"),
    ]


def test_getaddrinfo_is_two_questions_in_one() -> None:
    both = dns(only(web(queries=[query("site.example", [SITE, "2001:db8::1"])])).steps)
    assert [(s.qtype, s.answers, s.failure) for s in both] == [("A", (SITE,), None), ("AAAA", ("2001:db8::1",), None)]
    failed = dns(only(web(queries=[query("site.example", [], failure="dns_nxdomain_error")])).steps)
    assert [(s.qtype, s.failure) for s in failed] == [("A", "dns_nxdomain_error"), ("AAAA", "dns_nxdomain_error")]


def test_a_cname_and_a_second_reply_to_one_query_are_kept() -> None:
    udp = query("site.example", [SITE], engine="udp", query_type="A", transaction_id=7)
    udp["answers"].insert(0, {"answer_type": "CNAME", "hostname": "cdn.example"})
    late = query("site.example", [FORGED], engine="udp", query_type="A", transaction_id=7)
    (step,) = dns(only(web(queries=[udp], x_dns_duplicate_responses=[late])).steps)
    assert step.replies[0].cnames == ("cdn.example",)
    assert step.answers == (SITE,)
    assert step.replies[1].addresses == (FORGED,)


def test_a_connection_to_what_only_others_answered_is_a_comparison() -> None:
    document = web(
        queries=[query("site.example", [FORGED]), query("site.example", [SITE], engine="doh", query_type="A")],
        tcp_connect=[connect(FORGED, failure="generic_timeout_error"), connect(SITE)],
    )
    steps = only(document).steps
    assert [(s.address, s.purpose) for s in tcp(steps)] == [(FORGED, Purpose.TARGET), (SITE, Purpose.TRUSTED_ADDRESS)]
    assert tls(steps)[0].purpose is http(steps)[0].purpose is Purpose.TRUSTED_ADDRESS


def test_the_https_port_of_an_http_url_is_another_port() -> None:
    beside = connect(SITE, 443, "connection_refused", tags=["depth=0", "fetch_body=false"])
    document = web("http://site.example/", tcp_connect=[connect(SITE, 80), beside], tls_handshakes=[], requests=[])
    assert [(s.port, s.purpose) for s in tcp(only(document).steps)] == [(80, Purpose.TARGET), (443, Purpose.OTHER_PORT)]


@pytest.mark.parametrize(
    ("failure", "failed", "chain_valid", "chain_failure", "host_match"),
    [
        (None, None, True, None, True),
        ("ssl_unknown_authority", None, False, "ssl_unknown_authority", None),
        ("ssl_invalid_certificate", None, False, "ssl_invalid_certificate", None),
        ("ssl_invalid_hostname", None, None, None, False),
        ("connection_reset", "connection_reset", None, None, None),
    ],
)
def test_a_complaint_about_the_certificate_is_no_failure_of_the_handshake(
    failure: str | None,
    failed: str | None,
    chain_valid: bool | None,
    chain_failure: str | None,
    host_match: bool | None,
) -> None:
    (step,) = tls(only(web(tls_handshakes=[handshake(SITE, "site.example", failure)])).steps)
    assert (step.failure, step.chain_valid, step.chain_failure, step.host_match) == (
        failed,
        chain_valid,
        chain_failure,
        host_match,
    )


def test_a_handshake_that_did_not_verify_says_nothing_of_the_certificate() -> None:
    document = web(tls_handshakes=[handshake(SITE, "site.example", no_tls_verify=True)])
    steps = only(document).steps
    assert (tls(steps)[0].chain_valid, tls(steps)[0].host_match) == (None, None)
    assert not http(steps)[0].trusted


def test_a_page_behind_a_bad_certificate_is_not_trusted() -> None:
    assert http(only(web()).steps)[0].trusted
    behind = web(tls_handshakes=[handshake(SITE, "site.example", "ssl_unknown_authority")])
    assert not http(only(behind).steps)[0].trusted
    assert not http(only(web("http://site.example/", requests=[request("http://site.example/")])).steps)[0].trusted


def test_the_bytes_before_a_reset_are_those_of_that_connection() -> None:
    events = [
        {"operation": "read", "num_bytes": 1200, "t": 0.25, "transaction_id": 50001},
        {"operation": "read", "num_bytes": 5000, "t": 0.25, "transaction_id": 50002},
        {"operation": "read", "num_bytes": 900, "t": 0.35, "transaction_id": 50001},
    ]
    steps = only(web(network_events=events)).steps
    assert (tls(steps)[0].bytes_read, tls(steps)[0].first_byte) == (1200, 0.25)
    assert http(steps)[0].bytes_read == 900


def test_hops_are_in_the_order_of_time_and_locations_absolute() -> None:
    last = request("https://site.example/b", t=0.9)
    first = request("https://site.example/a", 302, "", t=0.5)
    first["response"]["headers_list"] = [["Location", "/b"]]
    hops = http(only(web(requests=[last, first])).steps)
    assert [(hop.url, hop.status, hop.location) for hop in hops] == [
        ("https://site.example/a", 302, "https://site.example/b"),
        ("https://site.example/b", 200, None),
    ]
    assert hops[1].title == "A site & more"


def test_the_steps_of_a_later_hop_follow_the_first_hop() -> None:
    there: dict[str, Any] = {"tags": ["depth=1"], "transaction_id": 50002}
    first = request("https://site.example/", 302, "", address=f"{SITE}:443", transaction_id=50001)
    first["response"]["headers_list"] = [["Location", "https://other.example/"]]
    document = web(
        queries=[query("other.example", ["203.0.113.24"], tags=["depth=1"]), query("site.example", [SITE])],
        tcp_connect=[connect("203.0.113.24", **there), connect(SITE, transaction_id=50001)],
        tls_handshakes=[
            handshake("203.0.113.24", "other.example", "connection_reset", **there),
            handshake(SITE, "site.example", transaction_id=50001),
        ],
        requests=[first],
    )
    kinds = [type(step).__name__ for step in only(document).steps]
    assert kinds == ["DnsStep", "TcpStep", "TlsStep", "HttpStep", "DnsStep", "TcpStep", "TlsStep"]


def test_headers_of_every_age_are_read() -> None:
    old = request("http://site.example/", 302, "")
    value = base64.b64encode(b"http://notice.example/\x00rubbish").decode()
    old["response"]["headers_list"] = None
    old["response"]["headers"] = {"Location": {"data": value, "format": "base64"}, "Server": "x"}
    (step,) = http(only(web("http://site.example/", requests=[old])).steps)
    assert step.location == "http://notice.example/"
    assert dict(step.headers)["Server"] == "x"


def test_a_body_that_is_no_text_is_decoded_and_one_that_was_cut_away_is_not_measured() -> None:
    binary = request("https://site.example/", body={"data": base64.b64encode(b"\xff\x00").decode(), "format": "base64"})
    (step,) = http(only(web(requests=[binary])).steps)
    assert (step.body, step.body_length) == (b"\xff\x00", 2)
    cut = request("https://site.example/", body="")
    cut["response"]["body_is_truncated"] = True
    (step,) = http(only(web(requests=[cut])).steps)
    assert (step.body_length, step.body_truncated) == (None, True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("connection_refused_error", "connection_refused"),
        ("dns_name_error", "dns_nxdomain_error"),
        ("http_invalid_redirect_url", "http_invalid_redirect_location_host"),
        ("tcp_timed_out_error", "generic_timeout_error"),
        ("connect_error", "unknown_failure: connect_error"),
        ("unknown_failure: dial 203.0.113.9 oops", "unknown_failure: dial [scrubbed] oops"),
        ("unknown_failure 'ascii' codec", "unknown_failure: 'ascii' codec"),
        (False, None),
    ],
)
def test_failures_of_older_probes_are_in_todays_vocabulary(old: object, new: str | None) -> None:
    (step,) = http(only(web(requests=[request("https://site.example/", failure=old)])).steps)
    assert step.failure == new


def test_a_request_through_tor_says_nothing_of_the_network() -> None:
    entry = request("https://site.example/")
    entry["request"]["tor"] = {"is_tor": True}
    assert http(only(web(requests=[entry])).steps) == []


def test_names_are_as_they_are_asked_and_urls_in_one_form() -> None:
    document = web("HTTP://Яндекс.рф:80", queries=[query("яндекс.рф", [SITE])])
    measurement = only(document)
    assert measurement.endpoint == "http://xn--d1acpjx3f.xn--p1ai/"
    assert dns(measurement.steps)[0].name == "xn--d1acpjx3f.xn--p1ai"


def whatsapp() -> dict[str, Any]:
    shared = ["203.0.113.1", "203.0.113.2"]
    test_keys = {
        "queries": [
            query("e1.whatsapp.net", shared),
            query("e2.whatsapp.net", shared[:1]),
            query("web.whatsapp.com", [SITE]),
            query("v.whatsapp.net", [SITE]),
        ],
        "tcp_connect": [
            connect("203.0.113.1", 443, "generic_timeout_error"),
            connect("203.0.113.2", 5222),
            connect(SITE),
        ],
        "tls_handshakes": [handshake(SITE, "web.whatsapp.com"), handshake(SITE, "v.whatsapp.net")],
        "requests": [request("https://web.whatsapp.com/", 400), request("https://v.whatsapp.net/v2/register")],
        "whatsapp_web_status": "blocked",
    }
    return envelope("whatsapp", test_keys)


def test_a_messenger_is_one_part_an_endpoint_with_platform_service_and_group() -> None:
    parts = from_ooni(whatsapp()).parts
    assert [(p.measurement.endpoint, p.measurement.service, p.group) for p in parts] == [
        ("tcp://e1.whatsapp.net:443", "messaging", "e1.whatsapp.net"),
        ("tcp://e1.whatsapp.net:5222", "messaging", "e1.whatsapp.net"),
        ("tcp://e2.whatsapp.net:443", "messaging", "e2.whatsapp.net"),
        ("https://v.whatsapp.net/v2/register", "registration", None),
        ("https://web.whatsapp.com/", "web", "web.whatsapp.com"),
    ]
    assert {p.measurement.platform for p in parts} == {"whatsapp"}
    assert len({p.measurement.id for p in parts}) == len(parts)


def test_a_connect_counts_for_every_host_with_that_address_and_a_handshake_for_its_name() -> None:
    by_endpoint = {part.measurement.endpoint: part.measurement.steps for part in from_ooni(whatsapp()).parts}
    for host in ("e1", "e2"):
        (step,) = tcp(by_endpoint[f"tcp://{host}.whatsapp.net:443"])
        assert step.failure == "generic_timeout_error"
    assert [s.sni for s in tls(by_endpoint["https://web.whatsapp.com/"])] == ["web.whatsapp.com"]


def test_data_centres_of_telegram_are_alternatives_on_two_ports() -> None:
    centre = "149.154.167.51"
    test_keys = {
        "tcp_connect": [connect(centre, 80), connect(centre, 443, "connection_refused"), connect("149.154.167.99")],
        "requests": [request(f"http://{centre}/", 501), {"request": {}, "response": {}}],
    }
    parts = from_ooni(envelope("telegram", test_keys)).parts
    assert [(p.measurement.endpoint, p.measurement.service, p.group) for p in parts] == [
        (f"http://{centre}/", "messaging", centre),
        (f"tcp://{centre}:443", "messaging", centre),
        ("tcp://149.154.167.99:443", "web", None),
    ]


def test_messenger_and_signal_have_their_hosts() -> None:
    keys = {"queries": [query("stun.fbsbx.com", [SITE]), query("edge-mqtt.facebook.com", [SITE])]}
    facebook = from_ooni(envelope("facebook_messenger", {**keys, "tcp_connect": [connect(SITE)]})).parts
    assert [p.measurement.endpoint for p in facebook] == ["dns:stun.fbsbx.com", "tcp://edge-mqtt.facebook.com:443"]
    keys = {"queries": [query("uptime.signal.org", ["127.0.0.1"]), query("chat.signal.org", [], failure="eof_error")]}
    signal = from_ooni(envelope("signal", keys)).parts  # uptime.signal.org is a flag, and answers 127.0.0.1 by design
    assert [(p.measurement.endpoint, p.measurement.service) for p in signal] == [
        ("https://chat.signal.org/", "messaging")
    ]


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "a JSON object is wanted"),
        ({}, "test_name is missing"),
        (web() | {"test_keys": None}, "nothing was measured"),
        (web() | {"test_name": "ndt"}, "ndt is none that can be judged"),
        (web() | {"input": "ftp://x/"}, "no http or https URL"),
        (web() | {"input": "http://[::1/"}, "no http or https URL"),
        (web() | {"measurement_start_time": "yesterday"}, "measurement_start_time"),
        (envelope("urlgetter", {}, input="smtp://x"), "urlgetter"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_one_sentence(document: Any, says: str) -> None:
    with pytest.raises(OoniError) as caught:
        from_ooni(document)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def assert_encodable(measurement: OoniMeasurement) -> None:
    for part in measurement.parts:
        raw = msgspec.json.encode(part.measurement)
        assert decode_measurement(msgspec.json.decode(raw)) == part.measurement
        msgspec.json.encode(part.expectation)


_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["http://[", "https://x:0/", "depth=1", "\ud800", "::", "1.2.3.4:99999", "AS99999999999", -1, 1e308]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def paths(value: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [at, *(path for key, item in items for path in paths(item, (*at, key)))]


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_no_damage_to_a_document_lets_anything_but_a_refusal_out(data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from([web(), whatsapp()])))
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(paths(document)[1:]))
        holder: Any = document
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = data.draw(_ANYTHING)
    try:
        assert_encodable(from_ooni(document))
    except OoniError as error:
        assert str(error)  # noqa: PT017 - refused, with a reason


@made.needs_samples
@pytest.mark.parametrize("path", sorted(made.SAMPLES.glob("*/*.json")), ids=lambda path: path.stem)
def test_every_sample_of_ooni_is_read(path: Any) -> None:
    document = made.sample(str(path.relative_to(made.SAMPLES)))
    if path.stem == "test_keys_none":
        with pytest.raises(OoniError, match="nothing was measured"):
            from_ooni(document)
        return
    measurement = from_ooni(document)
    assert_encodable(measurement)
    for part in measurement.parts:
        assert part.measurement.steps
        assert (part.expectation is not None) == bool(document["test_keys"].get("control"))
