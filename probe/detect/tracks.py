"""The cells' histories in memory, run on by new votes and run again where votes come late."""

import sys
from collections.abc import Iterable

import msgspec

from probe.detect.cell import Facts, History, feed
from probe.detect.fleet import Fleet
from probe.detect.settings import DAY, Settings
from probe.detect.speed import feed_speed
from probe.detect.store import Votes
from probe.detect.votes import CONTROL, FAILED, NETWORK, REACHABILITY, SPEED, Cell, Order, Vote, order

_STRETCH = 16  # votes between two checkpoints in memory

_packed = msgspec.msgpack.Encoder()
_unpacked = msgspec.msgpack.Decoder(History)


class Track:
    """One cell: its history now, two checkpoints not far behind, and the votes that came since it was last run."""

    __slots__ = ("first", "history", "newer", "older", "pending", "service", "since")

    def __init__(self, cell: Cell) -> None:
        self.service = sys.intern(f"{cell.platform}.{cell.service}")
        self.history = History()
        self.older: tuple[Order, bytes] | None = None
        self.newer: tuple[Order, bytes] | None = None
        self.since = 0
        self.first: float | None = None
        self.pending: list[tuple[Order, Vote]] = []

    def checkpoint(self, before: Order) -> bytes | None:
        return next((kept[1] for kept in (self.newer, self.older) if kept is not None and kept[0] < before), None)

    def trim(self, after: Order) -> None:
        """Checkpoints that a late vote has made wrong."""
        if self.newer is not None and self.newer[0] >= after:
            self.newer = None
        if self.older is not None and self.older[0] >= after:
            self.older = None


class Kept(msgspec.Struct, array_like=True):
    """A track as it is stored."""

    history: bytes
    older: tuple[Order, bytes] | None
    newer: tuple[Order, bytes] | None
    since: int
    first: float | None
    pending: list[tuple[Order, Vote]]


class Tracks:
    """All cells. `durable` keeps checkpoints, without which a late vote runs its cell from the beginning."""

    def __init__(self, settings: Settings, votes: Votes, durable: bool) -> None:
        self.cells: dict[Cell, Track] = {}
        self.fleet = Fleet()
        self._settings, self._votes, self._durable = settings, votes, durable
        self._facts: dict[tuple[int, str, str], Facts] = {}
        self._thresholds: dict[int, float] = {}
        self._dirty: set[Cell] = set()
        self._earliest = float("inf")

    def add(self, cell: Cell, vote: Vote) -> bool:
        """False where this vote was there already."""
        place = order(vote)
        if not self._votes.append(cell, vote, place):
            return False
        if cell.aspect == CONTROL:
            return True
        track = self.cells.get(cell)
        if track is None:
            track = self.cells[cell] = Track(cell)
        track.pending.append((place, vote))
        self._dirty.add(cell)
        if cell.aspect == REACHABILITY:
            self._count(track, vote)
        return True

    def run(self) -> tuple[dict[Cell, float], dict[Cell, float]]:
        """Brings every cell up to date. Returns those that were run, with the moment since when, and those among them
        that were run again though they got no votes."""
        again = self._changed_facts()
        ran: dict[Cell, float] = {}
        for cell in self._dirty | again.keys() if again else self._dirty:
            track = self.cells[cell]
            ran[cell] = self._run(cell, track, again.get(cell))
        self._dirty, self._earliest = set(), float("inf")
        return ran, {cell: place[0] for cell, place in again.items()}

    def threshold(self, time: float) -> float:
        day = int(time // DAY)
        if day not in self._thresholds:
            self._thresholds[day] = self.fleet.threshold(day, self._settings)
        return self._thresholds[day]

    def packed(self, cell: Cell) -> bytes:
        track = self.cells[cell]
        history = _packed.encode(track.history)
        return _packed.encode(Kept(history, track.older, track.newer, track.since, track.first, track.pending))

    def restore(self, fleet: Fleet, cells: Iterable[tuple[Cell, Kept]]) -> None:
        self.fleet = fleet
        for cell, kept in cells:
            track = self.cells[cell] = Track(cell)
            track.history = _unpacked.decode(kept.history)
            track.older, track.newer, track.since = kept.older, kept.newer, kept.since
            track.first, track.pending = kept.first, kept.pending
            if track.pending:
                self._dirty.add(cell)

    def _count(self, track: Track, vote: Vote) -> None:
        time = vote.time
        self._earliest = min(self._earliest, time)
        self.fleet.count(time, track.service, vote.outcome in FAILED)
        if track.first is None or time < track.first:
            if track.first is None or time // DAY < track.first // DAY:
                self.fleet.meet(time, track.first)
            track.first = time

    def _run(self, cell: Cell, track: Track, since: Order | None) -> float:
        pending, track.pending = track.pending, []
        if len(pending) > 1:
            pending.sort(key=_place)
        at = track.history.at
        begin = since
        if pending:
            first = pending[0][0]
            if at is not None and first <= at and (since is None or first < since):
                begin = first
            if begin is None:
                self._feed(cell, track, pending)
                return first[0]
        assert begin is not None
        self._feed(cell, track, [(order(vote), vote) for vote in self._rewound(cell, track, begin)])
        return begin[0]

    def _rewound(self, cell: Cell, track: Track, begin: Order) -> Iterable[Vote]:
        track.trim(begin)
        self._votes.drop(cell, begin)
        state = track.checkpoint(begin) or self._votes.kept(cell, begin)
        track.history = _unpacked.decode(state) if state is not None else History()
        track.since = 0
        return self._votes.of_cell(cell, track.history.at)

    def _feed(self, cell: Cell, track: Track, votes: Iterable[tuple[Order, Vote]]) -> None:
        day, facts = None, None
        one = feed_speed if cell.aspect == SPEED else feed
        for place, vote in votes:
            if facts is None or vote.time // DAY != day:
                day = vote.time // DAY
                facts = self._facts_of(int(day), cell.aspect, track.service)
                if self._durable and track.history.at is not None and track.history.at[0] // DAY != day:
                    self._votes.keep(cell, track.history.at, _packed.encode(track.history))
            one(track.history, vote, place, facts, self._settings)
            track.since += 1
            if track.since >= _STRETCH and self._durable:
                self._mark(track)

    def _mark(self, track: Track) -> None:
        assert track.history.at is not None
        track.older, track.newer = track.newer, (track.history.at, _packed.encode(track.history))
        track.since = 0

    def _facts_of(self, day: int, aspect: str, service: str) -> Facts:
        key = (day, aspect, service)
        facts = self._facts.get(key)
        if facts is None:
            facts = self._facts[key] = self._made(*key)
        return facts

    def _made(self, day: int, aspect: str, service: str) -> Facts:
        settings = self._settings
        threshold = self.threshold(day * DAY)
        if aspect == NETWORK:
            lower = max(settings.least_threshold, settings.network_share * threshold)
            return Facts(lower, settings.prior_rate, settings.network_cap)
        return Facts(threshold, self.fleet.usual_rate(day, service, settings), settings.witness_cap * threshold)

    def _changed_facts(self) -> dict[Cell, Order]:
        """Cells to be run again since a day, because what was taken of the whole fleet on that day has changed."""
        if self._earliest == float("inf") or not self._facts:
            return {}
        touched = int(self._earliest // DAY)
        old = self._facts
        self._thresholds = {day: value for day, value in self._thresholds.items() if day < touched}
        self._facts = {key: facts for key, facts in old.items() if key[0] < touched}
        changed: dict[tuple[str, str], int] = {}
        for key, facts in old.items():
            day, aspect, service = key
            if day >= touched:
                made = self._facts[key] = self._made(day, aspect, service)
                if made != facts:
                    changed[aspect, service] = min(day, changed.get((aspect, service), day))
        if not changed:
            return {}
        return {
            cell: _start(changed[cell.aspect, f"{cell.platform}.{cell.service}"])
            for cell in self.cells
            if (cell.aspect, f"{cell.platform}.{cell.service}") in changed
        }


def _place(pair: tuple[Order, Vote]) -> Order:
    return pair[0]


def _start(day: int) -> Order:
    return (day * DAY, "", False, -1, "", "")
