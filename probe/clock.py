"""Time, injected: the wall clock, durations and waiting, of this machine or of a scenario.

A scenario's clock runs `speed` times as fast and may be set forward (a jump over a quiet stretch). It scales the wall
clock and intervals, never a timeout of the network: steps go on to use trio's own time.
"""

import datetime as dt
import json
import math
import time
from pathlib import Path
from typing import Protocol

import trio

_LOOK = 0.1  # seconds between two looks at a scenario's clock while waiting: a jump must wake the sleeper


class Clock(Protocol):
    """`now` is UTC. `monotonic` is in seconds, never goes back, goes on while the machine sleeps where the system
    tells, and is comparable within one process only."""

    def now(self) -> dt.datetime: ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(max(0.0, seconds))


class ScenarioClock:
    """Reads a file that `set_scenario` writes: `{"real": UNIX, "scenario": UNIX, "speed": N}`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[tuple[int, int], dict[str, float]] | None = None

    def now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.monotonic(), dt.UTC)

    def monotonic(self) -> float:
        state = self._state()
        return state["scenario"] + (time.time() - state["real"]) * state["speed"]

    async def sleep(self, seconds: float) -> None:
        until = self.monotonic() + max(0.0, seconds)
        while (left := until - self.monotonic()) > 0:  # noqa: ASYNC110 (the clock is set by another process)
            await trio.sleep(min(_LOOK, left / self._speed()))
        await trio.lowlevel.checkpoint()

    def _speed(self) -> float:
        return max(math.ulp(1.0), self._state()["speed"])

    def _state(self) -> dict[str, float]:
        """Read again only where another file took its place."""
        found = self._path.stat()
        version = (found.st_mtime_ns, found.st_ino)
        if self._read is None or self._read[0] != version:
            self._read = version, json.loads(self._path.read_text())
        return self._read[1]


def set_scenario(path: Path, at: dt.datetime, speed: float) -> None:
    """From now on it is `at`, and time runs `speed` times as fast. Atomic: readers never see half a file."""
    state = {"real": time.time(), "scenario": at.timestamp(), "speed": speed}
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(json.dumps(state))
    fresh.replace(path)


def clock_from(path: str | None) -> Clock:
    """The scenario's clock where a file is named (`PROBE_CLOCK`), else the machine's."""
    return ScenarioClock(Path(path)) if path else SystemClock()
