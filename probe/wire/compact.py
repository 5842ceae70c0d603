"""Measurements as they travel where all was well: step times and facts, without bodies and without chains."""

import msgspec

from probe.wire.measurement import Measurement
from probe.wire.steps import AnyStep, HttpStep, TlsStep


def compacted(measurement: Measurement) -> Measurement:
    """The same measurement without bodies and certificate chains; their digests stay, so it is judged alike."""
    return msgspec.structs.replace(measurement, steps=tuple(_light(step) for step in measurement.steps))


def _light(step: AnyStep) -> AnyStep:
    match step:
        case HttpStep() if step.body:
            return msgspec.structs.replace(step, body=b"")
        case TlsStep() if step.chain:
            return msgspec.structs.replace(step, chain=())
    return step
