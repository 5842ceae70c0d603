"""Check-ins of one probe, what gap between two is usual for it, and which were longer than that."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

import msgspec

_LEARNT = 6  # check-ins before a probe's gap is known
_LATE, _GRACE = 2.5, 60.0
_LEEWAY = 0.8  # how far the usual gap may shrink before all steps are looked through again


class Beats(msgspec.Struct):
    """`times` in order. What follows it is made from it, and kept so that a check-in costs little however many there
    were: how often each step was seen, in whole seconds; their median; and all steps longer than `floor`."""

    probe: str
    witness: str
    times: list[float]
    steps: dict[int, int] | None = None
    usual: float | None = None
    floor: float = float("inf")
    long: list[tuple[float, float]] = []

    @property
    def known(self) -> bool:
        return len(self.times) >= _LEARNT

    def add(self, time: float) -> None:
        times = self.times
        if not times or time > times[-1]:
            if times:
                self._step(times[-1], time)
            else:
                self.steps = {}
            times.append(time)
            return
        at = bisect_left(times, time)
        if times[at] != time:
            times.insert(at, time)
            self.steps = self.usual = None

    def after(self, time: float) -> float | None:
        """The first check-in later than that."""
        at = bisect_right(self.times, time)
        return self.times[at] if at < len(self.times) else None

    def forget(self, before: float) -> None:
        old = bisect_left(self.times, before)
        if not old:
            return
        if self.steps is not None:
            for begin, end in zip(self.times[:old], self.times[1 : old + 1], strict=False):
                self._unstep(round(end - begin))
        del self.times[:old]
        self.long = [gap for gap in self.long if gap[0] >= before]
        self.usual = None

    def patience(self) -> float:
        """After how long without a check-in the probe is overdue."""
        if self.steps is None:
            self._count()
        if self.usual is None:
            self.usual = self._median()
        return _LATE * self.usual + _GRACE

    def gaps(self) -> Iterator[tuple[float, float]]:
        """The steps that took longer than its patience, in order."""
        patience = self.patience()
        if patience < self.floor:
            self.floor = (patience - _GRACE) * _LEEWAY + _GRACE
            steps = zip(self.times, self.times[1:], strict=False)
            self.long = [(begin, end) for begin, end in steps if end - begin > self.floor]
        return ((begin, end) for begin, end in self.long if end - begin > patience)

    def _step(self, begin: float, end: float) -> None:
        if self.steps is not None:
            took = round(end - begin)
            self.steps[took] = self.steps.get(took, 0) + 1
            self.usual = None
        if end - begin > self.floor:
            self.long.append((begin, end))

    def _unstep(self, took: int) -> None:
        steps = self.steps or {}
        steps[took] = steps.get(took, 0) - 1
        if steps[took] <= 0:
            del steps[took]

    def _count(self) -> None:
        found: dict[int, int] = {}
        for begin, end in zip(self.times, self.times[1:], strict=False):
            took = round(end - begin)
            found[took] = found.get(took, 0) + 1
        self.steps, self.usual, self.floor = found, None, float("inf")

    def _median(self) -> float:
        steps = self.steps or {}
        half, seen, lower = (len(self.times) - 1) / 2, 0, None
        for took in sorted(steps):
            seen += steps[took]
            if lower is not None:
                return (lower + took) / 2
            if seen > half:
                return float(took)
            if seen == half:
                lower = took
        return 0.0
