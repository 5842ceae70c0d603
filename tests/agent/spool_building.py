"""Measurements as the spool gets them."""

import datetime as dt
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from probe.wire.identifiers import uuid7
from probe.wire.measurement import Measurement, Network
from probe.wire.reports import Agent, Reported
from probe.wire.steps import AnyStep, DnsReply, DnsStep, HttpStep, TcpStep, TlsStep
from probe.wire.verdicts import Evidence, Verdict
from probe.wire.vocabulary import Outcome, Technique

AGENT = Agent(name="censorship-probe", version="0.1.0", platform="linux")
NOW = dt.datetime(2026, 11, 22, 6, tzinfo=dt.UTC)


_MEMORY = Path("/dev/shm")


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """For tests that write a lot and are not about disks: every commit is synced."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as folder:
        yield Path(folder)


def reported(
    outcome: Outcome = Outcome.OK, *, host: str = "x.com", body: bytes = b"", lease: str | None = None
) -> Reported:
    """A light measurement of an https endpoint. Its id is new each time."""
    steps: list[AnyStep] = [*_steps(host)]
    if body:
        steps.append(HttpStep(t0=0.2, t=0.3, url=f"https://{host}/", status=200, body=body, body_length=len(body)))
    techniques = (Technique.SNI_RESET,) if outcome is Outcome.BLOCKED else ()
    evidence = (Evidence("tcp-connected", "connected to 104.244.42.1:443"),)
    return Reported(
        measurement=Measurement(
            id=uuid7(NOW),
            endpoint=f"https://{host}/",
            started_at=NOW,
            duration=0.4,
            platform="x",
            service="web",
            mode="light",
            network=Network(asn=9121, country="TR"),
            steps=tuple(steps),
        ),
        verdict=Verdict(outcome=outcome, techniques=techniques, confidence=0.97, evidence=evidence, rules="2026.11.1"),
        round=uuid7(NOW),
        of=3,
        lease=lease,
    )


def _steps(host: str) -> list[AnyStep]:
    address = "104.244.42.1"
    reply = DnsReply(t=0.02, size=62, ip_ttl=63, rcode="NOERROR", addresses=(address,), min_ttl=120)
    return [
        DnsStep(t0=0.0, t=0.02, name=host, qtype="A", resolver="195.175.39.39", transport="udp", replies=(reply,)),
        TcpStep(t0=0.02, t=0.05, address=address, port=443, rtt=0.03),
        TlsStep(
            t0=0.05, t=0.1, address=address, port=443, sni=host, chain_sha256=os.urandom(32).hex(), host_match=True
        ),
    ]
