"""The conclusions that OONI's tests write into their test keys, from our verdicts (ts-017 to ts-020, ts-029).

None where our verdict does not tell (`inconclusive`, `void`, `down`) or nothing of the kind was measured.
"""

from collections.abc import Callable, Iterator
from typing import Any

from probe.wire.measurement import Measurement
from probe.wire.ooni_parts import host_of
from probe.wire.ooni_services import fixed
from probe.wire.steps import DnsStep
from probe.wire.verdicts import Verdict
from probe.wire.vocabulary import Outcome, Purpose, Technique

Judged = tuple[Measurement, Verdict]

_REACHED = frozenset({Outcome.OK, Outcome.DEGRADED})
_TCP = frozenset({Technique.IP_DROP, Technique.IP_RESET, Technique.IP_UNREACHABLE})


def conclusions(test: str, judged: list[Judged]) -> dict[str, Any]:
    return _TESTS[test](judged) if test in _TESTS else {}


def _web_connectivity(judged: list[Judged]) -> dict[str, Any]:
    _, verdict = judged[0]
    wrong = _failure(judged)
    dns = wrong is not None and wrong.startswith(("dns_", "android_dns"))
    return {
        "client_resolver": "127.0.0.2",
        "control": {},
        "control_failure": "unknown_failure: no test helper was asked",
        "control_request": {},
        "retries": None,
        "socksproxy": None,
        "dns_experiment_failure": wrong if dns else None,
        "dns_consistency": _consistency(verdict),
        "http_experiment_failure": wrong,
        "blocking": _blocking(verdict),
        "accessible": _accessible(verdict),
    }


def _consistency(verdict: Verdict) -> str | None:
    if verdict.outcome not in _REACHED | {Outcome.BLOCKED, Outcome.DOWN}:
        return None
    return "inconsistent" if any(technique.startswith("dns-") for technique in verdict.techniques) else "consistent"


def _blocking(verdict: Verdict) -> str | bool | None:
    if verdict.outcome is not Outcome.BLOCKED or verdict.technique is None:
        return False if verdict.outcome in _REACHED | {Outcome.DOWN} else None
    if verdict.technique.startswith("dns-"):
        return "dns"
    if verdict.technique in _TCP:
        return "tcp_ip"
    return "http-diff" if verdict.technique is Technique.HTTP_BLOCKPAGE else "http-failure"


def _accessible(verdict: Verdict) -> bool | None:
    if verdict.outcome in _REACHED:
        return True
    return False if verdict.outcome in {Outcome.BLOCKED, Outcome.DOWN} else None


def _whatsapp(judged: list[Judged]) -> dict[str, Any]:
    """A host is blocked if it fails on every port, messaging if every host is."""
    chat: dict[str, list[Judged]] = {}
    for measurement, verdict in _of(judged, "messaging"):
        chat.setdefault(host_of(measurement.endpoint), []).append((measurement, verdict))
    by_host = {host: _all_blocked(both) for host, both in chat.items()}
    registration, web = _of(judged, "registration"), _of(judged, "web")
    return {
        "whatsapp_endpoints_blocked": [host for host, status in by_host.items() if status == "blocked"],
        "whatsapp_endpoints_dns_inconsistent": [],  # ts-018: a legacy key that is always empty
        "whatsapp_endpoints_status": _all_blocked(_of(judged, "messaging")),
        "registration_server_status": _any_blocked(registration),
        "registration_server_failure": _failure(registration),
        "whatsapp_web_status": _any_blocked(web),
        "whatsapp_web_failure": _failure(web),
    }


def _telegram(judged: list[Judged]) -> dict[str, Any]:
    centres, web = _of(judged, "messaging"), _of(judged, "web")
    status = _all_blocked(centres)
    by_address = all(verdict.technique in _TCP for _, verdict in centres)
    return {
        "telegram_http_blocking": None if status is None else status == "blocked",
        "telegram_tcp_blocking": None if status is None else status == "blocked" and by_address,
        "telegram_web_status": _any_blocked(web),
        "telegram_web_failure": _failure(web),
    }


def _facebook(judged: list[Judged]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for measurement, verdict in judged:
        entry = fixed(host_of(measurement.endpoint))
        if entry is None:
            continue
        consistency = _consistency(verdict)
        consistent = consistency == "consistent" if consistency else None
        keys[f"facebook_{entry.key}_dns_consistent"] = consistent
        keys[f"facebook_{entry.key}_reachable"] = _accessible(verdict) if consistent and entry.key != "stun" else None
    return {
        **keys,
        "facebook_dns_blocking": _any_false(keys, "_dns_consistent"),
        "facebook_tcp_blocking": _any_false(keys, "_reachable"),
    }


def _any_false(keys: dict[str, Any], suffix: str) -> bool | None:
    known = [value for key, value in keys.items() if key.endswith(suffix) and value is not None]
    return not all(known) if known else None


def _signal(judged: list[Judged]) -> dict[str, Any]:
    return {"signal_backend_status": _any_blocked(judged), "signal_backend_failure": _failure(judged)}


_TESTS: dict[str, Callable[[list[Judged]], dict[str, Any]]] = {
    "web_connectivity": _web_connectivity,
    "whatsapp": _whatsapp,
    "telegram": _telegram,
    "facebook_messenger": _facebook,
    "signal": _signal,
}


def _of(judged: list[Judged], service: str) -> list[Judged]:
    return [
        (measurement, verdict)
        for measurement, verdict in judged
        if (entry := fixed(host_of(measurement.endpoint))) and entry.service == service
    ]


def _any_blocked(judged: list[Judged]) -> str | None:
    outcomes = {verdict.outcome for _, verdict in judged}
    if Outcome.BLOCKED in outcomes:
        return "blocked"
    return "ok" if outcomes & _REACHED else None


def _all_blocked(judged: list[Judged]) -> str | None:
    outcomes = {verdict.outcome for _, verdict in judged}
    if outcomes & _REACHED:
        return "ok"
    return "blocked" if Outcome.BLOCKED in outcomes else None


def _failure(judged: list[Judged]) -> str | None:
    """Of the first step on a user's way that failed in a measurement that did not get through."""
    lost = (measurement for measurement, verdict in judged if verdict.outcome in {Outcome.BLOCKED, Outcome.DOWN})
    return next((failure for measurement in lost for failure in _failures(measurement)), None)


def _failures(measurement: Measurement) -> Iterator[str]:
    """A name that has addresses of one family has not failed for having none of the other."""
    asked = [step for step in measurement.steps if isinstance(step, DnsStep) and step.purpose is Purpose.TARGET]
    resolved = {step.name for step in asked if step.answers}
    for step in measurement.steps:
        spared = isinstance(step, DnsStep) and step.name in resolved
        if step.failure and step.purpose is Purpose.TARGET and not spared:
            yield step.failure
