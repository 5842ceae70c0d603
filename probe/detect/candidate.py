"""One excursion under judgement, and what can be held of its votes."""

import math
from collections.abc import Callable, Mapping, Sequence

import msgspec

from probe.detect.exact import Contrast
from probe.detect.excursion import Entry, Excursion
from probe.detect.settings import MINUTE
from probe.detect.votes import Cell

_NEWEST, _GOES_ON = 10, 0.3


class Judgement(msgspec.Struct, kw_only=True):
    """`event` is `here`, or `everywhere` where it fails abroad and for controls too. `basis` says who confirmed it: the
    witnesses of one network, or of the nation's."""

    event: str = "here"
    confirmed: float | None = None
    basis: str = ""
    ratio: float = 0.0
    threshold: float = 0.0
    pivot: float | None = None
    here: tuple[int, int] = (0, 0)
    elsewhere: str = ""


class Candidate:
    """One excursion under judgement, swept vote by vote."""

    def __init__(self, cell: Cell, excursion: Excursion) -> None:
        self.cell, self.excursion = cell, excursion
        self.onset, self.after = excursion.onset()
        self.contrasts: tuple[Contrast, ...] = ()
        self.reset()

    def reset(self) -> None:
        self.judgement = Judgement(threshold=self.excursion.threshold)
        self.taken: list[Entry] = []
        self.first: dict[str, float] = {}
        self.full = self.some = 0.0
        self.settled, self.swept = False, 0
        self.half = math.inf

    def settle(self, judgement: Judgement) -> None:
        self.judgement, self.settled = judgement, True

    @property
    def newest(self) -> float:
        """Until when anything that came late could change what is judged: the decision, or what was written last."""
        decided = self.judgement.confirmed
        return (
            decided if decided is not None else self.excursion.ledger[-1].time if self.excursion.ledger else self.onset
        )

    def take(self, entry: Entry, half: float) -> None:
        """`half` of the threshold: what works elsewhere counts where it is newer than that much evidence. An ok newer
        than the first failure only may be older than the outage that caused the others."""
        self.taken.append(entry)
        if entry.failed:
            self.first.setdefault(entry.witness, entry.time)
        self.full += entry.full
        self.some += entry.some
        self.half = min(self.half, entry.time) if self.ratio >= half else math.inf

    @property
    def failing(self) -> bool:
        """Whether it goes on: what works elsewhere now says nothing of what failed here an hour ago."""
        newest = [entry.failed for entry in self.taken[-_NEWEST:] if entry.probe]
        return bool(newest) and newest[-1] and sum(newest) >= _GOES_ON * len(newest)

    @property
    def ratio(self) -> float:
        return max(self.full, self.some, 0.0)

    def open_at(self, time: float) -> bool:
        return bool(self.taken) and (self.excursion.closed is None or time <= self.excursion.closed)

    def fit(self, unfit: "Fitness") -> "Standing":
        """What is left of the ratio without what probes said while they failed at everything, and without what
        controls call down."""
        began: dict[str, float] = {}
        out: dict[str, float] = {}
        for entry in self.taken:
            if not entry.failed:
                began.pop(entry.probe, None)
            elif unfit(self.cell, entry.probe, began.setdefault(entry.probe, entry.time), entry.time):
                out[entry.probe] = entry.time
        left = [e for e in self.taken if e.time > out.get(e.probe, -math.inf) and e.outcome != "down"]
        return Standing(left)


Fitness = Callable[[Cell, str, float, float], bool]


class Standing:
    """The ratio and the witnesses of some of the votes."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.ratio = max(sum(entry.full for entry in entries), sum(entry.some for entry in entries), 0.0)
        self.first: dict[str, float] = {}
        for entry in entries:
            if entry.failed:
                self.first.setdefault(entry.witness, entry.time)
        self._votes: dict[str, list[int]] = {}
        self._since: set[str] = set()  # who voted since a second witness had failed
        second = _second(self.first) if self.first else 0.0
        for entry in entries:
            if entry.probe:
                self._votes.setdefault(entry.witness, [0, 0])[entry.failed] += 1
            if entry.probe and entry.time >= second:
                self._since.add(entry.witness)

    @property
    def prevails(self) -> bool:
        """Two witnesses at least; and where only two fail and as many see nothing wrong in that time, it is rather
        something that the two have in common, such as a resolver that blocks advertisements."""
        solid = sum(failed > 1 or (failed > 0 and not worked) for worked, failed in self._votes.values())
        since = (votes for witness, votes in self._votes.items() if witness in self._since)
        fine = sum(failed == 0 or (failed == 1 and worked > 1) for worked, failed in since)
        return len(self.first) > 1 and (solid > 2 or (solid == 2 and fine < 2))


def _second(first: Mapping[str, float]) -> float:
    """When a second witness had failed, less a minute: one false failure just before an outage must not date it."""
    times = sorted(first.values())
    return max(times[0], times[min(1, len(times) - 1)] - MINUTE)
