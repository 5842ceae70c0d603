"""How fast a scenario may run here and now: no faster than the machine carries.

Timeouts are real seconds while rounds get shorter with the scenario's speed. Where programs that have something to do
wait long for a processor, handshakes and answers are late, and it is the machine that is measured. The kernel counts
that waiting for every process (`schedstat`); where it does not, the speed stays what was asked for.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

WINDOW = 2.0  # seconds between two looks
_BUSY, _FREE = 0.008, 0.004  # seconds that a program waits each time it has something to do
_SLOWER, _FASTER = 0.6, 1.2
_SLOWEST = 1 / 10  # of what was asked for


class Tempo:
    """`speed` is what holds now; ask it often."""

    def __init__(self, wanted: float, processes: Sequence[int], folder: Path = Path("/proc")) -> None:
        self._wanted, self._speed = wanted, wanted
        self._files = [folder / str(process) / "schedstat" for process in processes]
        self._before = self._waited()
        self._looked = time.monotonic()

    def speed(self) -> float:
        if time.monotonic() - self._looked >= WINDOW:
            self._looked = time.monotonic()
            self._speed = self._fitting()
        return self._speed

    def _fitting(self) -> float:
        before, self._before = self._before, self._waited()
        turns = self._before[1] - before[1]
        each = (self._before[0] - before[0]) / turns if turns > 0 else 0.0
        if each > _BUSY:
            return max(self._speed * _SLOWER, self._wanted * _SLOWEST)
        return min(self._speed * _FASTER, self._wanted) if each < _FREE else self._speed

    def _waited(self) -> tuple[float, int]:
        """Seconds, and how many times, of all processes together."""
        seconds, turns = 0.0, 0
        for file in self._files:
            with suppress(OSError, ValueError):
                _, nanoseconds, count = file.read_text().split()
                seconds, turns = seconds + int(nanoseconds) / 1e9, turns + int(count)
        return seconds, turns
