"""Time as it is injected: a scenario's clock scales and jumps, and never goes back by itself."""

import datetime as dt
from pathlib import Path

import pytest
import trio

from probe.clock import ScenarioClock, SystemClock, clock_from, set_scenario

START = dt.datetime(2020, 2, 27, 20, 20, tzinfo=dt.UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clock.json"
    set_scenario(path, START, 600)
    return path


def test_without_a_file_it_is_the_machines_clock() -> None:
    clock = clock_from(None)
    assert isinstance(clock, SystemClock)
    assert clock.now().tzinfo is dt.UTC
    assert clock.monotonic() <= clock.monotonic()


async def test_waiting_takes_scenario_seconds(file: Path) -> None:
    clock = clock_from(str(file))
    before = clock.monotonic()
    with trio.fail_after(30):
        await clock.sleep(60)
    assert clock.monotonic() - before >= 60
    assert clock.now() >= START + dt.timedelta(seconds=60)


async def test_a_jump_wakes_who_waits(file: Path) -> None:
    set_scenario(file, START, 0.001)
    clock = ScenarioClock(file)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clock.sleep, 3600)
        await trio.sleep(0.05)
        with trio.fail_after(30):
            set_scenario(file, START + dt.timedelta(hours=2), 0.001)
            while nursery.child_tasks:  # noqa: ASYNC110 (it is the sleeper that is waited for)
                await trio.sleep(0.01)


async def test_no_wait_is_still_a_checkpoint(file: Path) -> None:
    with trio.move_on_after(0) as scope:
        await ScenarioClock(file).sleep(0)
    assert scope.cancelled_caught


def test_readers_never_see_half_a_file(file: Path) -> None:
    set_scenario(file, START, 1)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
