"""The whole collector as people run it: reports in at one end, metrics, API, exports and a replay out at the other."""

import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.collector.analyse.schema import current_views, read_views
from probe.collector.config import CollectorConfig
from probe.collector.replay import dump
from tests.collector.analyse import world
from tests.collector.ingest.running import Running, base, configured, tokens

CATALOGUE = load_catalogue(default_catalogue_path())
FACEBOOK = next(p for p in CATALOGUE.platforms if p.id == "facebook").services[0]
HOST = next(e.target.host for e in FACEBOOK.endpoints if e.url.startswith("https://"))
PATIENCE = 60.0


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Running]:
    running = Running(configured(tmp_path))
    running.wait_until_up()
    yield running
    running.stop()


def send(config: CollectorConfig, token: str, measurement: Any, number: int) -> None:
    now = dt.datetime.now(dt.UTC)
    item = world.reported(measurement, at=now, round=world.identifier(now, number), lease=None, catalogue=CATALOGUE)
    report = msgspec.structs.replace(world.report([item], now, number=number), leases={})
    body, headers = msgspec.json.encode(report), {"Authorization": f"Bearer {token}"}
    answer = httpx.post(f"{base(config)}/api/v1/reports", content=body, headers=headers, trust_env=False)
    assert answer.status_code == 202, answer.text


def eventually(ask: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := ask()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.3)
    return found


def get(config: CollectorConfig, path: str) -> httpx.Response:
    return httpx.get(f"{base(config)}{path}", trust_env=False, timeout=20)


def probe(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "probe", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_reports_come_out_as_metrics_rows_expectations_and_exports_and_a_replay_gives_them_again(
    collector: Running, tmp_path: Path
) -> None:
    config = collector.config
    (control,) = tokens(config, 1, "control")
    send(config, control, world.healthy(HOST), 1)
    first = tokens(config, 2)
    eventually(lambda: get(config, "/api/v1/expectations").status_code in {200, 401})
    eventually(lambda: get(config, "/api/v1/measurements").json().get("items"))
    for number, token in enumerate(first, 2):
        send(config, token, world.reset(HOST), number)
    rows = eventually(lambda: get(config, "/api/v1/measurements?outcome=blocked").json()["items"])
    assert {row["platform"] for row in rows} == {"facebook"}
    text = eventually(lambda: found if 'outcome="blocked"' in (found := get(config, "/metrics").text) else "")
    assert "reachability_ratio{" in text
    assert "collector_reports_total 3.0" in text, "what ingest says of itself stands beside it"
    assert "collector_log_lag_seconds" in text
    assert eventually(lambda: _checkin(config, first[0]).get("expectations")), "signed and handed to probes"

    exported = probe("collector", "export", "--config", str(config.file), "--format", "ooni")
    assert exported.returncode == 0, exported.stderr
    assert {json.loads(line)["probe_cc"] for line in exported.stdout.splitlines()} == {"TR"}
    saved = tmp_path / "export.jsonl"
    saved.write_text(exported.stdout)
    judged = probe("judge", str(saved), "--format", "json")
    outcomes = [json.loads(line)["outcome"] for line in judged.stdout.splitlines()]
    assert sorted(outcomes) == ["blocked", "blocked", "ok"]

    before = _dump(config)
    again = probe("collector", "replay", "--config", str(config.file))
    assert again.returncode == 0, again.stderr
    eventually(lambda: current_views(config.state).name == "views-1.db")
    assert set(_dump(config)) ^ set(before) == set()
    send(config, first[0], world.healthy(HOST), 9)
    eventually(lambda: len(get(config, "/api/v1/measurements").json()["items"]) == 4)


def _checkin(config: CollectorConfig, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{base(config)}/api/v1/checkin", headers=headers, trust_env=False).json()


def _dump(config: CollectorConfig) -> list[str]:
    views = read_views(current_views(config.state))
    try:
        return dump(views)
    finally:
        views.close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("export", "--format", "csv", "--archive"), "--archive goes with"),
        (("export", "--format", "csv"), "is the collector's analysis running?"),
        (("export", "--format", "pdf"), "'pdf' is not one of"),
        (("replay", "--into", "{folder}/collector.yaml"), "exists already"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    config = configured(tmp_path)
    filled = [argument.format(folder=tmp_path) for argument in arguments[1:]]
    done = probe("collector", arguments[0], "--config", str(config.file), *filled)
    assert done.returncode in {1, 2}
    assert says in done.stderr
    assert "Traceback" not in done.stderr
