"""What ingest says of itself to Prometheus: served on a socket of its own, for the web process to pass on."""

from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from probe.collector.config import CollectorConfig

METRICS_PATH = "/metrics"
_PATIENCE = 2.0  # seconds
_EOF = b"# EOF\n"


class IngestMetrics:
    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.reports = Counter(
            "collector_reports_total", "Reports that were acknowledged, repeats included.", registry=registry
        )
        self.measurements = Counter(
            "collector_measurements_total", "Measurements in the reports that were acknowledged.", registry=registry
        )
        self.rejections = Counter(
            "collector_report_rejections_total",
            "Reports that were refused, by why; a probe tries again after rate and overload.",
            ["reason"],
            registry=registry,
        )
        self.duration = Histogram(
            "collector_ingest_duration_seconds",
            "From the head of a report's request to its answer, the wait for the disk included.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self.commit = Histogram(
            "collector_log_commit_duration_seconds",
            "One transaction of the log, its fsync included.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
            registry=registry,
        )
        self.together = Histogram(
            "collector_log_commit_reports",
            "Reports that shared one transaction of the log.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
            registry=registry,
        )
        self.last_append = Gauge(
            "collector_log_last_append_timestamp_seconds",
            "When the log last took a report. Absent until it took one.",
            ["log"],
            registry=registry,
        )
        self.waiting = Gauge(
            "collector_log_waiting_bytes", "Of reports that are not on the disk yet.", registry=registry
        )

    def committed(self, reports: int, seconds: float) -> None:
        self.together.observe(reports)
        self.commit.observe(seconds)

    def appended(self, at: float, measurements: int) -> None:
        """`at` in Unix time."""
        self.reports.inc()
        self.measurements.inc(measurements)
        self.last_append.labels("sqlite").set(at)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The text and its type, OpenMetrics where it is asked for."""
        encode, kind = choose_encoder(accept)
        return encode(self.registry), kind


def ingest_socket(config: CollectorConfig) -> Path:
    return config.sockets / "ingest.sock"


async def ingest_exposition(config: CollectorConfig, accept: str) -> bytes:
    """The metrics of the ingest process, in the format that `accept` asks for, without the closing `# EOF`. Empty
    where it does not answer: what was not measured is absent."""
    transport = httpx.AsyncHTTPTransport(uds=str(ingest_socket(config)))
    try:
        async with httpx.AsyncClient(transport=transport, timeout=_PATIENCE, trust_env=False) as client:
            response = await client.get(f"http://ingest{METRICS_PATH}", headers={"accept": accept})
    except httpx.HTTPError:
        return b""
    return response.content.removesuffix(_EOF) if response.status_code == 200 else b""
