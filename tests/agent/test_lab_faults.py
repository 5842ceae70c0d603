"""`probe run` in the lab while its machine fails it: each fault keeps it alive, or ends it with one clear line."""

import datetime as dt
import json
import signal
import time
from collections.abc import Iterator

import pytest

from probe.clock import set_scenario
from probe.lab.model import LabError
from probe.lab.sealed import check_machine

from .collector_stand_in import Trouble
from .lab_agent import SPEED, AgentLab, Home, agent_lab
from .lab_mishaps import immutable, inside, moved, refused_checkins
from .lab_spool import counted, left_in

METRICS = "http://127.0.0.1:9640/metrics"
NAMES = "FORWARD -p udp --dport 53 -j DROP"


@pytest.fixture(scope="module")
def world() -> Iterator[AgentLab]:
    try:
        check_machine()
    except LabError as error:
        pytest.skip(str(error))
    with agent_lab() as made:
        yield made


def test_it_measures_on_while_the_disk_is_full_and_writes_all_of_it_later(world: AgentLab) -> None:
    home = world.home("disk")
    own = f"cp -a {home.state} {home.state}.kept; mount -t tmpfs -o size=12m tmpfs {home.state}"
    with home.running(before=f"{own}; cp -a {home.state}.kept/. {home.state}"):
        world.trouble(Trouble(kind="status", on="/reports", status=503))
        inside(home, f"dd if=/dev/zero of={home.state}/ballast bs=64k")
        home.wait(lambda: fault(home) is not None)
        home.wait_for_rounds(2)
        waiting = home.status()["spool"]["waiting"]
        assert waiting > 10
        inside(home, f"rm {home.state}/ballast")
        home.wait(lambda: fault(home) is None)
        assert home.status()["spool"].get("waiting", 0) < waiting
        world.trouble(None)
        said = home.said()
    assert said.count("measurements wait in memory") == 1
    assert said.count("the spool takes measurements again; lost meanwhile: 0") == 1
    assert "Traceback" not in said


def test_it_measures_on_while_the_disk_is_read_only_and_loses_nothing(world: AgentLab) -> None:
    home, before = world.home("read-only"), world.seen().measurements.keys()
    with home.running():
        home.wait(lambda: home.status()["spool"].get("measurements"))
        with immutable(home):
            home.wait(lambda: fault(home) is not None)
            home.wait_for_rounds(2)
            assert home.status()["spool"]["waiting"] > 5
            assert "\nprobe_spool_writable 0.0\n" in world.page(METRICS)
        home.wait(lambda: fault(home) is None)
        assert "\nprobe_spool_writable 1.0\n" in world.page(METRICS)
        measured = counted(world)
    kept = {one for ids in left_in(home).values() for one in ids}
    assert len((kept | world.seen().measurements.keys()) - before) >= measured
    said = home.said()
    assert said.count("measurements wait in memory") == 1
    assert said.count("the spool takes measurements again; lost meanwhile: 0") == 1
    assert said.count("spool.db") <= 3, "a line of the keeper's and one of the uplink's, not one a measurement"
    assert "Traceback" not in said


def test_it_does_not_start_on_a_disk_that_it_cannot_write_and_says_so_in_one_line(world: AgentLab) -> None:
    home = world.home("sealed")
    process = home.start(before=f"mount -t tmpfs -o ro tmpfs {home.state}")
    assert process.wait(30) == 2, "there is no consent to be read on it"
    bound = f"mount --bind {home.state} {home.state}; mount -o remount,ro,bind {home.state}"
    process = home.start(before=bound)
    assert process.wait(30) == 1
    said = home.said().splitlines()
    assert len(said) == 2
    assert "Read-only file system" in said[-1]
    assert str(home.state) in said[-1]


def test_a_clock_that_is_an_hour_off_is_told_and_measuring_goes_on(world: AgentLab) -> None:
    home, clock = world.home("clock"), world.lab.folder / "fast.json"
    set_scenario(clock, dt.datetime.now(dt.UTC) + dt.timedelta(hours=1), 1.0)
    with home.running(clock=clock):
        home.wait(lambda: "clock_offset" in home.status()["uplink"])
        home.wait(lambda: home.status().get("services"))
        state = home.status()
    assert state["uplink"]["clock_offset"] == pytest.approx(-3600, abs=30)
    assert any("clock is 36" in note and "fast" in note for note in state["notes"])
    assert {service["outcome"] for service in state["services"]} == {"ok"}


def test_a_wall_clock_that_jumps_begins_a_fresh_round(world: AgentLab) -> None:
    home, clock = world.home("jump"), world.lab.folder / "jumping.json"
    set_scenario(clock, dt.datetime.now(dt.UTC), SPEED)
    with home.running(clock=clock):
        home.wait(lambda: home.status()["round"].get("measured", 0) > 1)
        before = home.round()
        set_scenario(clock, dt.datetime.now(dt.UTC) + dt.timedelta(hours=8), SPEED)
        home.wait(lambda: home.round() > before)
        home.wait(lambda: "a fresh round: slept" in home.said())


def test_without_its_resolver_it_lives_on_and_calls_nothing_blocked(world: AgentLab) -> None:
    home = world.home("names")
    router = world.lab.network.router
    with home.running():
        home.wait(lambda: outcomes(home) == {"ok"})
        world.lab.run(router, ["iptables", "-I", *NAMES.split()])
        try:
            home.wait(lambda: "inconclusive" in outcomes(home) or home.status()["round"].get("void"))
            assert "blocked" not in outcomes(home)
        finally:
            world.lab.run(router, ["iptables", "-D", *NAMES.split()])
        home.wait(lambda: outcomes(home) == {"ok"})
        assert not home.status().get("restarts")
    assert "Traceback" not in home.said()


def test_another_network_begins_a_fresh_round_and_drops_the_lease(world: AgentLab) -> None:
    home = world.home("moving")
    with home.running():
        home.wait(lambda: home.status().get("network_by") == "lease")
        home.wait(lambda: home.status()["round"].get("measured", 0) > 1)
        world.trouble(None)
        with refused_checkins(world), moved(world):
            home.wait(lambda: "a fresh round: network changed" in home.said())
            home.wait(lambda: home.status().get("network_by") == "local")
            assert home.status()["network"]["asn"] == 9121, "looked at again, by the table"
            home.wait_for_rounds(1)
            assert home.status()["round"].get("void") is None


def test_a_lease_that_another_key_signed_is_told_once_and_no_measurement_carries_it(world: AgentLab) -> None:
    home, before = world.home("forged"), len(world.seen().bodies)
    world.trouble(Trouble(kind="forged-lease", on="/checkin"))
    with home.running():
        checkins = world.seen().count("/api/v1/checkin")
        home.wait(lambda: world.seen().count("/api/v1/checkin") > checkins + 1)
        home.wait(lambda: len(world.seen().bodies) > before)
        assert home.status()["network_by"] == "local"
        forged = world.reports()[before:]
        world.trouble(None)
        home.wait(lambda: home.status()["network_by"] == "lease")
    assert not any(report.leases or {one.lease for one in report.measurements} != {None} for report in forged)
    assert home.said().count("the collector's lease is not used") == 1


def test_a_probe_that_was_never_enrolled_shows_what_it_finds_and_keeps_nothing_to_send(world: AgentLab) -> None:
    home, before = world.home("alone"), len(world.seen().tokens)
    (home.state / "credentials.json").unlink()
    with home.running():
        home.wait(lambda: outcomes(home) == {"ok"})
        assert home.status()["uplink"]["state"].startswith("none, so nothing is uploaded")
    assert left_in(home) == {}
    assert len(world.seen().tokens) == before, "it asked the collector nothing"


def test_a_broken_configuration_is_refused_in_one_line_and_a_good_one_is_taken_up(world: AgentLab) -> None:
    home = world.home("reload")
    with home.running():
        home.wait(lambda: home.status()["round"].get("measured", 0) > 1)
        good = home.config.read_text()
        for broken, words in (
            ("state: [", "probe.yaml"),
            (json.dumps(json.loads(good) | {"interval": 5}), "interval"),
            (json.dumps(json.loads(good) | {"catalogue": "/nowhere"}), "/nowhere"),
            (json.dumps(json.loads(good) | {"ca_file": "/nowhere.pem"}), "/nowhere.pem"),
            (json.dumps(json.loads(good) | {"geo": ["/nowhere.mmdb"]}), "/nowhere.mmdb"),
        ):
            lines = len(refusals(home))
            home.config.write_text(broken)
            home.signal(signal.SIGHUP)
            home.wait(lambda lines=lines: len(refusals(home)) > lines)  # type: ignore[misc]
            assert words in refusals(home)[-1]
        assert len(refusals(home)) == 5
        home.wait_for_rounds(1)
        home.configure(interval=90, budget="50 MB")
        home.signal(signal.SIGHUP)
        home.wait(lambda: home.status().get("budget", {}).get("limit") == 50_000_000)
        home.wait(lambda: home.status()["round"].get("interval", 0) >= 90)
        assert "Traceback" not in home.said()


def test_sigterm_ends_it_within_five_seconds_and_a_second_one_shares_neither_folder_nor_port(world: AgentLab) -> None:
    home = world.home("ending")
    with home.running():
        home.wait(lambda: home.status()["round"].get("measured", 0) > 1)
        first = home.process
        assert first is not None
        second, other = home.start(), world.home("elsewhere").start()
        assert second.wait(30) == 1
        assert f"another `probe run` uses this folder (process {first.pid})" in home.said()
        assert other.wait(30) == 1
        assert "cannot listen on 127.0.0.1:9640" in (home.folder.parent / "elsewhere" / "log").read_text()
        home.process = first
        began = time.monotonic()
        home.signal(signal.SIGTERM)
        assert first.wait(10) == 0
        assert time.monotonic() - began < 5
    assert "Traceback" not in home.said()


# --- what it says ---


def fault(home: Home) -> str | None:
    found: str | None = home.status()["spool"].get("fault")
    return found


def outcomes(home: Home) -> set[str]:
    return {service["outcome"] for service in home.status().get("services", ())}


def refusals(home: Home) -> list[str]:
    return [line for line in home.said().splitlines() if "the configuration stays as it was" in line]
