"""What the daemon keeps where the disk fails it, what it reports compact, and which wishes it grants."""

import datetime as dt
import logging
import random
from pathlib import Path

import msgspec
import pytest
import trio

from probe.agent.budget import Budget
from probe.agent.budget_costs import Costs
from probe.agent.config_model import AgentConfig
from probe.agent.daemon_keeper import MOST_BYTES, MOST_WAITING, Keeper
from probe.agent.daemon_lasting import BOOT, Lasting
from probe.agent.daemon_retests import MOST_AN_HOUR, Retests
from probe.agent.rounds_votes import Vote, Wording
from probe.agent.schedule import Planner, Rhythm
from probe.agent.schedule_layout import Visit
from probe.agent.schedule_memory import Memory
from probe.agent.spool import Spool
from probe.agent.spool_file import SpoolUnavailable
from probe.clock import SystemClock
from probe.measure.endpoint import Judged
from probe.wire.compact import compacted
from probe.wire.reports import Reported, Retest
from probe.wire.steps import TlsStep
from probe.wire.vocabulary import Outcome

from .schedule_days import MIDNIGHT, SHIPPED, SetClock
from .spool_building import AGENT, NOW, reported


class Disk(Spool):
    """A spool whose disk can be taken away."""

    away = False

    def add(self, reported: Reported, *, monotonic: float) -> None:
        if self.away:
            raise SpoolUnavailable("the disk is full")
        super().add(reported, monotonic=monotonic)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk.open(tmp_path / "spool.db")


def keeper_on(disk: Disk) -> Keeper:
    return Keeper(disk, SetClock(), trio.CapacityLimiter(1), lambda _: None)


def delivered(disk: Disk) -> list[Reported]:
    found = list[Reported]()
    while (batch := disk.batch(AGENT, now=NOW, monotonic=0.0)) is not None:
        found += batch.report().measurements
        disk.acknowledge(batch.report_id)
    return found


async def test_what_a_failing_disk_does_not_take_waits_and_is_written_in_order(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    keeper, every = keeper_on(disk), [reported() for _ in range(6)]
    with caplog.at_level(logging.WARNING):
        for number, one in enumerate(every):
            disk.away = 2 <= number < 5
            await keeper.keep(one, False)
            assert keeper.state.waiting == (number - 1 if disk.away else 0)
    batch = disk.batch(AGENT, now=NOW, monotonic=0.0)
    assert batch is not None
    assert [one.measurement.id for one in batch.report().measurements] == [one.measurement.id for one in every]
    assert len(caplog.messages) == 2, "one line when it began, one when it ended"
    disk.close()


async def test_memory_holds_so_many_and_what_is_blocked_stays_longest(disk: Disk) -> None:
    keeper = keeper_on(disk)
    disk.away = True
    blocked = [reported(Outcome.BLOCKED) for _ in range(5)]
    for one in (*blocked, *(reported() for _ in range(MOST_WAITING))):
        await keeper.keep(one, False)
    assert (keeper.state.waiting, keeper.state.dropped, keeper.state.fault) == (MOST_WAITING, 5, "the disk is full")
    disk.away = False
    await keeper.flush()
    assert {one.measurement.id for one in blocked} <= {one.measurement.id for one in delivered(disk)}
    disk.close()


async def test_pages_that_wait_in_memory_go_before_the_machine_runs_short(disk: Disk) -> None:
    keeper, page = keeper_on(disk), bytes(64 << 10)
    every = [reported(Outcome.BLOCKED, body=page) for _ in range(MOST_BYTES // len(page) + 6)]
    disk.away = True
    for one in every:
        await keeper.keep(one, False)
    assert (keeper.state.waiting, keeper.state.dropped) == (len(every), 0), "none of them is lost for its page"
    disk.away = False
    await keeper.flush()
    found = delivered(disk)
    assert [one.measurement.id for one in found] == [one.measurement.id for one in every]
    assert [one.compact for one in found] == [True] * 6 + [False] * (len(every) - 6)
    assert found[0].measurement == compacted(every[0].measurement)
    disk.close()


async def test_without_a_collector_nothing_piles_up(disk: Disk) -> None:
    stirred: list[bool] = []
    keeper = Keeper(disk, SetClock(), trio.CapacityLimiter(1), stirred.append, wanted=False)
    await keeper.keep(reported(Outcome.BLOCKED), True)
    assert (disk.stats().measurements, keeper.state.waiting, stirred) == (0, 0, [])
    disk.close()


def test_ages_outlast_a_restart_of_the_daemon_where_the_clock_does(tmp_path: Path) -> None:
    config, clock, ages = AgentConfig(state=tmp_path), SystemClock(), list[float | None]()
    for kind in (clock, SystemClock(), SetClock()):
        lasting = Lasting(config, kind)
        lasting.spool.add(reported(), monotonic=clock.monotonic() - 100)
        batch = lasting.spool.batch(AGENT, now=NOW, monotonic=clock.monotonic())
        assert batch is not None
        ages.append(batch.report().measurements[0].age)
        lasting.close()
    assert ages[2] is None, "a clock that nothing is known of"
    if BOOT.exists():
        assert ages[1] == pytest.approx(100, abs=60)
    assert ages[0] is not None


# --- compact or whole ---

SERVICE = SHIPPED.platforms[0].services[0]


def said(wording: Wording, outcome: Outcome = Outcome.OK, mode: str = "light", chain: str = "ab") -> bool:
    """Whether it was put compact."""
    one = reported(outcome)
    steps = tuple(
        msgspec.structs.replace(step, chain_sha256=chain) if isinstance(step, TlsStep) else step
        for step in one.measurement.steps
    )
    measurement = msgspec.structs.replace(one.measurement, mode=mode, steps=steps)
    vote = Vote("id", Visit(platform="x", service=SERVICE, endpoints=SERVICE.endpoints), 0.0)
    return wording.of(Judged(measurement, one.verdict), vote, lease=None, vpn=False).compact


def test_only_healthy_light_results_that_say_nothing_new_are_compact() -> None:
    wording = Wording()
    assert not said(wording), "the first"
    assert said(wording)
    assert not said(wording, mode="deep")
    assert not said(wording, chain="cd"), "a chain that was not seen before"
    assert said(wording, chain="cd")
    assert not said(wording, Outcome.BLOCKED)
    assert not said(wording, Outcome.BLOCKED), "a failure is whole each time"
    assert not said(wording), "a change"
    assert said(wording)


# --- re-tests ---


async def granted(*wishes: Retest, clock: SetClock | None = None) -> list[Visit]:
    clock, found = clock or SetClock(), list[Visit]()
    planner = Planner(
        SHIPPED,
        memory=Memory(),
        costs=Costs(),
        budget=Budget(0, clock),
        rhythm=Rhythm(),
        chance=random.Random(1),
        platforms=("x", "telegram"),
    )

    def want(visit: Visit) -> bool:
        found.append(visit)
        return True

    send, receive = trio.open_memory_channel[Retest](len(wishes))
    for wish in wishes:
        send.send_nowait(wish)
    send.close()
    await Retests(clock, receive, lambda: planner, want).run()
    return found


def wish(id: str, platform: str = "x", service: str = "web", seconds: float = 600) -> Retest:
    return Retest(id=id, platform=platform, service=service, until=MIDNIGHT + dt.timedelta(seconds=seconds))


async def test_a_wish_is_granted_once_within_the_owners_platforms_and_its_time() -> None:
    found = await granted(
        wish("1"), wish("1"), wish("2", "facebook"), wish("3", "x", "nothing"), wish("4", seconds=-1), wish("5")
    )
    assert [visit.retest for visit in found] == ["1", "5"]
    assert {(visit.key, visit.mode, len(visit.endpoints)) for visit in found} == {("x.web", "deep", 2)}
    assert all(visit.until is not None for visit in found)


async def test_a_collector_cannot_keep_a_probe_busy() -> None:
    found = await granted(*(wish(str(number)) for number in range(3 * MOST_AN_HOUR)))
    assert len(found) == MOST_AN_HOUR
