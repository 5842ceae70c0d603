"""Measurements that prove by themselves that the endpoint works: no expectation, fingerprint or table can change it.

Most results are such, and the full judge costs ten times as much as looking. What is decided here is exactly what
`probe.verdict.judge` would say, which a property test holds; whatever is out of the ordinary goes to the judge.
"""

import functools

from probe.verdict.findings import RULES
from probe.verdict.surroundings import judge_surroundings
from probe.wire.measurement import Measurement, Surroundings
from probe.wire.steps import DnsStep, HttpStep, TcpStep, TlsStep
from probe.wire.verdicts import Verdict
from probe.wire.vocabulary import Outcome, Purpose

_HTTPS, _TLS = "https://", "tls://"
_BY_HANDSHAKE, _BY_PAGE = 0.97, 0.98  # the judge's, of `tls-certificate` and `http-over-valid-tls`
_BESIDE = frozenset({Purpose.TRUSTED, Purpose.UPLINK})  # questions that an ordinary look asks of others


def proved(measurement: Measurement) -> Verdict | None:
    """The verdict `ok` where the resolver's own answer led to a server that showed a valid certificate for the name,
    and nothing else of the user's path failed; None where the judge must look. Evidence is left out: it can be had by
    judging the record."""
    endpoint = measurement.endpoint
    if not endpoint.startswith((_HTTPS, _TLS)) or not _fit(measurement.surroundings):
        return None
    host, port = _place(endpoint)
    if host is None:
        return None
    confidence = _walked(measurement, host, port)
    return None if confidence is None else Verdict(outcome=Outcome.OK, confidence=confidence, rules=RULES)


def _fit(seen: Surroundings | None) -> bool:
    if seen is None:
        return True
    if seen.nat64:
        return False
    return all(anchor.seen == "right" for anchor in seen.anchors) or judge_surroundings(seen) is None


@functools.lru_cache(maxsize=8192)
def _place(endpoint: str) -> tuple[str | None, int]:
    """Host and port of a plain URL with a lower-case name: None for anything that needs a second look."""
    rest = endpoint.partition("://")[2]
    authority = rest.split("/", 1)[0]
    host, _, port = authority.partition(":")
    plain = host.isascii() and host == host.lower() and not host[-1:].isdigit() and "?" not in authority
    if not plain or not host or (port and not port.isdigit()) or any(mark in authority for mark in "@[]#%\\"):
        return None, 0
    return host.rstrip("."), int(port) if port else 443


def _walked(measurement: Measurement, host: str, port: int) -> float | None:
    """How sure the path makes it; None where any step of it is not the plain one."""
    ipv6 = measurement.surroundings is None or measurement.surroundings.ipv6 is not False
    answers: set[str] = set()
    connected = False
    shown: str | None = None
    page = False
    for step in measurement.steps:
        if step.purpose is not Purpose.TARGET and not (isinstance(step, DnsStep) and step.purpose in _BESIDE):
            return None
        match step:
            case DnsStep():
                if step.purpose is Purpose.TARGET and step.name == host and (ipv6 or step.qtype == "A"):
                    answers.update(step.answers)
            case TcpStep():
                if step.failure or step.port != port or step.address not in answers:
                    return None
                connected = True
            case TlsStep():
                if not step.trusted or step.sni != host or step.port != port or step.address not in answers:
                    return None
                shown = step.address
            case HttpStep():
                if step.failure or not step.trusted or step.location or step.url != measurement.endpoint:
                    return None
                if step.address not in answers:
                    return None
                page = True
    if not connected or shown is None:
        return None
    return _BY_PAGE if page and measurement.endpoint.startswith(_HTTPS) else _BY_HANDSHAKE
