"""Expectations out of what a control saw."""

from collections.abc import Iterable

import msgspec

from probe.verdict.judge import hosts_of
from probe.verdict.seen import USER_PATH, Hop, hops, unique
from probe.wire.expectations import Expectation
from probe.wire.measurement import Measurement
from probe.wire.steps import HttpStep, TlsStep
from probe.wire.vocabulary import Purpose

_CONTROL_PATH = (*USER_PATH, Purpose.REPEAT)


def expectation_of(measurement: Measurement) -> Expectation:
    """What this control saw of one endpoint. A layer that it did not reach stays absent."""
    route = hops(measurement)
    first = route[0]
    return msgspec.structs.replace(_names(first), **_tcp(first), **_tls(first), **_http(route[-1], measurement))


def _names(hop: Hop) -> Expectation:
    addresses = unique([*hop.answers, *hop.repeated_answers, *hop.trusted_answers])
    failure = hop.system[0].failure if hop.system and not addresses else None
    return Expectation(addresses=addresses, dns_failure=failure)


def _tcp(hop: Hop) -> dict[str, object]:
    tries = hop.connects(*_CONTROL_PATH)
    if not tries:
        return {}
    if any(step.failure is None for step in tries):
        return {"tcp_ok": True}
    return {"tcp_ok": False, "tcp_failure": tries[0].failure}


def _tls(hop: Hop) -> dict[str, object]:
    tries = hop.handshakes(*_CONTROL_PATH)
    if not tries:
        return {}
    finished = [step for step in tries if step.failure is None]
    if not finished:
        return {"tls_ok": False, "tls_failure": tries[0].failure}
    best = next((step for step in finished if step.trusted), finished[0])
    return {"tls_ok": True, **_certificate(best, finished)}


def _certificate(best: TlsStep, finished: Iterable[TlsStep]) -> dict[str, object]:
    listed = list(finished)
    return {
        "chain_valid": best.chain_valid,
        "chain_failure": best.chain_failure,
        "host_match": best.host_match,
        "issuers": unique(step.issuer for step in listed if step.issuer),
        "chain_sha256": unique(step.chain_sha256 for step in listed if step.chain_sha256),
    }


def _http(hop: Hop, measurement: Measurement) -> dict[str, object]:
    pages = [*hop.pages(*_CONTROL_PATH)]
    if not pages:
        return {}
    good = [page for page in pages if page.failure is None]
    if not good:
        return {"http_ok": False, "http_failure": pages[0].failure}
    return {"http_ok": True, "hosts": hosts_of(measurement), **_page(good[-1])}


def _page(page: HttpStep) -> dict[str, object]:
    return {
        "status": page.status,
        "title": page.title,
        "body_length": page.body_length,
        "body_sha256": page.body_sha256,
        "headers": tuple(sorted({name.lower() for name, _ in page.headers})),
    }
