"""How fast an endpoint was, from the steps that a user's connection would take: what throttling shows in."""

from probe.wire.measurement import Measurement
from probe.wire.steps import HttpStep, TlsStep
from probe.wire.vocabulary import Purpose

_LARGE = 16_384  # bytes: a smaller body says more of the handshake than of the line


def handshake(measurement: Measurement) -> float | None:
    """Seconds of the shortest TLS handshake that finished with the real name; absent where none did."""
    times = [
        step.t - step.t0
        for step in measurement.steps
        if isinstance(step, TlsStep) and step.purpose is Purpose.TARGET and step.failure is None
    ]
    return min(times, default=None)


def goodput(measurement: Measurement) -> float | None:
    """Bytes a second of the largest body between its first and its last byte; absent where none was large enough."""
    rates = [
        step.body_length / (step.last_byte - step.first_byte)
        for step in measurement.steps
        if isinstance(step, HttpStep) and step.purpose is Purpose.TARGET and step.body_length
        if step.body_length >= _LARGE and step.first_byte is not None and step.last_byte is not None
        if step.last_byte > step.first_byte
    ]
    return max(rates, default=None)
