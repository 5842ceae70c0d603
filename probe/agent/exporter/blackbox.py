"""One measurement in the names and meanings of blackbox_exporter's metrics, and its verdict beside them.

Where blackbox_exporter says 0 for what it did not get to, the series is absent here. `probe_duration_seconds` and the
phases are those of an ordinary connection; the page counts up to the 64 KiB that are read of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from probe.agent.exporter.certificates import earliest_expiry, path_expiry, shown
from probe.agent.exporter.modules import Module
from probe.agent.exporter.path import Leg, legs, took
from probe.wire.addresses import Address, parse_address
from probe.wire.measurement import Measurement
from probe.wire.steps import HttpStep, TlsStep
from probe.wire.verdicts import Verdict
from probe.wire.vocabulary import Outcome, Purpose

_REACHED = frozenset({Outcome.OK, Outcome.DEGRADED})
_HTTP_VERSIONS = {"http/1.1": 1.1, "h2": 2.0}
_TRIES = frozenset({Purpose.TARGET, Purpose.OTHER_ADDRESS, Purpose.REPEAT})
_PHASES = ("resolve", "connect", "tls", "processing", "transfer")
_FNV = (0x811C9DC5, 0x01000193)  # FNV-1a's offset and prime for 32 bits


@dataclass(frozen=True)
class Probed:
    """`healthy` are the statuses that the catalogue expects; `cut_after` the seconds after which the scrape's own
    timeout ended the measurement, where it did."""

    measurement: Measurement
    verdict: Verdict
    module: Module
    healthy: tuple[int, ...] = ()
    cut_after: float | None = None

    @property
    def success(self) -> bool:
        if self.verdict.outcome not in _REACHED:
            return False
        return self.module.success == "reached" or self._status_is_good()

    def _status_is_good(self) -> bool:
        pages = [step for step in self.measurement.steps if isinstance(step, HttpStep) and step.purpose in _TRIES]
        status = pages[-1].status if pages else None
        return status is not None and (status in self.healthy or 200 <= status < 300)


def registry_of(probed: Probed) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Probe(probed))
    return registry


class _Probe(Collector):
    def __init__(self, probed: Probed) -> None:
        self._probed = probed

    def collect(self) -> Iterator[Metric]:
        probed, path = self._probed, legs(self._probed.measurement)
        yield _gauge("probe_success", "Whether it could be reached, as the module has it.", probed.success)
        text = "How long an ordinary connection took, in seconds."
        yield _gauge("probe_duration_seconds", text, _whole(probed, path))
        yield from _verdict(probed)
        yield from _names(path)
        if path[0].scheme in {"http", "https"}:
            yield from _http(path)
        yield from _certificates(path[-1].tls, probed.measurement)


def _whole(probed: Probed, path: tuple[Leg, ...]) -> float:
    """A step that was under way when time ran out left no record."""
    if probed.cut_after is not None and not path[-1].ended:
        return probed.cut_after
    return sum(leg.duration for leg in path)


def _verdict(probed: Probed) -> Iterator[Metric]:
    verdict = probed.verdict
    outcome = GaugeMetricFamily(
        "probe_outcome",
        "What was concluded: ok, blocked, degraded, down, inconclusive or void, and where something interferes the "
        "technique that a connection meets first; always 1.",
        labels=("outcome", "technique"),
    )
    outcome.add_metric((verdict.outcome, verdict.technique or ""), 1)
    yield outcome
    yield _gauge("probe_outcome_confidence_ratio", "How sure the outcome is, from 0 to 1.", verdict.confidence)
    yield _gauge(
        "probe_cut_short",
        "1 where the scrape's timeout ended the measurement before it had all its evidence.",
        probed.cut_after is not None,
    )
    yield _gauge("probe_measurement_duration_seconds", "How long it all took, tests included.", _measured(probed))


def _measured(probed: Probed) -> float:
    return probed.measurement.duration if probed.cut_after is None else probed.cut_after


def _names(path: tuple[Leg, ...]) -> Iterator[Metric]:
    first = path[0]
    if first.lookup is not None:
        text = "How long the name's lookup took, in seconds."
        yield _gauge("probe_dns_lookup_time_seconds", text, first.lookup)
    address = parse_address(first.tcp.address) if first.tcp is not None else None
    if address is not None:
        yield _gauge("probe_ip_protocol", "IP version of the connection: 4 or 6.", address.version)
        text = "A hash of the target's address, which changes when the address does."
        yield _gauge("probe_ip_addr_hash", text, address_hash(address))


def address_hash(address: Address) -> int:
    """FNV-1a, 32 bits, of the address's bytes."""
    value, prime = _FNV
    for byte in address.packed:
        value = (value ^ byte) * prime & 0xFFFFFFFF
    return value


def _http(path: tuple[Leg, ...]) -> Iterator[Metric]:
    durations = GaugeMetricFamily(
        "probe_http_duration_seconds",
        "How long each phase of the request took in seconds, summed over redirects; absent where it was not reached.",
        labels=("phase",),
    )
    phases = _phases(path)
    for phase in _PHASES:
        if phase in phases:
            durations.add_metric((phase,), phases[phase])
    yield durations
    last = path[-1].page
    if last is not None and last.status is not None:
        yield from _page(last, redirects=len(path) - 1)


def _phases(path: tuple[Leg, ...]) -> dict[str, float]:
    phases: dict[str, float] = {}
    for leg in path:
        for phase, seconds in _phases_of(leg):
            phases[phase] = phases.get(phase, 0.0) + seconds
    last = path[-1].page
    if last is not None and last.first_byte is not None and last.failure is None:
        phases["transfer"] = last.t - last.first_byte
    return phases


def _phases_of(leg: Leg) -> Iterator[tuple[str, float]]:
    if leg.lookup is not None and leg.resolved:
        yield "resolve", leg.lookup
    if leg.tcp is not None and leg.tcp.failure is None:
        yield "connect", took(leg.tcp)
    if leg.tls is not None and leg.tls.failure is None:
        yield "tls", took(leg.tls)
    if leg.page is not None and leg.page.first_byte is not None:
        yield "processing", leg.page.first_byte - leg.page.t0


def _page(page: HttpStep, redirects: int) -> Iterator[Metric]:
    length = next((value for name, value in page.headers if name == "content-length"), "")
    facts: tuple[tuple[str, str, float | None], ...] = (
        ("probe_http_status_code", "Status of the last response.", page.status),
        ("probe_http_redirects", "How many redirects were followed.", redirects),
        ("probe_http_ssl", "1 if the last response came over TLS.", page.url.startswith("https:")),
        ("probe_http_version", "Version of HTTP of the last response.", _HTTP_VERSIONS.get(page.protocol or "")),
        (
            "probe_http_content_length",
            "The length that the last response says it has.",
            int(length) if length.isascii() and length.isdigit() else None,
        ),
        (
            "probe_http_uncompressed_body_length",
            "Bytes of the last response's body without content encoding; absent where more than 64 KiB.",
            None if page.body_truncated or page.failure else page.body_length,
        ),
    )
    yield from (_gauge(name, text, value) for name, text, value in facts if value is not None)


def _certificates(tls: TlsStep | None, measurement: Measurement) -> Iterator[Metric]:
    if tls is None or tls.failure is not None:
        return
    if tls.version is not None:
        family = GaugeMetricFamily("probe_tls_version_info", "Version of TLS; always 1.", labels=("version",))
        family.add_metric((tls.version.replace("TLSv", "TLS "),), 1)
        yield family
    chain = shown(tls, measurement)
    earliest = earliest_expiry(chain)
    if earliest is not None:
        text = "When the first of the server's certificates expires, Unix time."
        yield _gauge("probe_ssl_earliest_cert_expiry", text, earliest.timestamp())
    path = path_expiry(chain) if tls.trusted else None
    if path is not None:
        text = "When the chain that proves the server expires, Unix time."
        yield _gauge("probe_ssl_last_chain_expiry_timestamp_seconds", text, path.timestamp())


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))
