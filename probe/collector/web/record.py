"""One measurement in full: the record as it lies in the log, and the reasons for its verdict."""

import sqlite3
from typing import Any

import msgspec
import zstandard

from probe.collector.analyse.knowledge import Rules
from probe.collector.analyse.records import located
from probe.collector.log.protocol import Log
from probe.verdict.findings import RULES
from probe.verdict.judge import judge
from probe.verdict.known import Library
from probe.wire.expectations import Expectations
from probe.wire.measurement import Measurement
from probe.wire.reports import Report, Reported
from probe.wire.steps import AnyStep, DnsStep
from probe.wire.vocabulary import Purpose

_REPORTS = msgspec.json.Decoder(Report)
OWN_RESOLVER = "0.0.0.0"  # in place of the probe's own: it may be the volunteer's machine


async def raw_record(log: Log, seq: int) -> Reported | None:
    """What the probe sent; None where the log has it no more."""
    position, place = located(seq)
    entries = await log.read(position - 1, 1)
    if not entries or entries[0].position != position:
        return None
    report = _REPORTS.decode(entries[0].document)
    return report.measurements[place] if place < len(report.measurements) else None


def without_volunteer(measurement: Measurement) -> Measurement:
    """The record without what may tell who made it: the address of its own resolver, the maker of a certificate that
    something in its house or company forged."""
    around = measurement.surroundings
    if around is not None:
        anchors = tuple(msgspec.structs.replace(anchor, issuer=None) for anchor in around.anchors)
        around = msgspec.structs.replace(around, anchors=anchors)
    steps = tuple(_without_resolver(step) for step in measurement.steps)
    return msgspec.structs.replace(measurement, surroundings=around, steps=steps)


def _without_resolver(step: AnyStep) -> AnyStep:
    own = isinstance(step, DnsStep) and step.purpose not in {Purpose.TRUSTED, Purpose.TRUSTED_UDP}
    return msgspec.structs.replace(step, resolver=OWN_RESOLVER) if own else step


def shown(measurement: Measurement, country: str | None, asn: int | None) -> dict[str, Any]:
    """The record with the network as the collector knows it."""
    network = msgspec.structs.replace(measurement.network, country=country, asn=asn, name=None)
    document: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(measurement, network=network))
    return document


def expectations_of(connection: sqlite3.Connection, version: str | None) -> Expectations | None:
    if version is None:
        return None
    row = connection.execute("SELECT document FROM expectations WHERE version = ?", (version,)).fetchone()
    return msgspec.json.decode(zstandard.decompress(row[0]), type=Expectations) if row and row[0] else None


def evidence(
    measurement: Measurement, rules: Rules, made_by: str, expected: Expectations | None
) -> tuple[dict[str, str], ...]:
    """Judged again with the same knowledge; nothing where the rules that spoke are not today's."""
    if made_by != RULES:
        return ()
    library = Library(rules.catalogue, rules.fingerprints, expected, rules.tables)
    verdict = judge(measurement, library.of(measurement.platform, measurement.endpoint))
    return tuple({"rule": found.rule, "text": found.text} for found in verdict.evidence)
