"""Measurements as they travel where all was well: facts and step times to 0.1 ms, without bodies and chains."""

import msgspec

from probe.wire.measurement import Measurement
from probe.wire.steps import AnyStep, HttpStep, TlsStep

_DIGITS = 4  # of a second: more is noise, and an eighth of what travels


def compacted(measurement: Measurement) -> Measurement:
    """The same measurement without bodies and certificate chains; their digests stay, so it is judged alike."""
    return msgspec.structs.replace(measurement, steps=tuple(_light(step) for step in measurement.steps))


def _light(step: AnyStep) -> AnyStep:
    times = {"t0": round(step.t0, _DIGITS), "t": round(step.t, _DIGITS)}
    match step:
        case HttpStep():
            return msgspec.structs.replace(step, body=b"", **times)
        case TlsStep():
            return msgspec.structs.replace(step, chain=(), **times)
    return msgspec.structs.replace(step, **times)
