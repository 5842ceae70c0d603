"""What goes out must be OONI's format, must tell what we concluded, and must not tell where the volunteer is."""

import base64
import datetime as dt
import json
from typing import Any

import msgspec
import pytest

from probe.wire.measurement import Network
from probe.wire.ooni_in import from_ooni
from probe.wire.ooni_out import to_ooni
from probe.wire.steps import DnsReply
from probe.wire.vocabulary import Failure, Outcome, Purpose, Technique

from .measurements import BEGAN, NETWORK, ROUTER, SITE, connect, handshake, lookup, measured, page, verdict

CLIENT = "198.51.100.77"  # the volunteer, as a block page prints it


def document(*steps: Any, endpoint: str = "https://site.example/", judged: Any = None, **more: Any) -> dict[str, Any]:
    (only,) = to_ooni([(measured(endpoint, *steps, **more), judged or verdict())], "1.2")
    decoded: dict[str, Any] = json.loads(msgspec.json.encode(only))
    return decoded


def test_the_envelope_is_oonis() -> None:
    made = document(connect())
    assert (made["data_format_version"], made["test_name"], made["report_id"]) == ("0.2.0", "web_connectivity", "")
    assert (made["probe_ip"], made["probe_asn"], made["probe_cc"]) == ("127.0.0.1", "AS9121", "TR")
    assert (made["measurement_start_time"], made["test_runtime"]) == ("2020-02-27 20:30:00", 1.5)
    assert (made["software_name"], made["software_version"]) == ("censorship-probe", "1.2")
    assert {"queries", "tcp_connect", "tls_handshakes", "requests", "network_events"} <= made["test_keys"].keys()
    assert all(isinstance(value, str) for value in made["annotations"].values())


def test_an_unknown_network_has_oonis_placeholders() -> None:
    made = document(network=Network())
    assert (made["probe_asn"], made["probe_cc"], made["resolver_asn"]) == ("AS0", "ZZ", "AS0")


def test_the_address_of_the_users_resolver_stays_at_home() -> None:
    steps = [lookup("site.example", SITE), lookup("site.example", SITE, purpose=Purpose.REPEAT)]
    trusted = lookup("site.example", SITE, resolver="1.1.1.1", purpose=Purpose.TRUSTED_UDP)
    made = document(*steps, trusted)
    assert ROUTER not in json.dumps(made)
    assert [(q["engine"], q["resolver_address"]) for q in made["test_keys"]["queries"]] == [
        ("system", ""),
        ("system", ""),
        ("udp", "1.1.1.1:53"),
    ]


@pytest.mark.parametrize("client", [CLIENT, "2001:db8:7::42", f"::ffff:{CLIENT}"])
@pytest.mark.parametrize("around", ["{}", "ip:{}.", "Your IP is {}, go", "x={}&y", "({})", "<b>{}</b>", "{}:8080"])
def test_an_address_that_no_step_knows_is_the_clients_and_is_scrubbed(client: str, around: str) -> None:
    told = around.format(client)
    notice = page(
        "https://site.example/?from=" + told,
        status=302,
        headers=(("X-Client", told), ("Location", f"http://{SITE}/?ip={told}")),
        location=f"http://{SITE}/?ip={told}",
        body=f"<title>x</title>{told}".encode(),
        body_length=9,
        failure=f"unknown_failure: {told}",
    )
    binary = page("https://site.example/b", status=200, body=b"\xff " + told.encode(), body_length=9)
    made = document(connect(), notice, binary)
    bodies = [entry["response"]["body"] for entry in made["test_keys"]["requests"]]
    plain = [base64.b64decode(body["data"]).decode("latin-1") if isinstance(body, dict) else body for body in bodies]
    everything = json.dumps(made) + "".join(plain)
    assert client not in everything
    assert CLIENT not in everything
    assert SITE in dict(made["test_keys"]["requests"][-1]["response"]["headers_list"])["Location"]


@pytest.mark.parametrize("text", ["at 12:34:56", "std::vector", "a::before{}", "00:1b:44:11:3a:b7", f"to {SITE}."])
def test_what_is_no_strangers_address_stays(text: str) -> None:
    made = document(connect(), page("https://site.example/", status=200, body=text.encode(), body_length=9))
    assert made["test_keys"]["requests"][0]["response"]["body"] == text


@pytest.mark.parametrize(
    ("facts", "failure"),
    [
        ({"chain_valid": True, "host_match": True}, None),
        ({"chain_valid": False, "chain_failure": "ssl_unknown_authority"}, "ssl_unknown_authority"),
        ({"chain_valid": False, "chain_failure": "ssl_invalid_certificate"}, "ssl_invalid_certificate"),
        ({"chain_valid": True, "host_match": False}, "ssl_invalid_hostname"),
        ({"failure": Failure.CONNECTION_RESET}, "connection_reset"),
    ],
)
def test_a_bad_certificate_is_the_handshakes_failure_in_oonis_words(facts: dict[str, Any], failure: str | None) -> None:
    (entry,) = document(handshake("site.example", **facts))["test_keys"]["tls_handshakes"]
    assert (entry["failure"], entry["no_tls_verify"]) == (failure, False)


def test_a_chain_left_out_as_a_repetition_is_filled_in() -> None:
    first = handshake("site.example", chain=(b"der",), chain_sha256="s", chain_valid=True, host_match=True)
    again = handshake("site.example", chain_sha256="s", chain_valid=True, host_match=True, purpose=Purpose.REPEAT)
    entries = document(first, again)["test_keys"]["tls_handshakes"]
    assert entries[1]["peer_certificates"] == entries[0]["peer_certificates"] != []


def test_requests_are_last_first_and_share_the_transaction_of_their_connection() -> None:
    hops = [page("https://site.example/a", t=0.4, status=302), page("https://site.example/b", t=0.6, status=200)]
    keys = document(connect(), handshake("site.example"), *hops)["test_keys"]
    assert [entry["request"]["url"][-1] for entry in keys["requests"]] == ["b", "a"]
    entries = [*keys["tcp_connect"], *keys["tls_handshakes"], *keys["requests"]]
    assert len({entry["transaction_id"] for entry in entries}) == 1


def test_a_second_reply_to_one_query_is_told_as_a_duplicate() -> None:
    replies = tuple(
        DnsReply(t=t, size=60, rcode="NOERROR", addresses=(address,))
        for t, address in ((0.05, "10.10.34.35"), (0.1, SITE))
    )
    keys = document(lookup("site.example", "10.10.34.35", replies=replies))["test_keys"]
    (late,) = keys["x_dns_duplicate_responses"]
    assert late["answers"][0]["ipv4"] == SITE
    assert late["transaction_id"] == keys["queries"][0]["transaction_id"]


@pytest.mark.parametrize(
    ("outcome", "technique", "blocking", "accessible"),
    [
        (Outcome.OK, None, False, True),
        (Outcome.DEGRADED, Technique.THROTTLING, False, True),
        (Outcome.DOWN, None, False, False),
        (Outcome.INCONCLUSIVE, None, None, None),
        (Outcome.VOID, None, None, None),
        (Outcome.BLOCKED, Technique.DNS_FORGED, "dns", False),
        (Outcome.BLOCKED, Technique.IP_DROP, "tcp_ip", False),
        (Outcome.BLOCKED, Technique.SNI_RESET, "http-failure", False),
        (Outcome.BLOCKED, Technique.HTTP_BLOCKPAGE, "http-diff", False),
    ],
)
def test_our_verdict_in_web_connectivitys_words(
    outcome: Outcome, technique: Technique | None, blocking: object, accessible: bool | None
) -> None:
    made = document(connect(), judged=verdict(outcome, *([technique] if technique else [])))
    assert (made["test_keys"]["blocking"], made["test_keys"]["accessible"]) == (blocking, accessible)
    assert (made["annotations"]["outcome"], made["annotations"]["technique"]) == (outcome, technique or "")


def blocked(technique: Technique) -> Any:
    return verdict(Outcome.BLOCKED, technique)


def test_whatsapp_is_gathered_and_a_host_is_blocked_only_if_both_ports_are() -> None:
    drop, down = Technique.IP_DROP, "generic_timeout_error"
    judged = [
        (measured("tcp://e1.whatsapp.net:443", connect(failure=down)), blocked(drop)),
        (measured("tcp://e1.whatsapp.net:5222", connect(port=5222, failure=down)), blocked(drop)),
        (measured("tcp://e2.whatsapp.net:443", connect(failure=down)), blocked(drop)),
        (measured("tcp://e2.whatsapp.net:5222", connect(port=5222)), verdict()),
        (measured("https://v.whatsapp.net/v2/register"), verdict()),
        (measured("https://web.whatsapp.com/", connect(failure=down)), blocked(drop)),
        (measured("https://x.com/"), verdict()),
    ]
    whatsapp, other = to_ooni(judged, "1.2")
    keys = whatsapp["test_keys"]
    assert (whatsapp["test_name"], whatsapp["input"]) == ("whatsapp", None)
    assert (other["test_name"], other["input"]) == ("web_connectivity", "https://x.com/")
    assert keys["whatsapp_endpoints_blocked"] == ["e1.whatsapp.net"]
    assert (keys["whatsapp_endpoints_status"], keys["registration_server_status"]) == ("ok", "ok")
    assert (keys["whatsapp_web_status"], keys["whatsapp_web_failure"]) == ("blocked", down)
    assert whatsapp["annotations"]["outcome"] == Outcome.PARTIAL


def test_telegram_facebook_and_signal_have_their_keys() -> None:
    centres = [(measured(f"http://149.154.167.{n}:443/"), blocked(Technique.IP_DROP)) for n in (51, 91)]
    judged = [
        *centres,
        (measured("https://web.telegram.org/"), verdict()),
        (measured("tls://edge-mqtt.facebook.com:443"), blocked(Technique.IP_RESET)),
        (measured("dns:stun.fbsbx.com"), blocked(Technique.DNS_FORGED)),
        (measured("https://chat.signal.org/"), verdict(Outcome.INCONCLUSIVE)),
    ]
    telegram, facebook, signal = (made["test_keys"] for made in to_ooni(judged, "1.2"))
    assert (telegram["telegram_tcp_blocking"], telegram["telegram_http_blocking"]) == (True, True)
    assert telegram["telegram_web_status"] == "ok"
    assert (facebook["facebook_edge_dns_consistent"], facebook["facebook_edge_reachable"]) == (True, False)
    assert (facebook["facebook_stun_dns_consistent"], facebook["facebook_stun_reachable"]) == (False, None)
    assert (facebook["facebook_dns_blocking"], facebook["facebook_tcp_blocking"]) == (True, True)
    assert signal["signal_backend_status"] is None


def test_networks_and_repeated_rounds_are_not_mixed_in_one_document() -> None:
    one = measured("https://chat.signal.org/")
    elsewhere = msgspec.structs.replace(one, network=Network(asn=1))
    later = msgspec.structs.replace(one, started_at=BEGAN + dt.timedelta(minutes=5))
    assert len(to_ooni([(one, verdict()), (elsewhere, verdict()), (later, verdict())], "1.2")) == 3


def test_what_no_test_of_oonis_fits_is_an_urlgetter_document() -> None:
    endpoints = ["tls://irc.example:6697", "tcp://g.whatsapp.net:5222", "dns:name.example"]
    made = to_ooni([(measured(endpoint), verdict()) for endpoint in endpoints], "1.2")
    assert [entry["test_name"] for entry in made] == ["urlgetter"] * 3
    assert [entry["input"] for entry in made] == [
        "tlshandshake://irc.example:6697",
        "tcpconnect://g.whatsapp.net:5222",
        "dnslookup://name.example",
    ]
    assert [part.measurement.endpoint for entry in made for part in from_ooni(entry).parts] == endpoints


def test_times_of_gathered_measurements_count_from_the_documents_start() -> None:
    begins = [BEGAN + dt.timedelta(seconds=s) for s in (1.25, 0.5)]
    judged = [
        (measured(f"https://{host}.signal.org/", connect(), started_at=began), verdict())
        for host, began in zip(("chat", "storage"), begins, strict=True)
    ]
    (made,) = to_ooni(judged, "1.2")
    assert made["measurement_start_time"] == "2020-02-27 20:30:00"
    assert sorted(entry["t"] for entry in made["test_keys"]["tcp_connect"]) == [0.7, 1.45]
    assert from_ooni(made).parts[0].measurement.network == NETWORK
