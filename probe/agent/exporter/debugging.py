"""What `/probe?debug=true` prints: how the verdict came about, and the metrics."""

from collections.abc import Iterator

import msgspec

from probe.agent.exporter.blackbox import Probed
from probe.wire.compact import compacted
from probe.wire.steps import AnyStep


def debug_text(probed: Probed, metrics: str) -> str:
    parts = (
        ("Evidence", _evidence(probed)),
        ("Steps of the measurement", map(_step, compacted(probed.measurement).steps)),
        ("Metrics that would have been returned", (metrics,)),
        ("Module", (msgspec.json.encode(probed.module).decode(),)),
    )
    return "\n\n".join(f"{title}:\n" + "\n".join(lines) for title, lines in parts) + "\n"


def _evidence(probed: Probed) -> Iterator[str]:
    verdict = probed.verdict
    yield f"{verdict.outcome}, confidence {verdict.confidence:g}"
    yield from (f"{found.rule}: {found.text}" for found in verdict.evidence)
    if probed.cut_after is not None:
        yield f"The scrape's timeout ended it after {probed.cut_after:.3f} s: with more time it tells more."


def _step(step: AnyStep) -> str:
    return msgspec.json.encode(step).decode()
