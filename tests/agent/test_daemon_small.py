"""The daemon's small parts: restarts, systemd, the lock, what notices sleep and other networks."""

import datetime as dt
import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from probe.agent.daemon_lock import locked
from probe.agent.durable import StateError
from probe.agent.identity import Attached
from probe.agent.sdnotify import Notifier
from probe.agent.signals import obey
from probe.agent.supervise import Supervisor
from probe.agent.watch import Disturbance, Watch, moved

from .schedule_days import SetClock

HOME = frozenset({"192.168.1.20", "wlan0 192.168.1.1"})
ROUTER, OTHER_ROUTER = frozenset({"02:00:00:00:00:01"}), frozenset({"02:00:00:00:00:02"})


async def test_a_part_that_fails_is_started_again_with_back_off_and_one_line_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, lives = SetClock(), list[float]()

    async def part() -> None:
        lives.append(clock.monotonic())
        if len(lives) < 5:
            raise ValueError("no route\nto 192.0.2.7")

    supervisor = Supervisor(clock)
    with caplog.at_level(logging.ERROR):
        await supervisor.keep("uplink", part)
    assert [b - a for a, b in itertools.pairwise(lives)] == [1, 2, 4, 8]
    assert supervisor.restarts == {"uplink": 4}
    assert caplog.messages[0] == "uplink failed, starts again in 1 s: ValueError: no route to [scrubbed]"
    assert len(caplog.messages) == 4


async def test_cancelling_the_daemon_is_no_failure_of_its_parts() -> None:
    supervisor = Supervisor(SetClock())
    with trio.move_on_after(0.01):
        await supervisor.keep("rounds", trio.sleep_forever)
    assert not supervisor.restarts


@pytest.fixture
def systemd(tmp_path: Path) -> tuple[socket.socket, dict[str, str]]:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(tmp_path / "notify"))
    sock.settimeout(5)
    return sock, {"NOTIFY_SOCKET": str(tmp_path / "notify")}


def test_systemd_is_told_of_start_reload_and_end(systemd: tuple[socket.socket, dict[str, str]]) -> None:
    sock, environment = systemd
    with sock:
        notifier = Notifier(environment)
        for tell in (notifier.ready, notifier.reloading, notifier.stopping):
            tell()
        said = [sock.recv(200).decode() for _ in range(3)]
    assert (said[0], said[2]) == ("READY=1", "STOPPING=1")
    assert said[1].startswith("RELOADING=1\nMONOTONIC_USEC=")


async def test_the_watchdog_is_fed_twice_as_often_as_it_wants(
    systemd: tuple[socket.socket, dict[str, str]],
) -> None:
    sock, environment = systemd
    with sock:
        with trio.move_on_after(0.1):
            await Notifier(environment | {"WATCHDOG_USEC": "20000"}).keep_alive()
        said = sock.recv(200)
    assert said == b"WATCHDOG=1"


async def test_where_no_systemd_is_nothing_is_said_and_nothing_waited_for() -> None:
    notifier = Notifier({"WATCHDOG_USEC": "20000"})
    notifier.ready()
    await notifier.keep_alive()
    Notifier({"NOTIFY_SOCKET": "/nowhere/notify"}).ready()


def test_one_daemon_a_folder_also_after_the_other_was_killed(tmp_path: Path) -> None:
    hold = "import sys, time, pathlib; from probe.agent.daemon_lock import locked\n"
    hold += "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StateError, match=rf"another `probe run` uses this folder \(process {other.pid}\)"):
            locked(tmp_path).__enter__()
        other.kill()
    with locked(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


async def test_signals_stop_and_reload() -> None:
    heard: list[str] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(obey, lambda: heard.append("stop"), lambda: heard.append("reload"))
        for number, word in ((signal.SIGHUP, "reload"), (signal.SIGTERM, "stop"), (signal.SIGINT, "stop")):
            os.kill(os.getpid(), number)
            while heard[-1:] != [word]:  # noqa: ASYNC110 (the signal comes when it comes)
                await trio.sleep(0.001)
            heard.clear()
        nursery.cancel_scope.cancel()


# --- sleep, clocks, networks ---


class Suspended(SetClock):
    """Each sleep takes as much longer, and moves the wall clock as much, as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.extra: list[tuple[float, Callable[[], None]]] = []
        self.ran = 0.0

    async def sleep(self, seconds: float) -> None:
        await trio.lowlevel.checkpoint()
        if not self.extra:
            await trio.sleep_forever()
        longer, then = self.extra.pop(0)
        self.at += seconds + longer
        self.ran += seconds
        then()


async def noticed(*happens: tuple[float, Callable[["World"], None]]) -> list[Disturbance]:
    world, found = World(), list[Disturbance]()
    world.clock.extra = [(longer, lambda then=then: then(world)) for longer, then in happens]  # type: ignore[misc]
    with trio.move_on_after(0.05):
        await Watch(world.clock, found.append, lambda: world.attached, lambda: world.clock.ran).run()
    return found


class World:
    def __init__(self) -> None:
        self.clock, self.attached = Suspended(), HOME

    def set_clock(self, hours: float) -> None:
        self.clock.wrong = dt.timedelta(hours=hours)

    def lag(self, seconds: float) -> None:
        self.clock.ran += seconds

    def attach(self, attached: frozenset[str]) -> None:
        self.attached = attached


def nothing(_: World) -> None:
    pass


async def test_sleep_a_set_clock_and_another_network_are_noticed_once_each() -> None:
    assert await noticed((0, nothing), (2, nothing)) == []
    assert await noticed((0, nothing), (3600, nothing), (0, nothing)) == ["slept"]
    assert await noticed((0, nothing), (25, lambda world: world.lag(25)), (0, nothing)) == [], "a busy machine"
    assert await noticed((0, lambda world: world.set_clock(1)), (0, nothing)) == ["clock set"]
    assert await noticed((0, lambda world: world.set_clock(-1)), (0, nothing)) == ["clock set"]
    away = frozenset({"10.0.0.3", "wlan0 10.0.0.1"})
    assert await noticed((0, lambda world: world.attach(away)), (0, nothing)) == ["network changed"]


def test_a_neighbour_that_was_forgotten_is_no_other_network_and_another_one_is() -> None:
    assert not moved(HOME | ROUTER, HOME)
    assert not moved(HOME, HOME | ROUTER)
    assert not moved(HOME | ROUTER, HOME | ROUTER | OTHER_ROUTER)
    assert moved(HOME | ROUTER, HOME | OTHER_ROUTER)
    assert moved(HOME, frozenset())
    assert not moved(HOME | ROUTER, HOME | {"00:00:00:00:00:00"})


def test_what_the_machine_is_attached_to_stays_the_same_until_it_moves() -> None:
    looks = [HOME, HOME | ROUTER, HOME, HOME | ROUTER, HOME | OTHER_ROUTER, HOME]
    attached = Attached(lambda: looks.pop(0))
    given = [attached() for _ in range(5)]
    assert len({id(one) for one in given[:3]}) == 1
    assert given[3] != given[2]
    assert given[4] is given[3]
