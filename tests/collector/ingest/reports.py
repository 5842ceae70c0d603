"""Reports as probes send them: a result takes some 3 kB of JSON."""

import datetime as dt
import secrets
from typing import Any

import msgspec
import zstandard

from probe.wire.identifiers import uuid7
from probe.wire.measurement import AnchorSeen, Measurement, Network, Surroundings
from probe.wire.reports import Agent, Report, Reported
from probe.wire.steps import AnyStep, DnsReply, DnsStep, HttpStep, TcpStep, TlsStep
from probe.wire.verdicts import Evidence, Verdict
from probe.wire.vocabulary import Outcome, Purpose, Technique

BEGAN = dt.datetime(2026, 11, 22, 6, 0, tzinfo=dt.UTC)
NETWORK = Network(asn=9121, country="TR", name="Türk Telekom", resolver_asn=9121)
_ANCHORS = tuple(
    AnchorSeen(url=f"http://anchor{n}.example/check", operator=f"operator {n}", seen="right") for n in "123"
)
SURROUNDINGS = Surroundings(anchors=_ANCHORS, resolver_ok=True, ipv6=False, trusted_resolvers=True)


def reported(number: int = 0, **more: Any) -> Reported:
    host = f"host{number}.platform.example"
    measurement = Measurement(
        id=uuid7(BEGAN + dt.timedelta(milliseconds=number)),
        endpoint=f"https://{host}/",
        started_at=BEGAN,
        duration=1.5,
        platform="platform",
        service="web",
        mode="light",
        network=NETWORK,
        surroundings=SURROUNDINGS,
        agent="censorship-probe/1.0",
        steps=_steps(host),
    )
    evidence = tuple(
        Evidence(f"rule-{n}", f"TLS to {host} was reset after the ClientHello, and passes for another name")
        for n in range(2)
    )
    verdict = Verdict(
        outcome=Outcome.BLOCKED, techniques=(Technique.SNI_RESET,), confidence=0.97, evidence=evidence, rules="1"
    )
    return Reported(measurement=measurement, verdict=verdict, round=uuid7(BEGAN), of=50, age=12.5, **more)


def _steps(host: str) -> tuple[AnyStep, ...]:
    """Digits are random, as they are in the world: they do not compress."""
    lookups = [
        DnsStep(t0=0.0, t=_seconds(), name=host, qtype=kind, resolver="resolver", transport=how, replies=_replies())
        for kind, how in (("A", "udp"), ("AAAA", "udp"), ("A", "https"))
    ]
    digest = secrets.token_hex(32)
    handshakes = [
        TlsStep(
            t0=0.2,
            t=_seconds(),
            purpose=purpose,
            failure="connection_reset",
            address="151.101.1.1",
            port=443,
            sni=host,
            hello_size=517,
            chain_sha256=digest,
            issuer="CN=An Authority,O=An Organisation,C=US",
            not_after="2027-01-01T00:00:00Z",
            first_byte=_seconds(),
            bytes_read=4096,
        )
        for purpose in (Purpose.TARGET, Purpose.REPEAT)
    ]
    connect = TcpStep(t0=0.1, t=_seconds(), address="151.101.1.1", port=443, rtt=_seconds())
    headers = (("server", "a server"), ("content-type", "text/html; charset=utf-8"), ("x-id", secrets.token_hex(8)))
    page = HttpStep(
        t0=0.4,
        t=_seconds(),
        url=f"https://{host}/",
        protocol="h2",
        status=200,
        headers=headers,
        title="A platform",
        body_sha256=secrets.token_hex(32),
        body_length=48_213,
        first_byte=_seconds(),
        last_byte=_seconds(),
        bytes_read=50_112,
    )
    return (*lookups, connect, *handshakes, page)


def _replies() -> tuple[DnsReply, ...]:
    addresses = tuple(f"151.101.{secrets.randbelow(256)}.{secrets.randbelow(256)}" for _ in range(4))
    return (DnsReply(t=_seconds(), size=120, ip_ttl=57, rcode="NOERROR", addresses=addresses, min_ttl=60),)


def _seconds() -> float:
    return secrets.randbelow(10**6) / 10**6


def report(count: int = 3, **more: Any) -> Report:
    facts: dict[str, Any] = {
        "report_id": uuid7(dt.datetime.now(dt.UTC)),
        "agent": Agent(name="censorship-probe", version="1.0", platform="linux"),
        "network": NETWORK,
        "clock_offset": 0.2,
        "measurements": tuple(reported(number) for number in range(count)),
    }
    return Report(**facts | more)


def encoded(report: Report) -> bytes:
    return msgspec.json.encode(report)


def compressed(report: Report) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(encoded(report))
