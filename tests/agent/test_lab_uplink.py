"""`probe run` in the lab, against a collector that fails in every way, and killed at any moment: everything that was
durable arrives, under one report id."""

import contextlib
import json
import os
import random
import time
from collections.abc import Iterator

import pytest

from probe.lab.model import LabError
from probe.lab.sealed import check_machine

from .collector_stand_in import Trouble
from .lab_agent import AgentLab, agent_lab, unpacked
from .lab_spool import bodies_left_in, counted, left_in

KILLS = int(os.environ.get("PROBE_TEST_KILLS", "10"))
TROUBLES = (
    Trouble(kind="status", on="/reports", status=500, times=2),
    Trouble(kind="status", on="/reports", status=429, retry_after="20", times=1),
    Trouble(kind="cut-half-way", on="/reports", times=3),
    Trouble(kind="cut-after-commit", on="/reports", times=3),
    Trouble(kind="blackhole", on="/reports", times=1),
)
REFUSED = "INPUT -p tcp --dport 8640 ! -i lo -j REJECT --reject-with tcp-reset"


@pytest.fixture(scope="module")
def world() -> Iterator[AgentLab]:
    try:
        check_machine()
    except LabError as error:
        pytest.skip(str(error))
    with agent_lab() as made:
        yield made


def test_every_measurement_arrives_once_whatever_befalls_the_collector(world: AgentLab) -> None:
    home = world.home("troubled")
    with home.running():
        for trouble in TROUBLES:
            world.trouble(trouble)
            before = home.round()
            home.wait(world.untroubled)
            home.wait(lambda before=before: home.round() > before)  # type: ignore[misc]
        with refusing(world):
            home.wait(lambda: home.status()["uplink"]["state"] == "out of touch")
            home.wait_for_rounds(2)
        home.wait(lambda: home.status()["uplink"]["state"] == "in touch")
        home.wait(lambda: home.status()["spool"].get("measurements", 0) < 20)
        measured = counted(world)
    seen = world.seen()
    waiting = {one for ids in left_in(home).values() for one in ids}
    assert len(waiting | seen.measurements.keys()) >= measured > 100
    assert all(len(reports) == 1 for reports in seen.measurements.values())
    assert seen.repeats > 0, "what was committed and not answered came again, under its id"
    assert seen.dropped == 0


def test_a_re_test_that_the_collector_wants_is_made_and_named(world: AgentLab) -> None:
    wanted = [one for report in world.reports() for one in report.measurements if one.retest is not None]
    assert {one.retest for one in wanted} == {"wish-1"}
    assert len({one.round for one in wanted}) == 1
    assert len(wanted) == wanted[0].of == 2
    assert {(one.measurement.platform, one.measurement.service, one.measurement.mode) for one in wanted} == {
        ("x", "web", "deep")
    }


def test_measurements_carry_the_lease_that_held(world: AgentLab) -> None:
    report = world.reports()[-1]
    assert {one.lease for one in report.measurements} == set(report.leases)
    assert {one.measurement.network.asn for one in report.measurements} == {47331}
    assert {one.measurement.network.resolver_asn for one in report.measurements} == {9121}


def test_healthy_light_results_travel_compact_after_their_first_time(world: AgentLab) -> None:
    every = [one for report in world.reports() for one in report.measurements]
    light = [one for one in every if one.measurement.mode == "light"]
    first = {one.measurement.endpoint: one for one in reversed(light)}
    assert not any(one.compact for one in first.values())
    later = [one for one in light if one is not first[one.measurement.endpoint]]
    assert later
    assert all(one.compact for one in later)


def test_killed_at_random_moments_nothing_durable_is_lost_or_sent_under_another_id(world: AgentLab) -> None:
    home, chance = world.home("killed"), random.Random(4)
    durable: dict[str, str | None] = {}
    for _ in range(KILLS):
        process = home.start()
        home.wait(lambda: home.status().get("round", {}).get("measured", 0) > 0)
        time.sleep(chance.uniform(0.0, 2.0))
        process.kill()
        assert process.wait() == -9
        for report, ids in left_in(home).items():
            for one in ids:
                assert durable.get(one) in {None, report}, "a measurement never changes its report"
                durable[one] = report if not report.startswith("new") else None
    with home.running():
        home.wait(lambda: durable.keys() <= world.seen().measurements.keys())
    seen = world.seen()
    assert len(durable) > KILLS
    assert all(len(seen.measurements[one]) == 1 for one in durable)
    assert all(seen.measurements[one] == [report] for one, report in durable.items() if report is not None)


def test_no_address_of_the_vantage_point_is_anywhere(world: AgentLab) -> None:
    own = world.lab.network.clients[0]
    home = world.home("searched", metrics={"listen": "127.0.0.1:9640"})
    with home.running():
        home.wait_for_rounds(2)
        shown = world.page("http://127.0.0.1:9640/metrics") + json.dumps(home.status())
    seen = world.seen()
    texts = {
        "shown": shown,
        "uploads": "\n".join(body.decode() for body in seen.bodies),
        "requests": repr(seen.requests),
        "spool": "\n".join(bodies_left_in(home)),
    }
    for file in home.folder.parent.glob("*/**/*"):
        if file.is_file() and "catalogue" not in file.parts:
            texts[str(file)] = file.read_bytes().decode("latin-1")
    assert len(texts["uploads"]) > 100_000
    for where, text in texts.items():
        whole = unpacked(text)
        assert own.address not in whole, where
        assert own.mac not in whole, where


@contextlib.contextmanager
def refusing(world: AgentLab) -> Iterator[None]:
    namespace = world.lab.layout.world
    world.lab.run(namespace, ["iptables", "-I", *REFUSED.split()])
    yield
    world.lab.run(namespace, ["iptables", "-D", *REFUSED.split()])
