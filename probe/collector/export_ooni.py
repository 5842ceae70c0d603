"""Measurements in OONI's format, one document a line.

OONI's tools read them, and `probe judge` says of them what the collector said: what the verdict rested on and OONI has
no field for travels in the annotations.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from probe import __version__
from probe.collector.export import Exported
from probe.collector.web.record import without_volunteer
from probe.verdict.findings import RULES
from probe.wire.expectations import Expectation, Expectations
from probe.wire.measurement import Measurement
from probe.wire.ooni_out import to_ooni
from probe.wire.verdicts import Verdict
from probe.wire.vocabulary import Outcome, Technique

Versions = Callable[[str | None], Expectations | None]  # expectations by their version


def ooni_lines(report: Sequence[Exported], versions: Versions, *, public: bool) -> list[bytes]:
    """Of one report: a messenger's endpoints share a document, as OONI has them."""
    pairs = [(_measurement(one, public=public), _verdict(one)) for one in report]
    told = {
        measurement.id: _told(one, measurement, versions) for one, (measurement, _) in zip(report, pairs, strict=True)
    }
    return [msgspec.json.encode(_annotated(document, told)) for document in to_ooni(pairs, __version__)]


def _measurement(one: Exported, *, public: bool) -> Measurement:
    """With the network as the collector knows it."""
    row, measurement = one.row, one.reported.measurement
    network = msgspec.structs.replace(measurement.network, asn=row.asn, country=row.country, name=row.network)
    placed = msgspec.structs.replace(measurement, network=network, platform=row.platform, service=row.service)
    return without_volunteer(placed) if public else placed


def _verdict(one: Exported) -> Verdict:
    row = one.row
    return Verdict(
        outcome=Outcome(row.outcome),
        techniques=tuple(map(Technique, row.techniques)),
        confidence=row.confidence,
        scope=row.scope,
        rules=row.rules or RULES,
    )


def _told(one: Exported, measurement: Measurement, versions: Versions) -> dict[str, Any]:
    facts = {"surroundings": measurement.surroundings, "expectation": _expectation(one, versions)}
    return {name: msgspec.to_builtins(fact) for name, fact in facts.items() if fact is not None}


def _expectation(one: Exported, versions: Versions) -> Expectation | None:
    version = versions(one.row.expectations)
    return version.endpoints.get(one.reported.measurement.endpoint) if version else None


def _annotated(document: dict[str, Any], told: dict[str, dict[str, Any]]) -> dict[str, Any]:
    annotations = document["annotations"]
    by_endpoint = msgspec.json.decode(annotations["measurements"])
    by_endpoint = {url: {**facts, **told.get(facts["id"], {})} for url, facts in by_endpoint.items()}
    return {**document, "annotations": {**annotations, "measurements": msgspec.json.encode(by_endpoint).decode()}}
