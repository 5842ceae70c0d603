"""The agent's own metrics: named as promised, absent where nothing was measured, bounded whatever comes in."""

import shutil
import subprocess

import msgspec
import pytest
import trio
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from probe.agent.exporter.metrics import Metrics
from probe.agent.exporter.rendering import rendered
from probe.agent.state import AgentState, BudgetState, RoundState, ServiceState, SpoolState, UplinkState
from probe.wire.measurement import Measurement, Network
from probe.wire.steps import AnyStep, DnsReply, DnsStep, TcpStep
from probe.wire.verdicts import Verdict
from probe.wire.vocabulary import Outcome, Purpose, Technique

from .exporter_running import BEGAN, MEDIA, SHOP, URL, Reply, catalogue_of, exporting, state

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
PROMISED = {
    *("probe_build_info", "probe_network_info", "probe_service_outcome", "probe_endpoint_success"),
    *("probe_step_duration_seconds_bucket", "probe_measurements_total", "probe_interference_total"),
    *("probe_round_duration_seconds", "probe_last_round_timestamp_seconds", "probe_spool_measurements"),
    *("probe_spool_bytes", "probe_upload_attempts_total", "probe_upload_failures_total", "probe_wire_bytes_total"),
    *("probe_budget_bytes", "probe_loop_lag_seconds"),
}
FULL = state(
    network=Network(asn=9121, country="TR", name="Türk Telekom", resolver_asn=15169),
    vpn=False,
    services=(
        ServiceState(platform="shop", service="web", outcome=Outcome.PARTIAL),
        ServiceState(platform="elsewhere", service="web", outcome=Outcome.OK),
    ),
    round=RoundState(number=7, duration=41.5, ended_at=BEGAN),
    spool=SpoolState(measurements=12, bytes=34_000, waiting=3),
    budget=BudgetState(limit=100_000_000, used=5, sent=2, received=3),
    uplink=UplinkState(collector="https://collector.example", attempts=4, failures=1),
    loop_lag=0.004,
)


def measured(endpoint: str = URL, *steps: AnyStep, service: str = "web", platform: str = "shop") -> Measurement:
    facts = {"id": "0", "endpoint": endpoint, "platform": platform, "service": service}
    return Measurement(started_at=BEGAN, duration=1.0, steps=steps, **facts)  # type: ignore[arg-type]


def verdict(outcome: Outcome, *techniques: Technique) -> Verdict:
    return Verdict(outcome=outcome, techniques=techniques, confidence=0.9)


def connect(seconds: float, failure: str | None = None, purpose: Purpose = Purpose.TARGET) -> TcpStep:
    return TcpStep(t0=1.0, t=1.0 + seconds, address="203.0.113.9", port=443, failure=failure, purpose=purpose)


async def scraped(metrics: Metrics, accept: str = "") -> Reply:
    text, content_type = await rendered(metrics.registry, accept)
    return Reply(200, {"content-type": content_type}, text.decode())


def names(reply: Reply) -> set[str]:
    return {line.partition("{")[0].partition(" ")[0] for line in reply.text.splitlines() if not line.startswith("#")}


def busy() -> Metrics:
    metrics = Metrics(SHOP, lambda: FULL)
    metrics.observe_measurement(measured(URL, connect(0.03)), verdict(Outcome.OK))
    blocked = verdict(Outcome.BLOCKED, Technique.DNS_FORGED, Technique.SNI_RESET)
    metrics.observe_measurement(measured(MEDIA, connect(8, "generic_timeout_error"), service="media"), blocked)
    return metrics


async def test_every_promised_metric_is_there_and_nothing_without_help() -> None:
    reply = await scraped(busy())
    assert names(reply) >= PROMISED
    helped = {line.split(" ")[2] for line in reply.text.splitlines() if line.startswith("# HELP")}
    assert {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in names(reply)} == helped
    assert reply.values("probe_spool_measurements") == {"": 15}
    assert reply.value("probe_last_round_timestamp_seconds") == BEGAN.timestamp()
    network = 'asn="9121",country="TR",resolver_asn="15169",vpn="false"'
    assert reply.values("probe_network_info") == {network: 1}
    assert reply.values("probe_wire_bytes_total") == {'direction="received"': 3, 'direction="sent"': 2}


async def test_what_was_not_measured_is_absent_and_not_zero() -> None:
    reply = await scraped(Metrics(SHOP, state))
    always = {"probe_build_info", "probe_network_info", "probe_rounds_total", "probe_spool_measurements"}
    always |= {
        "probe_spool_writable",
        "probe_spool_bytes",
        "probe_spool_set_aside_reports",
        "probe_spool_dropped_measurements_total",
    }
    assert names(reply) == always | {"probe_wire_bytes_total", "probe_budget_used_bytes"}


async def test_one_outcome_of_a_service_is_one_and_unlisted_services_have_none() -> None:
    values = (await scraped(busy())).values("probe_service_outcome")
    assert len(values) == len(Outcome)
    assert {series for series, value in values.items() if value} == {'outcome="partial",platform="shop",service="web"'}


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [("ok", 1), ("degraded", 1), ("blocked", 0), ("down", 0), ("inconclusive", None), ("void", None)],
)
async def test_an_endpoint_succeeds_only_where_that_was_seen(outcome: str, shown: float | None) -> None:
    metrics = Metrics(SHOP, state)
    metrics.observe_measurement(measured(), verdict(Outcome.OK))
    metrics.observe_measurement(measured(), verdict(Outcome(outcome)))
    values = (await scraped(metrics)).values("probe_endpoint_success")
    assert list(values.values()) == ([] if shown is None else [shown])


async def test_interference_counts_every_technique_that_held() -> None:
    reply = await scraped(busy())
    found = {series for series, count in reply.values("probe_interference_total").items() if count == 1}
    assert found == {f'platform="shop",service="media",technique="{name}"' for name in ("dns-forged", "sni-reset")}


async def test_a_lookup_lasts_until_its_first_reply_and_failures_are_counted_apart() -> None:
    asked = DnsStep(
        t0=2.0, t=2.4, name="shop.example.net", qtype="A", resolver="192.0.2.53", transport="udp",
        replies=(DnsReply(t=2.02, size=60), DnsReply(t=2.1, size=60)), answers=("203.0.113.9",),
    )  # fmt: skip
    metrics = Metrics(SHOP, state)
    aside = connect(3.0, purpose=Purpose.INNOCUOUS)
    failed = connect(8.0, "connection_refused"), connect(8.0, "unknown_failure: something of the server's making")
    metrics.observe_measurement(measured(URL, asked, connect(0.05), aside, *failed), verdict(Outcome.OK))
    reply = await scraped(metrics)
    assert reply.values("probe_step_duration_seconds_sum") == pytest.approx({'step="dns"': 0.02, 'step="tcp"': 0.05})
    assert reply.values("probe_step_duration_seconds_bucket")['le="0.025",step="dns"'] == 1
    failures = {'failure="connection_refused",step="tcp"': 1, 'failure="unknown_failure",step="tcp"': 1}
    assert reply.values("probe_step_failures_total") == failures


async def test_a_hundred_thousand_strange_labels_add_no_series() -> None:
    metrics = busy()
    before = names_and_labels(await scraped(metrics))
    outcome = verdict(Outcome.BLOCKED, Technique.IP_DROP)
    for number in range(100_000):
        metrics.observe_measurement(measured(f"https://n{number}.example.net/", platform=f"p{number}"), outcome)
    metrics.observe_measurement(measured("https://other.example.net/"), outcome)
    metrics.observe_measurement(measured(URL, service="media"), outcome)  # another service's endpoint
    for number in range(1000):
        metrics.observe_measurement(measured(URL, connect(1, f"unknown_failure: {number}")), verdict(Outcome.OK))
    added = names_and_labels(await scraped(metrics)) - before
    assert added == {'probe_step_failures_total{failure="unknown_failure",step="tcp"}'}


def names_and_labels(reply: Reply) -> set[str]:
    return {line.rpartition(" ")[0] for line in reply.text.splitlines() if not line.startswith("#")}


async def test_series_go_with_the_catalogue_that_they_were_of() -> None:
    metrics = busy()
    metrics.bound(catalogue_of({"media": (MEDIA,)}))
    reply = await scraped(metrics)
    assert [*reply.values("probe_endpoint_success")] == [f'endpoint="{MEDIA}",platform="shop",service="media"']
    assert not any("web" in series for series in reply.values("probe_measurements_total"))
    assert not reply.values("probe_service_outcome")


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
async def test_pieces_add_up_to_what_the_library_writes_at_once(accept: str) -> None:
    services = {f"s{number}": (f"https://h{number}.example.net/",) for number in range(60)}
    seen = tuple(ServiceState(platform="shop", service=name, outcome=Outcome.OK) for name in services)
    metrics = Metrics(catalogue_of(services), lambda: msgspec.structs.replace(FULL, services=seen))
    for name, (url,) in services.items():
        metrics.observe_measurement(measured(url, connect(0.1), service=name), verdict(Outcome.OK))
    encode, content_type = choose_encoder(accept)
    reply = await scraped(metrics, accept)
    assert reply.text == encode(metrics.registry).decode()
    assert reply.headers["content-type"] == content_type


async def test_other_tasks_run_while_many_series_are_rendered(nursery: trio.Nursery) -> None:
    services = {f"s{number}": (f"https://h{number}.example.net/",) for number in range(300)}
    seen = tuple(ServiceState(platform="shop", service=name, outcome=Outcome.OK) for name in services)
    metrics, turns = Metrics(catalogue_of(services), lambda: state(services=seen)), 0

    async def measure() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    nursery.start_soon(measure)
    await rendered(metrics.registry, "")
    assert turns > 300 * len(Outcome) / 50
    nursery.cancel_scope.cancel()


async def test_openmetrics_comes_to_whoever_accepts_it_and_parses() -> None:
    async with exporting(seen=lambda: FULL) as running:
        plain, modern = await running.ask("/metrics"), await running.ask("/metrics", Accept=OPENMETRICS)
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert modern.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in text_string_to_metric_families(modern.text)}  # type: ignore[no-untyped-call]
    assert families["probe_build"].type == "info"
    assert families["probe_wire_bytes"].type == "counter"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus")
def test_promtool_finds_nothing_to_mend() -> None:
    text = trio.run(scraped, busy()).text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_the_state_is_served_as_it_is() -> None:
    async with exporting(seen=lambda: FULL) as running:
        reply = await running.ask("/status")
    assert reply.headers["content-type"] == "application/json"
    assert msgspec.json.decode(reply.text, type=AgentState) == FULL
