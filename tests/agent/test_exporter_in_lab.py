"""`/probe` at a vantage point of the lab, beside Debian's blackbox_exporter and under Debian's Prometheus."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from probe.lab.model import LabError
from probe.lab.sealed import check_machine

from .exporter_running import Reply
from .exporter_world import (
    BLACKBOX,
    CHAT,
    CLOSED,
    FILTERED,
    FORBIDDEN,
    LISTEN,
    MOVED,
    NAME,
    NOWHERE,
    PAGE,
    PLAIN,
    PROMETHEUS,
    SECURE,
    SILENT,
    URLS,
    World,
    lab_world,
    start_blackbox,
)

SHIPPED = Path(__file__).parents[2] / "configs" / "prometheus" / "probe-agent.yml"
TRIES = 6
PATIENCE = 120.0  # seconds
LONG_ENOUGH = 0.05  # seconds: of what is shorter 20 % are the noise of any machine
EXACT = {"probe_success", "probe_http_status_code", "probe_ssl_earliest_cert_expiry", "probe_ip_protocol"}
EXACT |= {"probe_http_ssl", "probe_http_version", "probe_http_redirects", "probe_http_content_length"}
EXACT |= {"probe_http_uncompressed_body_length", "probe_tls_version_info", "probe_ip_addr_hash"}
EXACT |= {"probe_ssl_last_chain_expiry_timestamp_seconds"}
TIMED = {"probe_duration_seconds", "probe_dns_lookup_time_seconds", "probe_http_duration_seconds"}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    try:
        check_machine()
    except LabError as error:
        pytest.skip(str(error))
    with lab_world() as made:
        yield made


@pytest.fixture(scope="module")
def blackbox(world: World) -> World:
    if shutil.which("prometheus-blackbox-exporter") is None:
        pytest.skip("blackbox_exporter is missing: apt-get install prometheus-blackbox-exporter")
    start_blackbox(world)
    return world


def values(reply: Reply, names: set[str]) -> dict[str, float]:
    """By name and labels."""
    assert reply.status == 200, reply.text
    return {name + series: value for name in names for series, value in reply.values(name).items()}


# --- as blackbox_exporter has it ---


@pytest.mark.parametrize("url", [PAGE, PLAIN, FORBIDDEN, MOVED])
def test_what_is_told_of_a_page_is_what_blackbox_exporter_tells(url: str, blackbox: World) -> None:
    ours, theirs = (values(blackbox.probe(url, of=of), EXACT) for of in (LISTEN, BLACKBOX))
    assert theirs["probe_success"] == (url != FORBIDDEN)
    assert ours == theirs


@pytest.mark.parametrize("url", [PAGE, PLAIN, FORBIDDEN])
def test_times_are_blackbox_exporter_s_within_a_fifth(url: str, blackbox: World) -> None:
    """The least of some tries: what a busy machine adds is nobody's."""
    ours, theirs = dict[str, float](), dict[str, float]()
    for _ in range(TRIES):
        least(ours, values(blackbox.probe(url, of=LISTEN), TIMED))
        least(theirs, values(blackbox.probe(url, of=BLACKBOX), TIMED))
        if apart(ours, theirs) == {}:
            break
    assert apart(ours, theirs) == {}
    compared = {series for series, seconds in theirs.items() if seconds > LONG_ENOUGH}
    assert len(compared) >= 5
    assert compared >= {"probe_duration_seconds", "probe_dns_lookup_time_seconds"}


def least(into: dict[str, float], found: dict[str, float]) -> None:
    into.update({series: min(value, into.get(series, value)) for series, value in found.items()})


def apart(ours: dict[str, float], theirs: dict[str, float]) -> dict[str, tuple[float | None, float]]:
    return {
        series: (ours.get(series), seconds)
        for series, seconds in theirs.items()
        if seconds > LONG_ENOUGH and abs(ours.get(series, 0.0) - seconds) > 0.2 * seconds
    }


@pytest.mark.parametrize("url", [CLOSED, FILTERED])
def test_what_fails_there_fails_here(url: str, blackbox: World) -> None:
    ours, theirs = blackbox.probe(url, of=LISTEN), blackbox.probe(url, of=BLACKBOX)
    assert ours.value("probe_success") == theirs.value("probe_success") == 0
    assert ours.value("probe_ip_protocol") == theirs.value("probe_ip_protocol") == 4
    assert theirs.value("probe_http_status_code") == 0
    assert ours.value("probe_http_status_code") is None  # what was not seen is absent


# --- and why ---


@pytest.mark.parametrize(
    ("url", "module", "outcome", "success"),
    [
        (PAGE, "deep", 'outcome="ok",technique=""', 1),
        (FILTERED, "http_2xx", 'outcome="blocked",technique="sni-reset"', 0),
        (FILTERED, "light", 'outcome="blocked",technique="sni-reset"', 0),
        (FORBIDDEN, "default", 'outcome="ok",technique=""', 1),
        (SECURE, "tls_connect", 'outcome="ok",technique=""', 1),
        (CHAT, "tcp_connect", 'outcome="ok",technique=""', 1),
        (NAME, "dns", 'outcome="ok",technique=""', 1),
    ],
)
def test_the_outcome_says_why(url: str, module: str, outcome: str, success: float, world: World) -> None:
    reply = world.probe(url, module)
    assert reply.values("probe_outcome") == {outcome: 1}
    assert reply.value("probe_success") == success
    assert reply.value("probe_cut_short") == 0


def test_light_stops_before_the_page(world: World) -> None:
    reply = world.probe(PAGE, "light")
    assert {*reply.values("probe_http_duration_seconds")} == {f'phase="{p}"' for p in ("resolve", "connect", "tls")}
    assert reply.value("probe_http_status_code") is None


def test_a_server_that_never_speaks_is_told_of_in_time(world: World) -> None:
    reply = world.probe(SILENT, X_Prometheus_Scrape_Timeout_Seconds="3")
    assert (reply.value("probe_success"), reply.value("probe_cut_short")) == (0, 1)
    assert {*reply.values("probe_http_duration_seconds")} == {'phase="resolve"', 'phase="connect"'}
    took = reply.value("probe_measurement_duration_seconds")
    assert took is not None
    assert 2.4 < took < 3


def test_debug_shows_evidence_steps_and_metrics(world: World) -> None:
    text = world.fetch(f"http://{LISTEN}/probe?target={FILTERED}&debug=true").text
    for part in ("Evidence:\nblocked, confidence", "sni-isolated: ", '"step":"tls"', "probe_success 0.0", "Module:"):
        assert part in text


def test_no_page_tells_the_vantage_point_s_address(world: World) -> None:
    own = re.escape(world.lab.network.clients[0].address)
    for path in ("/metrics", "/status", "/sd/targets", f"/probe?target={PAGE}&debug=true"):
        assert not re.search(rf"(?<!\d){own}(?!\d)", world.fetch(f"http://{LISTEN}{path}").text), path


# --- Prometheus ---


needs_prometheus = pytest.mark.skipif(shutil.which("promtool") is None, reason="missing: apt-get install prometheus")


@needs_prometheus
@pytest.mark.parametrize("path", ["/metrics", *(f"/probe?target={url}" for url in (PAGE, FILTERED, NAME, NOWHERE))])
def test_promtool_finds_nothing_to_mend(path: str, world: World) -> None:
    text = world.fetch(f"http://{LISTEN}{path}").text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_prometheus
def test_the_shipped_configuration_is_well_formed() -> None:
    done = subprocess.run(["promtool", "check", "config", str(SHIPPED)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@needs_prometheus
def test_prometheus_scrapes_the_agent_and_all_its_targets_by_the_shipped_configuration(world: World) -> None:
    config = world.lab.folder / "prometheus.yml"
    text = re.sub(r"(scrape_interval|scrape_timeout): \w+", r"\1: 10s", SHIPPED.read_text())
    text = re.sub(r"refresh_interval: \w+", "refresh_interval: 1s", text)
    config.write_text(re.sub(r"/sd/targets\?\S+", "/sd/targets?platform=shop", text))
    data = f"--storage.tsdb.path={world.lab.folder / 'tsdb'}"
    world.start("prometheus", f"--config.file={config}", data, f"--web.listen-address={PROMETHEUS}")
    world.wait_for(PROMETHEUS)
    until(lambda: len(world.query("probe_success")) == len(URLS) and not world.query("up == 0"))
    assert {series["metric"]["instance"] for series in world.query("probe_success")} == {*URLS}
    (blocked,) = world.query(f'probe_outcome{{instance="{FILTERED}"}}')
    assert blocked["metric"].items() >= {"outcome": "blocked", "technique": "sni-reset", "platform": "shop"}.items()
    until(lambda: bool(world.query(f"probe_measurements_total == {len(URLS)}")))
    assert world.query('probe_service_outcome{service="web", outcome="partial"} == 1')


def until(holds: Callable[[], bool]) -> None:
    late = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < late
        time.sleep(0.2)
