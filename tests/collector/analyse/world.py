"""A small fleet whose reports go into views: a catalogue of a few platforms, leases, measurements that prove themselves
or fail, entries as the log has them."""

import datetime as dt
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from probe.catalogue.model import Catalogue, Endpoint, Infrastructure, Platform, Service, Tables, Target
from probe.catalogue.signatures import Keypair, SignatureFault, opened, sign
from probe.collector.analyse.analysis import Analysis
from probe.collector.analyse.knowledge import Rules
from probe.collector.analyse.whereabouts import Locator
from probe.collector.log import Entry, packed
from probe.verdict.fingerprints import Fingerprints
from probe.verdict.judge import judge
from probe.verdict.known import Known
from probe.wire.measurement import Measurement, Network
from probe.wire.reports import Agent, Report, Reported, Role
from probe.wire.signed import Lease, Signed
from tests.verdict import records

START = dt.datetime(2026, 11, 22, 6, 0, tzinfo=dt.UTC)
ONLINE = Keypair.generate()
TURK, VODAFONE, GERMAN = (
    Network(asn=9121, country="TR", name="Türk Telekom", resolver_asn=9121),
    Network(asn=15897, country="TR", name="Vodafone", resolver_asn=15897),
    Network(asn=3320, country="DE", name="Deutsche Telekom", resolver_asn=3320),
)


def endpoint(platform: str, service: str, host: str) -> Endpoint:
    target = Target(url=f"https://{host}/", scheme="https", host=host, port=443)
    return Endpoint(platform=platform, service=service, target=target, source="test", confidence="D")


def platform(name: str, services: dict[str, Sequence[str]], domains: Sequence[str]) -> Platform:
    made = tuple(
        Service(id=service, endpoints=tuple(endpoint(name, service, host) for host in hosts))
        for service, hosts in services.items()
    )
    return Platform(id=name, name=name.title(), services=made, domains=tuple(domains))


CATALOGUE = Catalogue(
    version="test",
    platforms=(
        platform("x", {"web": ["x.com", "twitter.com"], "api": ["api.x.com"]}, records.X_DOMAINS),
        platform("facebook", {"web": ["facebook.com"]}, ["facebook.com"]),
    ),
    infrastructure=Infrastructure(anchors=(), resolvers=(), neutral=()),
)
TABLES = Tables(siblings=(frozenset({9121, 47331}),), networks={9121: "Türk Telekom"})


def rules(catalogue: Catalogue = CATALOGUE) -> Rules:
    return Rules(catalogue, Fingerprints(), TABLES)


def payload(signed: Signed) -> bytes | None:
    try:
        return opened(signed, [ONLINE.public])
    except SignatureFault:
        return None


def analysis(path: Path, catalogue: Catalogue = CATALOGUE) -> Analysis:
    return Analysis(path, rules(catalogue), Locator(payload))


def identifier(moment: dt.datetime, number: int = 0) -> str:
    """A UUIDv7 that is the same in every run."""
    return str(uuid.UUID(int=int(moment.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | number))


def healthy(host: str) -> Measurement:
    return records.https(host)


def reset(host: str) -> Measurement:
    """Blocked by name: an innocuous name passes at the same address."""
    return records.https(host, tls=records.RESET, innocuous=records.VALID)


def silent(host: str) -> Measurement:
    return records.https(host, tcp=records.TIMEOUT)


def lease(network: Network, moment: dt.datetime = START, **more: Any) -> Signed:
    document = Lease(
        issued_at=moment - dt.timedelta(minutes=1),
        expires_at=moment + dt.timedelta(hours=12),
        asn=network.asn,
        country=network.country,
        name=network.name,
        **more,
    )
    return sign(msgspec.json.encode(document), ONLINE)


def reported(
    measurement: Measurement,
    *,
    at: dt.datetime,
    network: Network = TURK,
    sent: dt.datetime | None = None,
    catalogue: Catalogue = CATALOGUE,
    number: int = 0,
    **more: object,
) -> Reported:
    """Begun at `at`, in a report that is sent then or later. The probe judges with nothing but the records."""
    place = next((e for e in catalogue.endpoints() if e.url == measurement.endpoint), None)
    made = msgspec.structs.replace(
        measurement,
        id=identifier(at, number),
        started_at=at,
        network=network,
        platform=place.platform if place else None,
        service=place.service if place else None,
    )
    facts: dict[str, object] = {"age": ((sent or at) - at).total_seconds(), "lease": "1", **more}
    return Reported(measurement=made, verdict=judge(made, Known(public=True)), **facts)  # type: ignore[arg-type]


def report(items: Sequence[Reported], moment: dt.datetime, network: Network = TURK, number: int = 0) -> Report:
    return Report(
        report_id=identifier(moment, number),
        agent=Agent(name="probe", version="1"),
        measurements=tuple(items),
        leases={"1": lease(network, moment)},
    )


def entry(
    document: Report,
    position: int,
    moment: dt.datetime,
    *,
    probe: str = "p1",
    role: Role = "probe",
    steward: str = "s1",
) -> Entry:
    return Entry(
        received_at=moment,
        probe=probe,
        role=role,
        steward=steward,
        report_id=document.report_id,
        position=position,
        body=packed(msgspec.json.encode(document)),
    )
