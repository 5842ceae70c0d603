"""Metrics as text, rendered piece by piece: all at once they would hold the event loop for some 40 ms a scrape, and
falsify what is timed meanwhile."""

from collections.abc import Iterator

import trio
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

_SAMPLES = 50  # a piece: about a millisecond


class _Of(Collector):
    def __init__(self, *families: Metric) -> None:
        self._families = families

    def collect(self) -> tuple[Metric, ...]:
        return self._families


async def rendered(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The text and its content type: OpenMetrics where `accept` asks for it, else Prometheus's own format."""
    encode, content_type = choose_encoder(accept)
    end = encode(_Of())  # OpenMetrics ends with a line of its own
    text = bytearray()
    for family in registry.collect():
        for number, piece in enumerate(_pieces(family)):
            lines = encode(_Of(piece)).removesuffix(end)
            text += _without_head(lines) if number else lines
            await trio.lowlevel.checkpoint()
    return bytes(text + end), content_type


def _pieces(family: Metric) -> Iterator[Metric]:
    for start in range(0, max(1, len(family.samples)), _SAMPLES):
        piece = Metric(family.name, family.documentation, family.type, family.unit)
        piece.samples = family.samples[start : start + _SAMPLES]
        yield piece


def _without_head(lines: bytes) -> bytes:
    return b"".join(line for line in lines.splitlines(keepends=True) if not line.startswith(b"#"))
