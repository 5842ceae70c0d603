"""The cells' histories in memory, run on by new votes and run again where votes come late."""

import math
from collections.abc import Iterable, Sequence

import msgspec

from probe.detect.cell import History, feed
from probe.detect.fleet import Facts, Fleet
from probe.detect.settings import DAY, Settings
from probe.detect.speed import feed_speed
from probe.detect.store import Votes
from probe.detect.track import Kept, Placed, Track
from probe.detect.votes import CONTROL, FAILED, NETWORK, REACHABILITY, SPEED, Cell, Order, Vote, cells_of, order

_STRETCH = 16  # votes between two checkpoints in memory
_NEVER = math.inf

_packed = msgspec.msgpack.Encoder()
_unpacked = msgspec.msgpack.Decoder(History)


class Tracks:
    """All cells. `durable` keeps checkpoints, without which a late vote runs its cell from the beginning."""

    def __init__(self, settings: Settings, votes: Votes, durable: bool) -> None:
        self.cells: dict[Cell, Track] = {}
        self.fleet = Fleet()
        self._settings, self._votes, self._durable = settings, votes, durable
        self._peers: dict[tuple[str, str, str], list[Track]] = {}
        self._facts: dict[int, dict[tuple[str, str], Facts]] = {}
        self._thresholds: dict[int, float] = {}
        self._dirty: list[Track] = []
        self._undone: dict[Track, Order] = {}  # the first of the votes that were taken back since the last run
        self._voted: set[float] = set()  # days of votes that came since the last run
        self._met = _NEVER  # and the earliest day of a cell that was new
        self.floor = -_NEVER  # what is older is not taken any more: votes of the day before it were forgotten in part

    def add(self, vote: Vote) -> Sequence[Cell]:
        """Takes a vote. Returns the cells of controls in which it is new: they have no history."""
        if vote.usual is None and vote.resolver_asn is None and vote.role != CONTROL:
            key = (vote.country, vote.asn, vote.platform, vote.service, REACHABILITY, False)
            track = self.cells.get(key)  # type: ignore[call-overload]  # equal to the cell, and quicker made
            if track is not None:
                self._take(track, vote)
                return ()
        return [cell for cell in cells_of(vote) if self.enter(cell, vote) and cell.aspect == CONTROL]

    def enter(self, cell: Cell, vote: Vote) -> bool:
        """False where this vote was in that cell already."""
        if cell.aspect == CONTROL:
            return self._votes.append(cell, vote, order(vote))
        return self._take(self.cells.get(cell) or self._made_track(cell), vote)

    def remove(self, cell: Cell, vote: Vote) -> None:
        """Takes back a vote that is in that cell, and what it counted."""
        place = order(vote)
        self._votes.remove(cell, place)
        track = self.cells.get(cell)
        if track is None:
            return
        track.pending = [pair for pair in track.pending if pair[0] != place]
        self._undone[track] = min(place, self._undone.get(track, place))
        if track.counts:
            day = vote.time // DAY
            self.fleet.tally(int(day), track.service)[vote.outcome in FAILED] -= 1
            self._voted.add(day)
        if vote.time == track.first:
            self._miss(track)

    def peers(self, cell: Cell) -> Iterable[Track]:
        """The cells of one service in one country."""
        return self._peers.get((cell.country, cell.platform, cell.service), ())

    def run(self) -> dict[Track, float]:
        """Brings every cell up to date. Returns those that were run, with the moment since when."""
        again = self._changed_facts()
        undone, self._undone = self._undone, {}
        for track, place in undone.items():
            again[track] = min(place, again.get(track, place))
        dirty, self._dirty = self._dirty, []
        if again:
            dirty = list(dict.fromkeys([*dirty, *again]))
        return {track: self._run(track, again.get(track)) for track in dirty}

    def threshold(self, time: float) -> float:
        day = int(time // DAY)
        if day not in self._thresholds:
            self._thresholds[day] = self.fleet.threshold(day, self._settings)
        return self._thresholds[day]

    def forget(self, before: float) -> None:
        """Lets go of what is older than the day that `before` is in; of that day there remain votes and checkpoints, so
        that those of the next can still be run again. What is told of a day takes counts of the week before it."""
        day = int(before // DAY)
        self._votes.forget(day * DAY)
        if (day + 1) * DAY <= self.floor:
            return
        self.floor = (day + 1) * DAY
        self.fleet.forget(day)
        self._facts = {number: known for number, known in self._facts.items() if number > day}
        self._thresholds = {number: value for number, value in self._thresholds.items() if number > day}

    def restore(self, fleet: Fleet, cells: Iterable[tuple[Cell, Kept]], floor: float = -_NEVER) -> None:
        self.fleet, self.floor = fleet, floor
        for cell, kept in cells:
            track = self._made_track(cell)
            track.take_up(kept)
            if track.pending:
                self._dirty.append(track)

    def _made_track(self, cell: Cell) -> Track:
        track = self.cells[cell] = Track(cell)
        self._peers.setdefault((cell.country, cell.platform, cell.service), []).append(track)
        return track

    def _take(self, track: Track, vote: Vote) -> bool:
        place = order(vote)
        if not self._votes.append(track.cell, vote, place):
            return False
        if not track.pending:
            self._dirty.append(track)
        track.pending.append((place, vote))
        if track.counts:
            day = vote.time // DAY
            if day != track.day:
                track.day, track.tally = day, self.fleet.tally(int(day), track.service)
            track.tally[vote.outcome in FAILED] += 1
            self._voted.add(day)
        if vote.time < track.first:
            self._meet(track, vote.time)
        return True

    def _meet(self, track: Track, time: float) -> None:
        before, track.first = track.first, time
        if track.counts:
            self.fleet.meet(time, before if before < _NEVER else None)
            self._met = min(self._met, time // DAY)

    def _miss(self, track: Track) -> None:
        gone = track.first
        track.first = min((vote.time for vote in self._votes.of_cell(track.cell, None)), default=_NEVER)
        if track.counts and track.first != gone:
            self.fleet.miss(gone, track.first if track.first < _NEVER else None)
            if gone == self.fleet.first:
                self.fleet.first = min(other.first for other in self.cells.values() if other.counts)
            self._met = min(self._met, gone // DAY)

    def _run(self, track: Track, since: Order | None) -> float:
        pending, track.pending = track.pending, []
        if len(pending) > 1:
            pending.sort(key=_place)
        at = track.history.at
        first = pending[0][0] if pending else since
        assert first is not None
        if since is None and (at is None or first > at):
            self._feed(track, pending)
            return first[0]
        begin = first if since is None else min(first, since)
        state = self._checkpoint(track, begin)
        if state is None and track.first < self.floor and at is not None:
            self._feed(track, [(place, vote) for place, vote in pending if place > at])  # it cannot be run again
            return first[0]
        track.trim(begin)
        self._votes.drop(track.cell, begin)
        track.history = _unpacked.decode(state) if state is not None else History()
        track.since = 0
        self._feed(track, ((order(vote), vote) for vote in self._votes.of_cell(track.cell, track.history.at)))
        return begin[0]

    def _checkpoint(self, track: Track, before: Order) -> bytes | None:
        """One behind which no vote was forgotten: those in memory are younger than the store's, or older than that."""
        return track.checkpoint(before, self.floor - DAY) or self._votes.kept(track.cell, before)

    def _feed(self, track: Track, votes: Iterable[Placed]) -> None:
        history, settings = track.history, self._settings
        one = feed_speed if track.cell.aspect == SPEED else feed
        facts = track.facts
        for place, vote in votes:
            if facts is None or not facts.begins <= vote.time < facts.ends:
                facts = track.facts = self._facts_of(int(vote.time // DAY), track.kind)
            if self._durable and history.at is not None and history.at[0] < facts.begins:
                self._votes.keep(track.cell, history.at, _packed.encode(history))
            one(history, vote, place, facts, settings)
            track.since += 1
            if track.since >= _STRETCH and self._durable:
                track.mark()

    def _facts_of(self, day: int, kind: tuple[str, str]) -> Facts:
        known = self._facts.get(day)
        if known is None:
            known = self._facts[day] = {}
        facts = known.get(kind)
        if facts is None:
            facts = known[kind] = self._made(day, *kind)
        return facts

    def _made(self, day: int, aspect: str, service: str) -> Facts:
        settings, span = self._settings, (day * DAY, (day + 1) * DAY)
        threshold = self.threshold(day * DAY)
        if aspect == NETWORK:
            lower = max(settings.least_threshold, settings.network_share * threshold)
            return Facts(lower, settings.prior_rate, settings.network_cap, *span)
        usual = self.fleet.usual_rate(day, service, settings)
        return Facts(threshold, usual, settings.witness_cap * threshold, *span)

    def _changed_facts(self) -> dict[Track, Order]:
        """Cells to be run again since a day, because what was taken of the whole fleet on that day has changed: by
        votes of a day before it, or by cells that were new on that day or before."""
        touched = min(self._met, min(self._voted, default=_NEVER) + 1)
        self._voted, self._met = set(), _NEVER
        self._thresholds = {day: value for day, value in self._thresholds.items() if day < touched}
        changed: dict[tuple[str, str], int] = {}
        for day, known in self._facts.items():
            for kind, facts in known.items() if day >= touched else ():
                known[kind] = self._made(day, *kind)
                if known[kind] != facts:
                    changed[kind] = min(day, changed.get(kind, day))
        if not changed:
            return {}
        concerned = [track for track in self.cells.values() if track.kind in changed]
        for track in concerned:
            track.facts = None
        starts = [(track, _start(changed[track.kind])) for track in concerned]
        return {track: start for track, start in starts if track.history.at is not None and track.history.at > start}


def _place(pair: Placed) -> Order:
    return pair[0]


def _start(day: int) -> Order:
    return (day * DAY, "", False, -1, "", "")
