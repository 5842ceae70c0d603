"""Encoding of what is written and read: JSON, one object a line."""

from typing import Any

import msgspec

from probe.wire.expectations import Expectations
from probe.wire.measurement import Measurement
from probe.wire.verdicts import Tally, Verdict

_ENCODER = msgspec.json.Encoder(order=None)
_MEASUREMENT_FIELDS = tuple(field for field in Measurement.__struct_fields__ if field != "steps")


def endpoint_line(measurement: Measurement, verdict: Verdict) -> bytes:
    """The `kind: endpoint` object of `probe measure --format json`: the facts and what is concluded of them, flat."""
    facts = msgspec.to_builtins(measurement)
    head: dict[str, Any] = {name: facts.pop(name, None) for name in ("platform", "service", "endpoint")}
    steps = facts.pop("steps", [])
    line = {"kind": "endpoint", **head, **_verdict(verdict), **facts}
    line.setdefault("network", {})
    return _ENCODER.encode({**line, "steps": steps})


def tally_line(tally: Tally) -> bytes:
    """The `kind: service` or `kind: platform` object."""
    kind = "platform" if tally.service is None else "service"
    line = {"kind": kind, "platform": tally.platform, "service": tally.service}
    rest = {"outcome": tally.outcome, "technique": tally.technique, "techniques": tally.techniques}
    return _ENCODER.encode({**line, **rest, "confidence": tally.confidence, "endpoints": tally.endpoints})


def verdict_line(head: dict[str, Any], verdict: Verdict) -> bytes:
    """One verdict of `probe judge`: what was judged, then the verdict."""
    return _ENCODER.encode({**head, **_verdict(verdict)})


def printable(text: str) -> str:
    """Without lone surrogates, which documents of old tools hold and no encoding can write."""
    return text.encode("utf-8", "replace").decode()


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "outcome": verdict.outcome,
        "technique": verdict.technique,
        "techniques": verdict.techniques,
        "injected": verdict.injected,
        "confidence": round(verdict.confidence, 3),
        "evidence": [{"rule": found.rule, "text": printable(found.text)} for found in verdict.evidence],
        **({"scope": verdict.scope} if verdict.scope else {}),
        **({"void": verdict.void} if verdict.void else {}),
        "rules": verdict.rules,
    }


def decode_measurement(document: Any) -> Measurement:
    """A measurement out of a decoded JSON object; unknown fields are ignored. Raises msgspec.ValidationError."""
    return msgspec.convert(document, Measurement)


def encode_expectations(expectations: Expectations) -> bytes:
    return msgspec.json.format(_ENCODER.encode(expectations), indent=1)


def decode_expectations(raw: bytes) -> Expectations:
    """Raises msgspec.DecodeError (which ValidationError is one of) where the document is not expectations."""
    return msgspec.json.decode(raw, type=Expectations)
