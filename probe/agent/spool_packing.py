"""A measurement as the spool holds it: JSON, each by itself in zstd, with the JSON of others as its dictionary.

Measurements resemble each other more than themselves: a healthy light one of some 2,200 bytes takes 1,070 alone and 275
with a dictionary of 64 KiB of earlier ones (measured on the shipped catalogue). So the spool outlasts a shutdown four
times as long. The dictionary is content, not trained, and lies in the same file.
"""

import functools

import msgspec
import zstandard

from probe.wire.compact import compacted
from probe.wire.reports import Reported
from probe.wire.steps import AnyStep, HttpStep
from probe.wire.vocabulary import Outcome

LEVEL = 3
DICTIONARY = 64 << 10  # bytes
_LARGEST_SAMPLE = 8 << 10  # bytes: what is full of bodies teaches nothing
_KEPT_OF_BODIES = (16 << 10, 2 << 10)  # bytes of each, tried in turn, where a measurement is too large
_ENCODER = msgspec.json.Encoder()
_LARGEST = 16 << 20  # bytes: no row decodes to more

_UNTOUCHED = {Outcome.OK: 0, Outcome.DOWN: 1, Outcome.INCONCLUSIVE: 1, Outcome.VOID: 1}
MOST_IMPORTANT = 2


class Damaged(Exception):
    """What was read back is not what was written."""


def importance(reported: Reported) -> int:
    """0 healthy, 1 neither, 2 interference: what goes first when room is short, and what goes last."""
    return _UNTOUCHED.get(reported.verdict.outcome, MOST_IMPORTANT)


def encoded(reported: Reported, most: int) -> bytes:
    """Its JSON, in at most so many bytes: bodies are cut first, then chains, then the last steps are left out. Digests
    and lengths stay as they were."""
    reported = msgspec.structs.replace(reported, age=None)  # known when it is sent
    raw = _ENCODER.encode(reported)
    for size in _KEPT_OF_BODIES:
        if len(raw) <= most:
            return raw
        raw = _ENCODER.encode(_with_bodies(reported, size))
    smaller = msgspec.structs.replace(reported, measurement=compacted(reported.measurement), compact=True)
    while len(raw) > most:
        raw = _ENCODER.encode(smaller)
        steps = smaller.measurement.steps
        if not steps:
            return raw
        measurement = msgspec.structs.replace(smaller.measurement, steps=steps[: len(steps) // 2])
        smaller = msgspec.structs.replace(smaller, measurement=measurement)
    return raw


def _with_bodies(reported: Reported, most: int) -> Reported:
    steps = tuple(_cut(step, most) for step in reported.measurement.steps)
    measurement = msgspec.structs.replace(reported.measurement, steps=steps)
    return msgspec.structs.replace(reported, measurement=measurement)


def _cut(step: AnyStep, most: int) -> AnyStep:
    if isinstance(step, HttpStep) and len(step.body) > most:
        return msgspec.structs.replace(step, body=step.body[:most])
    return step


class Packing:
    """One dictionary, or none."""

    def __init__(self, number: int | None = None, content: bytes = b"") -> None:
        self.number = number
        shared = None
        if content:
            shared = zstandard.ZstdCompressionDict(content, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
            shared.precompute_compress(level=LEVEL)
        self._dictionary = shared
        self._decompressor = zstandard.ZstdDecompressor(dict_data=shared)

    @functools.cached_property
    def _compressor(self) -> zstandard.ZstdCompressor:
        return zstandard.ZstdCompressor(level=LEVEL, dict_data=self._dictionary, write_checksum=True)

    def packed(self, raw: bytes) -> bytes:
        return self._compressor.compress(raw)

    def unpacked(self, body: bytes) -> bytes:
        try:
            if zstandard.frame_content_size(body) > _LARGEST:
                raise Damaged("it claims to be larger than any")
            return self._decompressor.decompress(body, max_output_size=_LARGEST)
        except zstandard.ZstdError as error:
            raise Damaged(str(error)) from None


class Samples:
    """Small measurements, until they are enough for a dictionary."""

    def __init__(self) -> None:
        self._recent: list[bytes] = []
        self._size = 0

    def add(self, raw: bytes) -> None:
        if len(raw) <= _LARGEST_SAMPLE and self._size < DICTIONARY:
            self._recent.append(raw)
            self._size += len(raw)

    def dictionary(self) -> bytes | None:
        """None until there is enough."""
        return b"".join(self._recent)[:DICTIONARY] if self._size >= DICTIONARY else None
