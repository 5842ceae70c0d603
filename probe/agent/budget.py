"""How many bytes the probe may still put on the wire.

A bucket that fills slowly and evenly, and holds little: what goes out in any 24 hours, wherever they begin, is at most
what the bucket held plus what flowed in. A day that ends at midnight would allow two budgets around it, and leave a
probe that spent too fast dark until then. What has been spent survives a restart; what a round may cost is written down
before it begins, so that a probe that is killed over and over spends no more.
"""

import datetime as dt
import math
from pathlib import Path
from typing import TypeVar

import msgspec

from probe.agent.durable import StateError, read_small, write_durably
from probe.clock import Clock

Document = TypeVar("Document", bound=msgspec.Struct)

DAY = 86400.0
_AT_ONCE = 0.05  # share of a day's budget that the bucket holds,
_AT_ONCE_BYTES = 600_000  # but so much at the least, where that is no more than half: some reports are large
_SLACK = 0.02  # share kept for what a measurement costs beyond what was expected of it
_RESERVE = 0.4  # of the bucket: kept for failures, which are looked at deeply at once, and for reports
_LEAST_SHARE = 0.25  # of what flows in, for measuring, however little is left
_LIFE = 300.0  # seconds: what flows in during a round may be spent in it
_HOUR = 3600


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """`hours`: bytes by hour since 1970, UTC, of the last day."""

    at: dt.datetime
    level: float
    hours: dict[int, int] = {}


class Budget:
    """`limit` in bytes a day, both directions; 0 is none. Charged with `add`, by whoever moves bytes."""

    def __init__(self, limit: int, clock: Clock, path: Path | None = None) -> None:
        self._clock, self._path = clock, path
        self.sent = self.received = 0
        self._set(limit)
        self._level, self._at, self._held = self._capacity, clock.monotonic(), 0.0
        self._hours: dict[int, int] = {}
        self._restore()

    def add(self, sent: int, received: int) -> None:
        self.sent += sent
        self.received += received
        self._level = self._filled() - sent - received
        self._at = self._clock.monotonic()
        hour = int(self._clock.now().timestamp()) // _HOUR
        self._hours[hour] = self._hours.get(hour, 0) + sent + received

    def resize(self, limit: int) -> None:
        """From now on, another limit."""
        self._level, self._at = self._filled(), self._clock.monotonic()
        self._set(limit)

    def _set(self, limit: int) -> None:
        self.limit = limit
        self._capacity = min(max(limit * _AT_ONCE, _AT_ONCE_BYTES), limit / 2)
        self.rate = (limit * (1 - _SLACK) - self._capacity) / DAY if limit else math.inf

    @property
    def total(self) -> int:
        """Bytes since the daemon started."""
        return self.sent + self.received

    def left(self) -> float:
        """What may be spent now; below zero where something cost more than expected."""
        return self._filled() - self._held if self.limit else math.inf

    def wait_for(self, cost: float) -> float:
        """Seconds until so much is left."""
        return max(0.0, (min(cost, self._capacity) - self.left()) / self.rate) if self.limit else 0.0

    def hold(self, cost: float) -> bool:
        """Sets so much aside for something that begins now; False where there is not as much."""
        if self.left() < cost:
            return False
        self._held += cost
        return True

    def release(self, cost: float) -> None:
        """What was set aside has been charged, or was not needed."""
        self._held -= cost

    def allowance(self, seconds: float) -> float:
        """What a round of this length may cost in all: what flows in meanwhile, less where the reserve was drawn on,
        more where there is something beyond it."""
        if not self.limit:
            return math.inf
        reserve = _RESERVE * self._capacity
        share = min(1.0, max(_LEAST_SHARE, self.left() / reserve))
        return self.rate * seconds * share + max(0.0, self.left() - reserve)

    def may_upload(self, size: int) -> bool:
        """Reports may take half of the reserve: a backlog then shares what flows in with the measurements."""
        return self.left() >= size + _RESERVE / 2 * self._capacity if self.limit else True

    def used(self) -> int:
        """Bytes of about the last 24 hours."""
        first = int(self._clock.now().timestamp()) // _HOUR - 24
        self._hours = {hour: spent for hour, spent in self._hours.items() if hour > first}
        return sum(self._hours.values())

    def save(self, ahead: float = 0.0) -> None:
        """Writes down what is left once `ahead` is spent too, but no deeper debt than a life cut short can leave.
        Raises StateError."""
        if self._path is not None and self.limit:
            self.used()
            level = self._filled()
            level = min(level, max(level - ahead, -self.rate * _LIFE))
            saved = Saved(at=self._clock.now(), level=level, hours=self._hours)
            write_durably(self._path, msgspec.json.encode(saved))

    def _filled(self) -> float:
        return min(self._capacity, self._level + self.rate * (self._clock.monotonic() - self._at)) if self.limit else 0

    def _restore(self) -> None:
        """A file that is none, or was written under a larger limit, starts from what it says at most."""
        saved = read_kept(self._path, Saved) if self._path is not None else None
        if saved is None or not self.limit:
            return
        away = (self._clock.now() - saved.at).total_seconds()
        self._level = min(self._capacity, saved.level + self.rate * min(max(0.0, away), DAY))
        self._hours = dict(saved.hours)


def read_kept(path: Path, kind: type[Document]) -> Document | None:
    """None where there is no such file, or one of another shape: what it kept can be learnt again."""
    try:
        raw = read_small(path)
        return None if raw is None else msgspec.json.decode(raw, type=kind)
    except (StateError, msgspec.DecodeError, UnicodeDecodeError):
        return None
