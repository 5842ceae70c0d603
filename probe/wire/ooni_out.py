"""Our measurements as OONI's (df-000-base), for researchers and their tools.

One web_connectivity document for an http or https endpoint. Endpoints of the messengers that OONI tests by name are
gathered into that test's document; what is left (a connect, a handshake, a lookup) is an urlgetter document. Times
count from the document's start, which OONI's format holds to the second. No address of the probe or of its resolver
goes out.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from probe.wire.measurement import Measurement, Network
from probe.wire.ooni_entries import Entries
from probe.wire.ooni_fields import place
from probe.wire.ooni_parts import host_of
from probe.wire.ooni_services import fixed
from probe.wire.ooni_test_keys import Judged, conclusions
from probe.wire.verdicts import Verdict
from probe.wire.vocabulary import Outcome

SOFTWARE = "censorship-probe"
TEST_VERSION = "0.1.0"

_EXTENSIONS = dict.fromkeys(("dnst", "httpt", "netevents", "tcpconnect", "tlshandshake"), 0)
_URLGETTER = {"tcp": "tcpconnect", "tls": "tlshandshake", "quic": "quichandshake"}


def to_ooni(measurements: Sequence[tuple[Measurement, Verdict]], software_version: str) -> list[dict[str, Any]]:
    """Documents in the order of their first measurement. Those of one network and one test share a document as long as
    no endpoint comes twice."""
    return [_document(test, judged, software_version) for test, judged in _gathered(measurements)]


def _gathered(measurements: Iterable[Judged]) -> list[tuple[str, list[Judged]]]:
    documents: list[tuple[str, list[Judged]]] = []
    unfinished: dict[tuple[str, Network], list[Judged]] = {}
    for measurement, verdict in measurements:
        test = _test(measurement.endpoint)
        key = (test, measurement.network)
        together = unfinished.get(key) if test not in {"web_connectivity", "urlgetter"} else None
        if together is None or any(other.endpoint == measurement.endpoint for other, _ in together):
            together = unfinished[key] = []
            documents.append((test, together))
        together.append((measurement, verdict))
    return documents


def _test(endpoint: str) -> str:
    entry = fixed(host_of(endpoint))
    if entry is not None:
        return entry.test
    return "web_connectivity" if place(endpoint) else "urlgetter"


def _document(test: str, judged: list[Judged], software_version: str) -> dict[str, Any]:
    first = judged[0][0]
    started = min(measurement.started_at for measurement, _ in judged).astimezone(dt.UTC).replace(microsecond=0)
    entries = Entries()
    ends = [0.0]
    for measurement, _ in judged:
        shift = (measurement.started_at - started).total_seconds()
        entries.add(measurement, shift)
        ends.append(shift + measurement.duration)
    network = first.network
    return {
        "annotations": _annotations(judged),
        "data_format_version": "0.2.0",
        "extensions": _EXTENSIONS,
        "input": _input(test, first.endpoint),
        "measurement_start_time": f"{started:%Y-%m-%d %H:%M:%S}",
        "options": [],
        "probe_asn": f"AS{network.asn or 0}",
        "probe_cc": network.country or "ZZ",
        "probe_ip": "127.0.0.1",
        "probe_network_name": network.name or "",
        "report_id": "",
        "resolver_asn": f"AS{network.resolver_asn or 0}",
        "resolver_ip": "127.0.0.2",
        "resolver_network_name": "",
        "software_name": SOFTWARE,
        "software_version": software_version,
        "test_helpers": {},
        "test_keys": {**entries.test_keys(), **conclusions(test, judged)},
        "test_name": test,
        "test_runtime": round(max(ends), 6),
        "test_start_time": f"{started:%Y-%m-%d %H:%M:%S}",
        "test_version": TEST_VERSION,
    }


def _input(test: str, endpoint: str) -> str | None:
    if test == "web_connectivity":
        return endpoint
    if test != "urlgetter":
        return None
    scheme, _, rest = endpoint.partition(":")
    return f"dnslookup://{rest}" if scheme == "dns" else f"{_URLGETTER.get(scheme, scheme)}:{rest}"


def _annotations(judged: list[Judged]) -> dict[str, str]:
    """Texts, as OONI's are. `measurements` is JSON by endpoint: our verdict, and what `ooni_in` reads again."""
    verdict = judged[0][1]
    by_endpoint = {measurement.endpoint: _conclusion(measurement, verdict) for measurement, verdict in judged}
    one = {"technique": verdict.technique or "", "confidence": f"{verdict.confidence:.3f}"} if len(judged) == 1 else {}
    return {
        "engine_name": SOFTWARE,
        "outcome": _outcome({verdict.outcome for _, verdict in judged}),
        **one,
        "rules": verdict.rules,
        "measurements": msgspec.json.encode(by_endpoint).decode(),
    }


def _conclusion(measurement: Measurement, verdict: Verdict) -> dict[str, Any]:
    around = {"surroundings": msgspec.to_builtins(measurement.surroundings)} if measurement.surroundings else {}
    return {
        "id": measurement.id,
        "platform": measurement.platform,
        "service": measurement.service,
        "outcome": verdict.outcome,
        "techniques": verdict.techniques,
        "injected": verdict.injected,
        "confidence": round(verdict.confidence, 3),
        **around,
    }


def _outcome(outcomes: set[Outcome]) -> Outcome:
    if len(outcomes) == 1:
        return next(iter(outcomes))
    return Outcome.PARTIAL if outcomes & {Outcome.BLOCKED, Outcome.PARTIAL} else Outcome.INCONCLUSIVE
