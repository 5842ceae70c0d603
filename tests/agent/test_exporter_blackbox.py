"""A measurement's records in blackbox_exporter's names: what counts as the user's connection, and what is absent."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from probe.agent.exporter.blackbox import Probed, address_hash, registry_of
from probe.agent.exporter.modules import MODULES
from probe.agent.exporter.rendering import rendered
from probe.wire.addresses import parse_address
from probe.wire.measurement import Measurement
from probe.wire.steps import AnyStep, DnsReply, DnsStep, HttpStep, TcpStep, TlsStep
from probe.wire.verdicts import Verdict
from probe.wire.vocabulary import Outcome, Purpose

from .exporter_running import BEGAN, URL, Reply

HOST, SITE, SPARE = "shop.example.net", "203.0.113.9", "203.0.113.10"
INNOCUOUS, OTHER, REPEAT = Purpose.INNOCUOUS, Purpose.OTHER_ADDRESS, Purpose.REPEAT
EARLIEST, OF_PATH = "probe_ssl_earliest_cert_expiry", "probe_ssl_last_chain_expiry_timestamp_seconds"
OK = Verdict(outcome=Outcome.OK, confidence=0.9)


def lookup(t0: float, first: float | None, qtype: str = "A", **more: object) -> DnsStep:
    """`first`: seconds to the first reply; more are waited for, until 0.3 s after it."""
    replies = () if first is None else (DnsReply(t=t0 + first, size=60), DnsReply(t=t0 + first + 0.1, size=60))
    facts: dict[str, object] = {"resolver": "192.0.2.53", "transport": "udp", "answers": (SITE,) if first else ()}
    return DnsStep(t0=t0, t=t0 + (first or 4) + 0.3, name=HOST, qtype=qtype, replies=replies, **(facts | more))  # type: ignore[arg-type]


def connect(t0: float, seconds: float, address: str = SITE, **more: object) -> TcpStep:
    return TcpStep(t0=t0, t=t0 + seconds, address=address, port=443, **more)  # type: ignore[arg-type]


def shake(t0: float, seconds: float, **more: object) -> TlsStep:
    facts: dict[str, object] = {"address": SITE, "sni": HOST, "chain_valid": True, "host_match": True}
    return TlsStep(t0=t0, t=t0 + seconds, port=443, version="TLSv1.3", **(facts | more))  # type: ignore[arg-type]


def page(t0: float, first: float | None, seconds: float, url: str = URL, **more: object) -> HttpStep:
    facts: dict[str, object] = {"status": 200, "protocol": "h2", "body_length": 500, "address": SITE, "port": 443}
    facts["first_byte"] = None if first is None else t0 + first
    return HttpStep(t0=t0, t=t0 + seconds, url=url, trusted=True, **(facts | more))  # type: ignore[arg-type]


def probed(*steps: AnyStep, verdict: Verdict = OK, module: str = "http_2xx", url: str = URL, **more: object) -> Probed:
    measurement = Measurement(id="0", endpoint=url, started_at=BEGAN, duration=9.0, steps=steps)
    return Probed(measurement, verdict, MODULES[module], **more)  # type: ignore[arg-type]


async def shown(one: Probed) -> Reply:
    text, _ = await rendered(registry_of(one), "")
    return Reply(200, {}, text.decode())


def phases(reply: Reply) -> dict[str, float]:
    return {series[7:-1]: value for series, value in reply.values("probe_http_duration_seconds").items()}


USUAL = (lookup(0, 0.02), lookup(0, 0.05, "AAAA"), connect(0.4, 0.1), shake(0.5, 0.2), page(0.7, 0.3, 1.0))


async def test_phases_are_those_of_an_ordinary_connection() -> None:
    reply = await shown(probed(*USUAL))
    seconds = {"resolve": 0.05, "connect": 0.1, "tls": 0.2, "processing": 0.3, "transfer": 0.7}
    assert phases(reply) == pytest.approx(seconds)
    assert reply.value("probe_duration_seconds") == pytest.approx(sum(seconds.values()))
    assert reply.value("probe_dns_lookup_time_seconds") == pytest.approx(0.05)


async def test_what_only_tests_for_interference_counts_nowhere() -> None:
    """An innocuous name first, which spends a connection; trusted resolvers; a repeat."""
    aside = lookup(0.4, 0.5, purpose=Purpose.TRUSTED)
    innocuous = (connect(0.4, 0.6), shake(1.0, 0.7, purpose=INNOCUOUS, sni="example.com"))
    own = (connect(1.7, 0.1), shake(1.8, 0.2), page(2.0, 0.3, 0.4))
    reply = await shown(probed(lookup(0, 0.02), aside, *innocuous, *own, connect(5, 3, purpose=REPEAT)))
    assert phases(reply) == pytest.approx(
        {"resolve": 0.02, "connect": 0.1, "tls": 0.2, "processing": 0.3, "transfer": 0.1}
    )


async def test_the_connection_that_was_used_counts_where_another_address_refused() -> None:
    refused = connect(0.4, 0.9, SPARE, failure="connection_refused")
    used = (connect(0.4, 0.1, SITE, purpose=OTHER), shake(1.3, 0.2), page(1.5, 0.3, 0.4))
    reply = await shown(probed(lookup(0, 0.02, answers=(SPARE, SITE)), refused, *used))
    assert phases(reply)["connect"] == pytest.approx(0.1)
    assert reply.value("probe_ip_addr_hash") == address_hash(parse_address(SITE) or parse_address("0.0.0.0"))  # type: ignore[arg-type]


async def test_redirects_are_summed_and_the_last_page_tells_the_status() -> None:
    moved = page(0.7, 0.3, 0.4, location=f"{URL}there", status=302)
    there = (connect(1.2, 0.1), shake(1.3, 0.2), page(1.5, 0.1, 0.9, f"{URL}there", status=204))
    reply = await shown(probed(*USUAL[:-1], moved, *there))
    assert phases(reply) == pytest.approx(
        {"resolve": 0.05, "connect": 0.2, "tls": 0.4, "processing": 0.4, "transfer": 0.8}
    )
    assert (reply.value("probe_http_redirects"), reply.value("probe_http_status_code")) == (1, 204)


@pytest.mark.parametrize(
    ("steps", "reached"),
    [
        ((lookup(0, None, failure="generic_timeout_error"),), set()),
        ((*USUAL[:2], connect(0.4, 8, failure="generic_timeout_error")), {"resolve"}),
        ((*USUAL[:3], shake(0.5, 0.1, failure="connection_reset", chain_valid=None)), {"resolve", "connect"}),
        (
            (*USUAL[:4], page(0.7, 0.3, 8, failure="generic_timeout_error")),
            {"resolve", "connect", "tls", "processing"},
        ),
    ],
)
async def test_phases_that_were_not_reached_are_absent(steps: tuple[AnyStep, ...], reached: set[str]) -> None:
    blocked = Verdict(outcome=Outcome.BLOCKED, confidence=0.9)
    reply = await shown(probed(*steps, verdict=blocked))
    assert {*phases(reply)} == reached
    assert reply.value("probe_success") == 0
    assert (reply.value("probe_http_status_code") is None) == (len(steps) < 5)
    took = reply.value("probe_duration_seconds")
    assert took is not None
    assert took >= sum(phases(reply).values())


@pytest.mark.parametrize(
    ("steps", "whole"),
    [
        ((), 5.5),
        (USUAL[:2], 5.5),  # the connect was under way
        (USUAL[:4], 5.5),
        (USUAL, 1.35),  # only tests were
        ((*USUAL[:2], connect(0.4, 2, failure="generic_timeout_error")), 2.05),
    ],
)
async def test_what_was_under_way_when_time_ran_out_took_all_of_it(steps: tuple[AnyStep, ...], whole: float) -> None:
    reply = await shown(probed(*steps, cut_after=5.5, verdict=Verdict(outcome=Outcome.INCONCLUSIVE)))
    assert reply.value("probe_duration_seconds") == pytest.approx(whole)
    assert reply.value("probe_measurement_duration_seconds") == 5.5
    assert reply.value("probe_cut_short") == 1


@pytest.mark.parametrize(
    ("outcome", "status", "module", "success"),
    [
        ("ok", 200, "http_2xx", 1),
        ("degraded", 200, "http_2xx", 1),
        ("ok", 403, "http_2xx", 0),
        ("ok", 403, "default", 1),
        ("ok", 418, "http_2xx", 1),  # which the catalogue calls healthy
        ("blocked", 200, "http_2xx", 0),
        ("blocked", 200, "default", 0),
        ("void", 200, "default", 0),
        ("inconclusive", 200, "light", 0),
    ],
)
async def test_success_is_what_the_module_calls_so(outcome: str, status: int, module: str, success: float) -> None:
    steps = (*USUAL[:4], page(0.7, 0.3, 1.0, status=status))
    verdict = Verdict(outcome=Outcome(outcome), confidence=0.5)
    reply = await shown(probed(*steps, verdict=verdict, module=module, healthy=(418,)))
    assert reply.value("probe_success") == success


async def test_a_page_that_came_at_the_second_try_is_a_success() -> None:
    failed = page(0.7, None, 1.0, failure="connection_reset", status=None)
    reply = await shown(probed(*USUAL[:4], failed, page(5, 0.3, 1.0, purpose=REPEAT)))
    assert (reply.value("probe_success"), reply.value("probe_http_status_code")) == (1, None)


async def test_a_body_longer_than_what_is_read_has_no_length() -> None:
    steps = (*USUAL[:4], page(0.7, 0.3, 1.0, body_truncated=True, headers=(("content-length", "900000"),)))
    reply = await shown(probed(*steps))
    assert reply.value("probe_http_uncompressed_body_length") is None
    assert reply.value("probe_http_content_length") == 900_000


@pytest.mark.parametrize(
    ("url", "steps", "has", "lacks"),
    [
        ("dns:shop.example.net", (lookup(0, 0.02),), "probe_dns_lookup_time_seconds", "probe_ip_protocol"),
        ("tcp://203.0.113.9:443", (connect(0, 0.1),), "probe_ip_protocol", "probe_dns_lookup_time_seconds"),
    ],
)
async def test_other_schemes_tell_what_they_have(url: str, steps: tuple[AnyStep, ...], has: str, lacks: str) -> None:
    reply = await shown(probed(*steps, url=url, module="default"))
    assert reply.value(has) is not None
    assert reply.value(lacks) is None
    assert "probe_http" not in reply.text
    assert reply.value("probe_duration_seconds") == pytest.approx(0.02 if url.startswith("dns:") else 0.1)


def test_an_address_hash_is_fnv_1a() -> None:
    address = parse_address("151.101.200.1")  # 1917631638, as blackbox_exporter 0.23 has it
    assert address is not None
    assert address_hash(address) == 1917631638


def certificate(subject: str, issuer: str, days: int) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateBuilder().serial_number(1).public_key(key.public_key()).not_valid_before(BEGAN)
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
    made = made.subject_name(names[0]).issuer_name(names[1]).not_valid_after(BEGAN + dt.timedelta(days=days))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


async def test_expiry_is_that_of_all_certificates_and_apart_from_it_that_of_the_path() -> None:
    chain = (certificate("leaf", "R1", 90), certificate("stranger", "R2", 5), certificate("R1", "Root", 60))
    aside = shake(0.4, 0.1, purpose=INNOCUOUS, chain=chain, chain_sha256="a")  # kept with the first that has it
    reply = await shown(probed(*USUAL[:3], aside, shake(0.5, 0.2, chain_sha256="a"), USUAL[4]))
    days = {name: (reply.value(name) or 0) - BEGAN.timestamp() for name in (EARLIEST, OF_PATH)}
    assert days == {EARLIEST: 5 * 86400, OF_PATH: 60 * 86400}


@pytest.mark.parametrize("chain", [(), (b"no certificate",)])
async def test_a_certificate_that_cannot_be_read_has_no_expiry(chain: tuple[bytes, ...]) -> None:
    reply = await shown(probed(*USUAL[:3], shake(0.5, 0.2, chain=chain, chain_sha256="a"), USUAL[4]))
    assert (reply.value(EARLIEST), reply.value(OF_PATH)) == (None, None)
    assert reply.value("probe_success") == 1
