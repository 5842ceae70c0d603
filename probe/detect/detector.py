"""The detector: votes in, transitions out.

It holds one history a cell (`probe.detect.cell`), runs those that got votes once a tick, judges what rose above the
ordinary together with its surroundings (`probe.detect.judging`), groups the result into incidents, and says what
changed since the last tick. Nothing depends on the order in which votes came: what late votes change comes out as
corrections. Time is the data's own; `now` only tells what is overdue and what is too old.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from probe.detect.board import Board, Touched
from probe.detect.changes import Book, heaps, named
from probe.detect.fleet import Fleet
from probe.detect.presence import Pulse
from probe.detect.records import Incident, Restriction, Retest, Transition
from probe.detect.restrictions import watched
from probe.detect.retests import Retests
from probe.detect.settings import MINUTE, Settings
from probe.detect.store import MemoryVotes, Votes
from probe.detect.surroundings import Surroundings
from probe.detect.track import Kept, Track
from probe.detect.tracks import Tracks
from probe.detect.votes import CONTROL, VOTING, Cell, Presence, Vote, VoteName, cells_of, name_of, votes_on_network

_OFTEN = 2 * MINUTE  # how often silence is looked for


class Tick(msgspec.Struct, frozen=True):
    """What one run brought: records for the journal, re-tests to hand out, records that became history."""

    transitions: tuple[Transition, ...] = ()
    retests: tuple[Retest, ...] = ()
    archived: tuple[Restriction | Incident, ...] = ()


class Rest(msgspec.Struct):
    """What a detector holds beside its cells."""

    fleet: Fleet = msgspec.field(default_factory=Fleet)
    book: Book = msgspec.field(default_factory=Book)
    pulse: Pulse = msgspec.field(default_factory=Pulse)
    looked: float = 0.0
    floor: float = -math.inf


class Detector:
    """`votes` keeps what was voted (in memory where none is given), `name` gives an incident its id from (event,
    country, onset) at its first suspicion. `durable` is for a detector that lives on: it keeps checkpoints, and lets go
    of what is older than the settings' `memory`."""

    def __init__(
        self,
        settings: Settings,
        votes: Votes | None = None,
        name: Callable[[str, str, float], str] = named,
        durable: bool = True,
    ) -> None:
        self._settings, self._name, self._durable = settings, name, durable
        self._votes: Votes = votes if votes is not None else MemoryVotes()
        self._tracks = Tracks(settings, self._votes, durable)
        self._revised = self._votes.revised
        self._board = Board(self._votes, settings)
        self._book, self._pulse = Book(), Pulse()
        self._retests = Retests(self._tracks, settings)
        self._controls: list[tuple[Cell, float]] = []  # in which votes came since the last tick
        self._changed: set[Track] = set()
        self._beaten, self._looked, self._aged = False, 0.0, math.nan

    @property
    def restrictions(self) -> list[Restriction]:
        return [record for records in self._book.restrictions.values() for record in records]

    @property
    def incidents(self) -> list[Incident]:
        return list(self._book.incidents.values())

    def add(self, vote: Vote, revision: int = 0) -> None:
        """Takes a vote; it counts at the next tick. Those without an outcome that votes are passed over, and those that
        are so old that what they would change can no longer be computed: they are the archive's."""
        voting = vote.outcome in VOTING
        if revision or vote.round in self._revised:
            self.revise(name_of(vote), revision, vote.time, vote if voting else None)
        elif voting:
            self._count(vote)

    def revise(self, name: VoteName, revision: int, time: float, vote: Vote | None) -> None:
        """What a vote of a round that is told apart came to say when more of that round was known, None where that is
        nothing: it counts in place of every lower revision, whichever came first."""
        if not self._votes.note(name, revision, time):
            return
        before = self._votes.find(name)
        if dict(before) == (dict.fromkeys(cells_of(vote), vote) if vote is not None else {}):
            return
        if min((old.time for _, old in before), default=time) < self._tracks.floor:
            return
        for cell, old in before:
            self._tracks.remove(cell, old)
            if cell.aspect == CONTROL:
                self._controls.append((cell, old.time))
        if vote is not None:
            self._count(vote)

    def _count(self, vote: Vote) -> None:
        if vote.time < self._tracks.floor:
            return
        for control in self._tracks.add(vote):
            self._controls.append((control, vote.time))
            self._retests.met(control, vote)

    def attend(self, presence: Presence, of_network: bool = True) -> None:
        """Takes a check-in or a void round; where no probe tells of void ones, it says nothing of the network."""
        if presence.time < self._tracks.floor:
            return
        for cell, vote in votes_on_network(presence) if of_network else ():
            self._tracks.enter(cell, vote)
        self._pulse.add(presence)
        self._beaten = True

    def tick(self, now: float) -> Tick:
        """Brings everything up to date. `now` is the newest moment that may be in the data."""
        ran = self._tracks.run()
        touched = Touched(ran, self._controls)
        self._controls = []
        before = now - self._settings.memory
        transitions: list[Transition] = []
        changed: set[tuple[str, str]] = set()
        updates = [*self._unseen(now), *self._board.update(ran, touched), *self._silent(now)]
        for cell, drafts in updates:
            old = self._book.restrictions.get(cell, [])
            said = [self._watched(draft, now) for draft in drafts]
            transitions.extend(self._book.enter(cell, said, before, self._tracks.floor))
            new = self._book.restrictions.get(cell, [])
            if new != old:
                changed |= heaps(old) | heaps(new)
        transitions.extend(self._book.gather(self._settings, self._name, self._fine, changed))
        self._retests.doubt(ran)
        retests = self._retests.wanted(now, self._sure)
        self._changed.update(ran)
        archived = self._age(now, before) if self._durable else []
        return Tick(tuple(_orderly(transitions)), tuple(retests), tuple(archived))

    def changed_cells(self) -> Iterator[tuple[Cell, bytes]]:
        """The state of every cell that changed since this was last asked, to be stored under the cell."""
        changed, self._changed = self._changed, set()
        for track in changed:
            yield track.cell, track.packed()

    def rest(self) -> Rest:
        """What there is beside the cells, to be stored together with them before the next tick."""
        return Rest(self._tracks.fleet, self._book, self._pulse, self._looked, self._tracks.floor)

    def restore(self, rest: bytes, cells: Iterable[tuple[Cell, bytes]]) -> None:
        """Continues where the stored one stopped. Votes that came after it was stored are to be added again."""
        known = msgspec.msgpack.decode(rest, type=Rest)
        self._book, self._pulse, self._looked = known.book, known.pulse, known.looked
        kept = ((cell, msgspec.msgpack.decode(raw, type=Kept)) for cell, raw in cells)
        self._tracks.restore(known.fleet, kept, known.floor)
        self._board.restore(self._tracks.cells.values())

    def _silent(self, now: float) -> Iterator[tuple[Cell, list[Restriction]]]:
        if self._pulse.networks and (self._beaten or now - self._looked >= _OFTEN):
            if now - self._looked < _OFTEN and self._durable:
                return
            self._beaten, self._looked = False, now
            threshold = self._settings.network_share * self._tracks.threshold(now)
            yield from self._pulse.silent(now, max(self._settings.least_threshold, threshold))

    def _fine(self, members: Sequence[Restriction]) -> list[str]:
        """Services of the same networks that worked while these did not."""
        hit = {f"{member.platform}.{member.service}" for member in members}
        asns = {member.asn for member in members}
        since, until = min(m.starts for m in members), max(m.last_failed_at or m.starts for m in members)
        if members[0].event not in {"restriction", "throttling"}:
            return []
        return Surroundings(self._votes).working(members[0].country, asns, hit, since, until)

    def _watched(self, record: Restriction, now: float) -> Restriction:
        """Of silences there are no votes."""
        track = self._tracks.cells.get(record.cell)
        newest = track.history.at if track is not None else None
        return watched(record, newest[0], now, self._settings) if newest is not None else record

    def _unseen(self, now: float) -> Iterator[tuple[Cell, list[Restriction]]]:
        """Cells of which something else is to be said only because nobody votes there any more."""
        for cell, records in self._book.restrictions.items():
            if any(record.ended_at is None and self._watched(record, now) is not record for record in records):
                yield cell, records

    def _sure(self, cell: Cell) -> bool:
        return any(record.state == "confirmed" for record in self._book.restrictions.get(cell, ()))

    def _age(self, now: float, before: float) -> list[Restriction | Incident]:
        if now // _OFTEN == self._aged:
            return []
        self._aged = now // _OFTEN
        self._tracks.forget(before)
        self._pulse.forget(now, before)
        return self._book.forget(before)


_FIRST = ("corrected", "withdrawn", "standing", "resolver", "suspected", "confirmed")


def _orderly(transitions: list[Transition]) -> list[Transition]:
    """By the moment that they are about; restrictions before the incidents that they make up."""
    place = {change: number for number, change in enumerate(_FIRST)}
    return sorted(transitions, key=lambda t: (t.time, t.restriction is None, place.get(t.change, 9), t.subject))
