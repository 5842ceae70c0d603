"""Whose time it is: that of a collector of our own, set as we please, or the real one."""

import datetime as dt
from pathlib import Path
from typing import Protocol

import msgspec
import trio

from probe.clock import set_scenario
from probe.lab.scenario.model import Scenario


class Pace(Protocol):
    """`reach` returns when it is `at`; `now` is what the collector's clock says."""

    def now(self) -> dt.datetime: ...

    async def reach(self, at: dt.datetime, *, jump: bool = False) -> None: ...


class Stepped:
    """The clock of our own collector stands while probes report and analysis catches up, so it is never late, however
    slow the machine. `speed`: at most so many seconds a second."""

    def __init__(self, file: Path, at: dt.datetime, speed: float | None) -> None:
        self._file, self._at, self._speed = file, at, speed
        self._since: float | None = None
        set_scenario(file, at, 0)

    def now(self) -> dt.datetime:
        return self._at

    async def reach(self, at: dt.datetime, *, jump: bool = False) -> None:
        if self._speed is not None and not jump:
            began = trio.current_time() if self._since is None else self._since
            await trio.sleep_until(began + (at - self._at).total_seconds() / self._speed)
        self._since = trio.current_time()
        self._at = max(at, self._at)
        set_scenario(self._file, self._at, 0)


class Past:
    """All of it has happened already: reports are sent as fast as they are taken."""

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    async def reach(self, at: dt.datetime, *, jump: bool = False) -> None:
        del at, jump
        await trio.lowlevel.checkpoint()


class Live(Past):
    """It happens now, a second a second."""

    async def reach(self, at: dt.datetime, *, jump: bool = False) -> None:
        del jump
        await trio.sleep(max(0.0, (at - self.now()).total_seconds()))


def shifted(scenario: Scenario, by: dt.timedelta) -> Scenario:
    """The same at another time."""
    expect = scenario.expect
    first = msgspec.structs.replace(expect.first, onset=expect.first.onset + by) if expect.first else None
    end = msgspec.structs.replace(expect.end, at=expect.end.at + by) if expect.end else None
    phases = tuple(
        msgspec.structs.replace(
            phase,
            since=phase.since + by if phase.since else None,
            until=phase.until + by if phase.until else None,
        )
        for phase in expect.phases
    )
    return msgspec.structs.replace(
        scenario,
        starts=scenario.starts + by,
        ends=scenario.ends + by if scenario.ends else None,
        events=tuple(msgspec.structs.replace(event, at=event.at + by) for event in scenario.events),
        expect=msgspec.structs.replace(expect, first=first, end=end, phases=phases),
    )
