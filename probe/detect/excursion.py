"""A stretch in which a cell's statistic is above zero: its ledger of votes, and what became of it.

Two CUSUMs run side by side (E. S. Page, Biometrika 41, 1954): one expects nearly every vote to fail, one two in five.
What one witness has added since the statistic left zero is held under its cap.
"""

import math

import msgspec

from probe.detect.settings import Settings

_LEDGER = 150  # entries kept whole; after these, one failure in five minutes
_LONGEST, _SPARSE = 600, 300.0
_LOCATED = -1.05  # an ok against a failure's 1: full blocking is placed by where failures begin to prevail
_TURN = 3  # failures in a row by another technique


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One vote as it counted. `full` and `some` are what it added to the two statistics."""

    time: float
    probe: str
    witness: str
    outcome: str
    technique: str
    failed: bool
    full: float
    some: float


class Weights(msgspec.Struct, frozen=True, array_like=True):
    """Log-likelihood ratios, fixed when the excursion began. `rate` is of false failures then."""

    rate: float
    failed_full: float
    failed_some: float
    worked_full: float
    worked_some: float
    bonus: list[float]

    @classmethod
    def of(cls, rate: float, bonus: list[float], settings: Settings) -> "Weights":
        full, some = settings.full, settings.some
        failed = math.log(full / rate), math.log(some / rate)
        return cls(rate, *failed, math.log((1 - full) / (1 - rate)), math.log((1 - some) / (1 - rate)), bonus)


class Excursion(msgspec.Struct, array_like=True):
    """`start` is its first failure, `after` the last vote that worked before it. `closed` is when it was decided that
    it is over, `ended` since when the service works again, `last` the last failure, `parts` the stretches of failure
    that ended so far, `since` where the present one began."""

    start: float
    after: float | None
    threshold: float
    weights: Weights
    cap: float
    since: float
    centre: float = 0.0  # speed only: median and spread of the logarithms before it
    scale: float = 0.0
    full: float = 0.0
    some: float = 0.0
    full_of: dict[str, float] = {}
    some_of: dict[str, float] = {}
    peak: float = 0.0
    suspected: float | None = None
    ledger: list[Entry] = []
    carried: tuple[float, float] = (0.0, 0.0)
    failed: int = 0
    worked: int = 0
    before_last: int = 0  # votes that worked up to the last failure
    support: int = 0
    outcomes: dict[str, int] = {}
    techniques: dict[str, int] = {}
    turns: list[tuple[float, str]] = []  # when the technique changed, and to what
    turning: list[tuple[float, str]] = []
    witnesses: dict[str, int] = {}
    pending: list[int] = []
    last: float = 0.0
    placed: tuple[float, float | None] | None = None
    parts: list[tuple[float, float]] = []
    recovery: float = 0.0
    clean: dict[str, int] = {}
    clean_from: float = 0.0
    ended: float | None = None
    closed: float | None = None

    @property
    def ratio(self) -> float:
        return max(self.full, self.some)

    @property
    def prevails(self) -> bool:
        """Three votes in four failed from the first to the last failure: full blocking fits better than partial."""
        return self.failed >= 3 * self.before_last

    @property
    def extent(self) -> str:
        whole = self.failed - self.outcomes.get("partial", 0)
        return "full" if self.prevails and 2 * whole >= self.failed else "partial"

    @property
    def slowed(self) -> bool:
        return 2 * self.outcomes.get("degraded", 0) > self.failed or bool(self.scale)

    def add(self, entry: Entry) -> None:
        """Counts the vote; `entry` has its bare log-likelihood ratios, the ledger what they became under the caps."""
        before = self.full, self.some
        self.full = _risen(self.full + self._capped(self.full_of, entry.witness, entry.full), self.full_of)
        self.some = _risen(self.some + self._capped(self.some_of, entry.witness, entry.some), self.some_of)
        self.peak = max(self.peak, self.full, self.some)
        self._write(entry, self.full - before[0], self.some - before[1])
        if entry.failed:
            self._count(entry)
        else:
            self.worked += 1

    def onset(self) -> tuple[float, float | None]:
        """The first failure of the stretch in which failures prevail, and the last vote that worked before it.

        Of a full block it is the minimum of the cumulative sum with near symmetric weights, so that one false failure
        followed by a vote that worked is not taken for its beginning; else the point where the statistic last rose.
        """
        if self.placed is not None:
            return self.placed
        lowest, total, begin = 0.0, 0.0, 0
        for place, entry in enumerate(self.ledger if self.prevails else ()):
            total += 1.0 if entry.failed else _LOCATED
            if total <= lowest and entry.time < self.last:
                lowest, begin = total, place + 1
        first = next((entry.time for entry in self.ledger[begin:] if entry.failed), self.start)
        worked = [entry.time for entry in self.ledger if not entry.failed and entry.time < first]
        return first, max(worked, default=self.after)

    def close(self, time: float) -> None:
        self.placed = self.onset()
        self.closed, self.ended = time, self.clean_from if self.clean else time
        self.parts.append((max(self.since, self.placed[0]), self.last))

    def resume(self, again: "Excursion") -> None:
        """Goes on where `again` began soon after the end: the same restriction, with a gap."""
        self.ledger.append(Entry(self.closed or self.last, "", "", "ok", "", False, -self.full, -self.some))
        self.ledger.extend(again.ledger)
        for name in ("full", "some", "full_of", "some_of", "last", "carried"):
            setattr(self, name, getattr(again, name))
        for mine, theirs in ((self.outcomes, again.outcomes), (self.techniques, again.techniques)):
            _merge(mine, theirs)
        _merge(self.witnesses, again.witnesses)
        self.failed, self.worked = self.failed + again.failed, self.worked + again.worked
        self.before_last += again.before_last
        self.peak, self.since = max(self.peak, again.peak), again.start
        self.recovery, self.clean, self.closed, self.ended = 0.0, {}, None, None

    def _capped(self, by_witness: dict[str, float], witness: str, weight: float) -> float:
        old = by_witness.get(witness, 0.0)
        new = min(self.cap, old + weight)
        by_witness[witness] = new
        return new - old

    def _write(self, entry: Entry, full: float, some: float) -> None:
        full, some = full + self.carried[0], some + self.carried[1]
        count = len(self.ledger)
        sparse = count >= _LEDGER and not (entry.failed and entry.time - self.ledger[-1].time >= _SPARSE)
        if sparse or count >= _LONGEST:
            self.carried = (full, some)
            return
        self.carried = (0.0, 0.0)
        self.ledger.append(Entry(*_said(entry), full, some))

    def _count(self, entry: Entry) -> None:
        self.failed += 1
        self.before_last, self.last = self.worked, entry.time
        self.outcomes[entry.outcome] = self.outcomes.get(entry.outcome, 0) + 1
        self.witnesses[entry.witness] = self.witnesses.get(entry.witness, 0) + 1
        if entry.technique:
            self.techniques[entry.technique] = self.techniques.get(entry.technique, 0) + 1
            self._turn(entry)

    def _turn(self, entry: Entry) -> None:
        if not self.turns:
            self.turns.append((entry.time, entry.technique))
        if entry.technique == self.turns[-1][1]:
            self.turning = []
            return
        if self.turning and self.turning[0][1] != entry.technique:
            self.turning = []
        self.turning.append((entry.time, entry.technique))
        if len(self.turning) >= _TURN:
            self.turns.append(self.turning[0])
            self.turning = []


def _said(entry: Entry) -> tuple[float, str, str, str, str, bool]:
    return entry.time, entry.probe, entry.witness, entry.outcome, entry.technique, entry.failed


def _risen(statistic: float, by_witness: dict[str, float]) -> float:
    if statistic > 1e-9:
        return statistic
    by_witness.clear()
    return 0.0


def _merge(mine: dict[str, int], theirs: dict[str, int]) -> None:
    for key, count in theirs.items():
        mine[key] = mine.get(key, 0) + count
