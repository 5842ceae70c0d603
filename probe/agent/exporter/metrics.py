"""The agent's own metrics. Nothing grows with what is observed: every label is one of the catalogue's or of a closed
vocabulary, and what was not measured has no series."""

import platform
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from probe import __version__
from probe.agent.exporter.path import took
from probe.agent.state import AgentState, BudgetState, RoundState, SpoolState, UplinkState
from probe.catalogue.model import Catalogue
from probe.wire.measurement import Measurement
from probe.wire.steps import AnyStep
from probe.wire.verdicts import Verdict
from probe.wire.vocabulary import UNKNOWN_FAILURE, Failure, Outcome, Purpose

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)  # seconds
_REACHED = {Outcome.OK: 1.0, Outcome.DEGRADED: 1.0, Outcome.BLOCKED: 0.0, Outcome.DOWN: 0.0}
_FAILURES = frozenset(map(str, Failure))
_SERVICE = ("platform", "service")
Key = TypeVar("Key", bound=tuple[str, ...])


class _Durations:
    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        edges = [*(str(edge) for edge in BUCKETS), "+Inf"]
        return list(zip(edges, map(float, accumulate(self.counts)), strict=True))


class Metrics(Collector):
    """Told of measurements as they come; asks for the agent's `state` when it is scraped."""

    def __init__(self, catalogue: Catalogue, state: Callable[[], AgentState]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self._state = state
        self._reached: dict[tuple[str, str, str], float] = {}
        self._measurements: Counter[tuple[str, str]] = Counter()
        self._interference: Counter[tuple[str, str, str]] = Counter()
        self._durations: dict[str, _Durations] = {}
        self._failures: Counter[tuple[str, str]] = Counter()
        self.bound(catalogue)

    def bound(self, catalogue: Catalogue) -> None:
        """From now on these are the services and endpoints that may have series; those of all others go."""
        self._endpoints = {(e.platform, e.service, e.url) for e in catalogue.endpoints()}
        self._services = {(platform, service) for platform, service, _ in self._endpoints}
        self._reached = {key: value for key, value in self._reached.items() if key in self._endpoints}
        self._measurements = Counter({k: n for k, n in self._measurements.items() if k in self._services})
        self._interference = Counter({k: n for k, n in self._interference.items() if k[:2] in self._services})

    # --- what the agent tells ---

    def observe_measurement(self, measurement: Measurement, verdict: Verdict) -> None:
        service = (measurement.platform or "", measurement.service or "")
        endpoint = (*service, measurement.endpoint)
        if endpoint not in self._endpoints:
            return
        self._measurements[service] += 1
        self._interference.update((*service, str(technique)) for technique in verdict.techniques)
        if verdict.outcome in _REACHED:
            self._reached[endpoint] = _REACHED[verdict.outcome]
        else:
            self._reached.pop(endpoint, None)
        for step in measurement.steps:
            if step.purpose is Purpose.TARGET:
                self._observe_step(step)

    def _observe_step(self, step: AnyStep) -> None:
        kind = str(step.__struct_config__.tag)
        if step.failure is None:
            self._durations.setdefault(kind, _Durations()).add(took(step))
        else:
            self._failures[kind, step.failure if step.failure in _FAILURES else UNKNOWN_FAILURE] += 1

    # --- what a scrape gets ---

    def describe(self) -> list[Metric]:
        """Nothing: a registry would otherwise collect once to learn the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        state = self._state()
        yield _build()
        yield _network(state)
        yield self._outcomes(state)
        yield from self._of_measurements()
        yield from _of_rounds(state.round)
        yield from _of_spool(state.spool)
        yield from _of_uplink(state.uplink)
        yield from _of_budget(state.budget)
        if state.loop_lag is not None:
            text = "How late the event loop came to a task, worst of the last minute: lag falsifies measured times."
            yield _gauge("probe_loop_lag_seconds", text, state.loop_lag)

    def _outcomes(self, state: AgentState) -> Metric:
        family = GaugeMetricFamily(
            "probe_service_outcome",
            "What was last concluded of a service: the outcome that holds is 1, all others are 0.",
            labels=(*_SERVICE, "outcome"),
        )
        for service in state.services:
            if (service.platform, service.service) in self._services:
                for outcome in Outcome:
                    holds = float(outcome is service.outcome)
                    family.add_metric((service.platform, service.service, outcome), holds)
        return family

    def _of_measurements(self) -> Iterator[Metric]:
        reached = GaugeMetricFamily(
            "probe_endpoint_success",
            "1 if the endpoint was reached when last measured (throttled counts), 0 if it was blocked or down; "
            "absent where that could not be told.",
            labels=(*_SERVICE, "endpoint"),
        )
        for endpoint, value in sorted(self._reached.items()):
            reached.add_metric(endpoint, value)
        yield reached
        yield self._durations_of_steps()
        yield _counter(
            "probe_step_failures",
            "Network steps of ordinary connections that failed, by step and OONI's name of the failure.",
            ("step", "failure"),
            self._failures,
        )
        yield _counter("probe_measurements", "Endpoints measured, by service.", _SERVICE, self._measurements)
        yield _counter(
            "probe_interference",
            "Measurements that found interference, by service and technique; several techniques may hold in one.",
            (*_SERVICE, "technique"),
            self._interference,
        )

    def _durations_of_steps(self) -> Metric:
        family = HistogramMetricFamily(
            "probe_step_duration_seconds",
            "How long the steps of ordinary connections took that succeeded: dns to the first reply, tcp to the "
            "connection, tls to the end of the handshake, http to the end of what is read of the page.",
            labels=("step",),
        )
        for step, durations in sorted(self._durations.items()):
            family.add_metric((step,), durations.buckets(), durations.sum)
        return family


def _build() -> Metric:
    values = {"version": __version__, "python_version": platform.python_version()}
    return InfoMetricFamily("probe_build", "Version of the probe and of its Python; always 1.", value=values)


def _network(state: AgentState) -> Metric:
    """What is not known is an empty label, which for Prometheus is no label."""
    network = state.network
    numbers = {"asn": network.asn, "resolver_asn": network.resolver_asn}
    values = {name: "" if number is None else str(number) for name, number in numbers.items()}
    values |= {"country": network.country or "", "vpn": str(state.vpn).lower()}
    return InfoMetricFamily(
        "probe_network",
        "The network that is measured: its AS number and country, the AS of its resolver's egress, and whether a VPN "
        "is suspected; always 1. Never an address.",
        value=values,
    )


def _of_rounds(now: RoundState) -> Iterator[Metric]:
    yield _total("probe_rounds", "Rounds begun since the agent started.", now.number)
    if now.duration is not None:
        yield _gauge("probe_round_duration_seconds", "How long the last whole round took.", now.duration)
    if now.ended_at is not None:
        text = "When the last round ended, Unix time."
        yield _gauge("probe_last_round_timestamp_seconds", text, now.ended_at.timestamp())


def _of_spool(now: SpoolState) -> Iterator[Metric]:
    waiting = "Measurements that wait for the collector, on disk or, where the disk fails, in memory."
    yield _gauge("probe_spool_measurements", waiting, now.measurements + now.waiting)
    yield _gauge("probe_spool_bytes", "Size of the spool on disk.", now.bytes)
    text = "1 while the disk takes measurements, 0 while they wait in memory because it does not."
    yield _gauge("probe_spool_writable", text, float(now.fault is None))
    text = "Reports set aside since the collector called them malformed."
    yield _gauge("probe_spool_set_aside_reports", text, now.set_aside)
    text = "Measurements that went unsent from a full spool, since it was begun."
    yield _total("probe_spool_dropped_measurements", text, now.dropped)


def _of_uplink(now: UplinkState) -> Iterator[Metric]:
    if now.collector is None:
        return
    yield _total("probe_upload_attempts", "Reports that were sent to a collector, or tried to.", now.attempts)
    yield _total("probe_upload_failures", "Attempts that no collector acknowledged.", now.failures)
    if now.last_upload is not None:
        text = "When the collector last acknowledged a report, Unix time."
        yield _gauge("probe_last_upload_timestamp_seconds", text, now.last_upload.timestamp())


def _of_budget(now: BudgetState) -> Iterator[Metric]:
    text = "Bytes on the wire since the agent started, by direction: measurements, uploads and downloads together."
    moved = Counter({("sent",): now.sent, ("received",): now.received})
    yield _counter("probe_wire_bytes", text, ("direction",), moved)
    yield _gauge("probe_budget_used_bytes", "Bytes on the wire in about the last 24 hours.", now.used)
    if now.limit:
        yield _gauge("probe_budget_bytes", "Bytes that the owner allows a day; absent without a limit.", now.limit)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _total(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _counter(name: str, text: str, labels: tuple[str, ...], counts: Counter[Key]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, count in sorted(counts.items()):
        family.add_metric(key, count)
    return family
