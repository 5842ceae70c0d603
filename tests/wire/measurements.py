"""Measurements of ours made for the tests."""

import datetime as dt
from typing import Any

from probe.wire.measurement import Measurement, Network
from probe.wire.steps import AnyStep, DnsStep, HttpStep, TcpStep, TlsStep
from probe.wire.verdicts import Verdict
from probe.wire.vocabulary import Outcome, Technique

BEGAN = dt.datetime(2020, 2, 27, 20, 30, tzinfo=dt.UTC)
NETWORK = Network(asn=9121, country="TR", name="Türk Telekom", resolver_asn=9121)
SITE = "203.0.113.9"
ROUTER = "2001:db8:85a3::1"  # a resolver's address that must not go out


def measured(endpoint: str, *steps: AnyStep, **more: Any) -> Measurement:
    facts: dict[str, Any] = {"started_at": BEGAN, "duration": 1.5, "network": NETWORK, "agent": "censorship-probe/1.2"}
    number = abs(hash(endpoint)) % 10**12
    return Measurement(id=f"01890a5d-ac96-774b-bcce-{number:012d}", endpoint=endpoint, steps=steps, **facts | more)


def verdict(outcome: Outcome = Outcome.OK, *techniques: Technique) -> Verdict:
    return Verdict(outcome=outcome, techniques=techniques, confidence=0.9, rules="1")


def lookup(name: str, *answers: str, **more: Any) -> DnsStep:
    facts: dict[str, Any] = {"t0": 0.0, "t": 0.1, "qtype": "A", "resolver": ROUTER, "transport": "udp"}
    return DnsStep(name=name, answers=answers, **facts | more)


def connect(address: str = SITE, port: int = 443, **more: Any) -> TcpStep:
    facts: dict[str, Any] = {"t0": 0.1, "t": 0.2}
    return TcpStep(address=address, port=port, **facts | more)


def handshake(sni: str, address: str = SITE, **more: Any) -> TlsStep:
    facts: dict[str, Any] = {"t0": 0.2, "t": 0.3}
    return TlsStep(address=address, port=443, sni=sni, **facts | more)


def page(url: str, **more: Any) -> HttpStep:
    facts: dict[str, Any] = {"t0": 0.3, "t": 0.4, "address": SITE, "port": 443}
    return HttpStep(url=url, **facts | more)
