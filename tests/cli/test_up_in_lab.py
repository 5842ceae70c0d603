"""`probe up` at a vantage point: one command, and what it leaves, finds again and survives."""

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.lab.interference import NameFilter
from probe.lab.internet import internet
from probe.lab.lab import Lab
from probe.lab.model import LabError
from probe.lab.scenario.subset import hosts_of, services_of
from probe.lab.sealed import check_machine

from .up_running import INTERVAL, PLATFORMS, Up, at_terminal, processes, waited

SHIPPED = load_catalogue(default_catalogue_path())
SERVICES = {platform: services_of((platform,), (), SHIPPED) for platform in PLATFORMS}
CENSOR = NameFilter(names=hosts_of(SERVICES["x"], SHIPPED), action="reset")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    try:
        check_machine()
    except LabError as error:
        pytest.skip(str(error))
    with Lab(internet(SHIPPED, platforms=PLATFORMS), geo=True) as lab:
        yield lab


@pytest.fixture
def home(lab: Lab) -> Iterator[Up]:
    """The one that the tests below go on with."""
    yield Up(lab, "home")
    lab.interfere(lab.network.isp.asn, ())
    assert processes(lab) == [], "nothing runs on"


def hurried(home: Up) -> None:
    """Rounds of a minute, so of seconds here; all else stays as it was written."""
    file = home.folder / "probe.yaml"
    file.write_text(file.read_text().replace("interval: 5 min", f"interval: {INTERVAL}"))


def all_seen(home: Up, platform: str, ratio: float) -> bool:
    cells = {cell: share for cell, share in home.ratios().items() if cell[2].startswith(f"{platform}.")}
    assert {cell[:2] for cell in cells} <= {("TR", "9121")}
    return {cell[2] for cell in cells} == set(SERVICES[platform]) and set(cells.values()) == {ratio}


def test_one_command_and_metrics_show_what_is_reachable_and_where(home: Up) -> None:
    with home.running("--accept-risks"):
        (ready,) = waited(lambda: home.said("ready"))
        waited(lambda: home.rounds() >= 1)
        waited(lambda: all(all_seen(home, platform, 1.0) for platform in PLATFORMS))
        assert ready["metrics"] == "http://127.0.0.1:8640/metrics"
        named = {f"{line['platform']}.{line['service']}": line["outcome"] for line in home.said("service")}
        assert named == dict.fromkeys([*SERVICES["x"], *SERVICES["bluesky"]], "ok")
        assert home.process is not None
        assert home.stop(home.process) == 0
    assert json.loads((home.folder / "probe" / "consent.json").read_text())["by"] == "accept-risks"
    assert "Traceback" not in home.err.read_text()


def test_a_second_start_finds_everything_and_sees_the_censor_within_a_round(home: Up, lab: Lab) -> None:
    token = (home.folder / "probe" / "credentials.json").read_bytes()
    hurried(home)
    with home.running():
        waited(lambda: home.said("ready"))
        assert home.api("/api/v1/measurements?limit=5")["items"], "what was measured before"
        first = waited(lambda: home.said("service"))[0]
        assert first["outcome"] == "ok"
        waited(lambda: home.rounds() >= 2)
        assert min(line["number"] for line in home.said("round")) >= 2, "rounds go on being counted"
        lab.interfere(lab.network.isp.asn, (CENSOR,))
        under_way = home.status("round")["number"]
        waited(lambda: all_seen(home, "x", 0.0))
        assert all_seen(home, "bluesky", 1.0)
        waited(lambda: home.rounds() > under_way)
        lines = [line for line in home.lines if line["kind"] in {"service", "round"}]
    news = {f"{line['platform']}.{line['service']}" for line in until_round(lines, under_way + 1) if is_blocked(line)}
    assert news == set(SERVICES["x"])
    assert (home.folder / "probe" / "credentials.json").read_bytes() == token
    with closing(sqlite3.connect(home.folder / "collector" / "accounts.sqlite")) as accounts:
        assert accounts.execute("SELECT role, revoked_on FROM tokens").fetchall() == [("probe", None)]


def is_blocked(line: dict[str, object]) -> bool:
    return line["kind"] == "service" and line["outcome"] == "blocked" and line["techniques"] == ["sni-reset"]


def until_round(lines: list[dict[str, object]], number: int) -> Iterator[dict[str, object]]:
    """What was told before the end of that round, or of one after it."""
    for line in lines:
        if line["kind"] == "round" and int(str(line["number"])) >= number:
            return
        yield line


def test_a_process_that_dies_is_named_and_started_again_and_none_outlives_a_parent_that_was_killed(
    home: Up, lab: Lab
) -> None:
    process = home.start()
    waited(lambda: home.said("ready"))
    again = lab.run(lab.vantage, home.arguments())
    assert again.returncode == 2
    assert "another `probe up` uses this folder" in again.stderr.splitlines()[-1]
    usual = len(processes(lab))
    died = {"probe": waited(lambda: home.pid_of("run")), "views": waited(lambda: home.pid_of("--role", "analyse"))}
    for pid in died.values():
        os.kill(pid, signal.SIGKILL)
    for name in died:
        waited(lambda: f"{name} ended with status -9: started again" in home.err.read_text())  # noqa: B023
    waited(lambda: home.ratios() and home.status("uplink").get("state") == "in touch")
    assert len(processes(lab)) == usual
    assert set(died.values()).isdisjoint(processes(lab))
    process.kill()
    process.wait()
    waited(lambda: processes(lab) == [], 20)


def test_a_control_beside_the_collector_makes_expectations_that_reach_the_probe(lab: Lab) -> None:
    home = Up(lab, "controlled")
    control = home.folder / "collector" / "control" / "probe.yaml"
    home.folder.mkdir()
    (home.folder / "collector.yaml").write_text("state: collector\ncontrol: true\n")
    with home.running("--accept-risks"):
        waited(lambda: home.pid_of("run", "--config", str(control)))
        waited(lambda: home.said("ready"))
        waited(lambda: home.status("expectations").get("version"))
    with closing(sqlite3.connect(home.folder / "collector" / "accounts.sqlite")) as accounts:
        assert {role for (role,) in accounts.execute("SELECT role FROM tokens")} == {"probe", "control"}
    assert processes(lab) == []


def test_at_a_terminal_it_asks_shows_a_table_and_ends_by_ctrl_c(lab: Lab) -> None:
    home = Up(lab, "watched")
    status, screen = at_terminal(home, [("country", "DE"), ("agree", "yes")], until="X (Twitter)")
    assert status == 0, screen
    assert "http://127.0.0.1:8640/metrics" in screen
    assert "Stopped. Everything is kept in" in screen
    assert json.loads((home.folder / "probe" / "consent.json").read_text())["by"] == "terminal"
    assert processes(lab) == []
