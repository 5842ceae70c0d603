"""OONI documents made for the tests, in the shapes of web_connectivity 0.5 and of the messengers; nobody's data."""

import json
from pathlib import Path
from typing import Any

import pytest

from probe.wire.steps import AnyStep, DnsStep, HttpStep, TcpStep, TlsStep

SAMPLES = Path(__file__).parents[2].parent / "shared" / "data" / "ooni-samples"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"OONI's samples are not at {SAMPLES}")

SITE, FORGED = "203.0.113.9", "10.10.34.35"
PAGE = "<!doctype html><html><head><title> A\n site &amp; more</title></head><body>hello</body></html>"


def sample(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SAMPLES / name).read_bytes())
    return document


def envelope(test_name: str, test_keys: object, **more: object) -> dict[str, Any]:
    return {
        "annotations": {"platform": "linux"},
        "data_format_version": "0.2.0",
        "input": None,
        "measurement_start_time": "2024-02-12 20:33:47",
        "probe_asn": "AS64500",
        "probe_cc": "XA",
        "probe_ip": "127.0.0.1",
        "probe_network_name": "Example ISP",
        "report_id": "20240212T203347Z_test",
        "resolver_asn": "AS64501",
        "software_name": "ooniprobe",
        "software_version": "3.22.0",
        "test_keys": test_keys,
        "test_name": test_name,
        "test_runtime": 1.5,
        **more,
    }


def query(host: str, addresses: list[str], **more: object) -> dict[str, Any]:
    answers = [{"answer_type": "AAAA", "ipv6": a} if ":" in a else {"answer_type": "A", "ipv4": a} for a in addresses]
    entry = {"engine": "getaddrinfo", "hostname": host, "query_type": "ANY", "failure": None, "answers": answers}
    return {**entry, "t": 0.1, "tags": ["depth=0"], **more}


def connect(address: str, port: int = 443, failure: str | None = None, **more: Any) -> dict[str, Any]:
    status = {"failure": failure, "success": failure is None}
    return {"ip": address, "port": port, "status": status, "t0": 0.1, "t": 0.2, "tags": ["depth=0"], **more}


def handshake(address: str, name: str, failure: str | None = None, **more: object) -> dict[str, Any]:
    entry = {"address": f"{address}:443", "server_name": name, "failure": failure, "no_tls_verify": False}
    return {**entry, "peer_certificates": [], "t0": 0.2, "t": 0.3, "tags": ["depth=0"], **more}


def request(url: str, code: int = 200, body: object = PAGE, **more: object) -> dict[str, Any]:
    response = {"code": code, "body": body, "body_is_truncated": False, "headers_list": [["Server", "x"]]}
    entry = {"request": {"url": url, "method": "GET"}, "response": response, "failure": None}
    return {**entry, "t0": 0.3, "t": 0.4, "tags": ["depth=0"], **more}


def web(url: str = "https://site.example/", **test_keys: object) -> dict[str, Any]:
    """web_connectivity 0.5 of a site that works, with whatever is to differ."""
    keys: dict[str, Any] = {
        "queries": [
            query("site.example", [SITE]),
            query("site.example", [SITE], engine="udp", query_type="A", resolver_address="1.1.1.1:53"),
            query(
                "site.example", [SITE], engine="doh", query_type="A", resolver_address="https://dns.google/dns-query"
            ),
        ],
        "tcp_connect": [connect(SITE, transaction_id=50001)],
        "tls_handshakes": [handshake(SITE, "site.example", transaction_id=50001)],
        "requests": [request("https://site.example/", address=f"{SITE}:443", transaction_id=50001)],
        "network_events": [],
        "control_failure": None,
        "control": control(),
    }
    return envelope("web_connectivity", {**keys, **test_keys}, input=url)


def control(**more: object) -> dict[str, Any]:
    """The test helper's answer for a site that works."""
    page = {"body_length": 1533, "failure": None, "title": "A site &amp; more", "headers": {"Date": "x"}}
    return {
        "dns": {"failure": None, "addrs": ["cdn.example", SITE]},
        "tcp_connect": {f"{SITE}:443": {"status": True, "failure": None}},
        "tls_handshake": {f"{SITE}:443": {"server_name": "site.example", "status": True, "failure": None}},
        "http_request": {**page, "status_code": 200},
        **more,
    }


def no_page(failure: str) -> dict[str, Any]:
    return {"body_length": -1, "failure": failure, "title": "", "headers": {}, "status_code": -1}


def dns(steps: tuple[AnyStep, ...]) -> list[DnsStep]:
    return [step for step in steps if isinstance(step, DnsStep)]


def tcp(steps: tuple[AnyStep, ...]) -> list[TcpStep]:
    return [step for step in steps if isinstance(step, TcpStep)]


def tls(steps: tuple[AnyStep, ...]) -> list[TlsStep]:
    return [step for step in steps if isinstance(step, TlsStep)]


def http(steps: tuple[AnyStep, ...]) -> list[HttpStep]:
    return [step for step in steps if isinstance(step, HttpStep)]
