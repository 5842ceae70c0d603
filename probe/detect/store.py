"""Where votes lie in event-time order. A collector keeps them on disk; files and tests in memory."""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Protocol

from probe.detect.votes import Cell, Order, Vote, VoteName, name_of

Told = tuple[Cell, Sequence[Vote]]
LAST = "\U0010ffff"  # behind every probe's name


class Votes(Protocol):
    """Fourteen days of votes, each once. `since` and `until` are seconds and inclusive."""

    def append(self, cell: Cell, vote: Vote, place: Order) -> bool:
        """False where a vote of the same `order`, which is `place`, lies there already."""

    @property
    def revised(self) -> Container[str]:
        """The rounds of which a vote came again."""

    def note(self, name: VoteName, revision: int, time: float) -> bool:
        """That this revision of a vote came. False where a higher one had come before."""

    def find(self, name: VoteName) -> Sequence[tuple[Cell, Vote]]:
        """Where this vote stands."""

    def remove(self, cell: Cell, place: Order) -> None:
        """Takes out the vote that stands there."""

    def of_cell(self, cell: Cell, after: Order | None) -> Iterable[Vote]:
        """The cell's votes behind `after`, in the order of `probe.detect.votes.order`."""

    def of_service(self, platform: str, service: str, since: float, until: float) -> Iterable[Told]:
        """The votes of every cell of that service that has any in that time, cells in order."""

    def of_network(self, country: str, asn: int, since: float, until: float) -> Iterable[Told]: ...

    def keep(self, cell: Cell, at: Order, state: bytes) -> None:
        """A checkpoint of the cell's history, after the vote at `at`; one a day."""

    def kept(self, cell: Cell, before: Order) -> bytes | None:
        """The newest checkpoint that is older than `before`."""

    def drop(self, cell: Cell, after: Order) -> None:
        """Checkpoints from `after` on hold no longer."""

    def forget(self, before: float) -> None:
        """Votes that are older go, and checkpoints but for the last that is: from it the cell's votes go on."""


class MemoryVotes:
    """All votes of a run in memory."""

    def __init__(self) -> None:
        self._cells: dict[Cell, tuple[list[Order], list[Vote]]] = {}
        self._services: dict[tuple[str, str], list[Cell]] = defaultdict(list)
        self._networks: dict[tuple[str, int], list[Cell]] = defaultdict(list)
        self._kept: dict[Cell, list[tuple[Order, bytes]]] = defaultdict(list)
        self._revisions: dict[VoteName, int] = {}
        self.revised: set[str] = set()

    def append(self, cell: Cell, vote: Vote, place: Order) -> bool:
        lists = self._cells.get(cell)
        if lists is None:
            lists = self._cells[cell] = ([], [])
            insort(self._services[cell.platform, cell.service], cell)
            insort(self._networks[cell.country, cell.asn], cell)
        orders, votes = lists
        if not orders or place > orders[-1]:
            orders.append(place)
            votes.append(vote)
            return True
        at = bisect_left(orders, place)
        if orders[at] == place:
            return False
        orders.insert(at, place)
        votes.insert(at, vote)
        return True

    def note(self, name: VoteName, revision: int, time: float) -> bool:  # noqa: ARG002  # as long as the run they are kept
        if revision < self._revisions.get(name, 0):
            return False
        self._revisions[name] = revision
        self.revised.add(name.round)
        return True

    def find(self, name: VoteName) -> list[tuple[Cell, Vote]]:
        cells = self._services.get((name.platform, name.service), ())
        return [(cell, vote) for cell in cells for vote in self._cells[cell][1] if name_of(vote) == name]

    def remove(self, cell: Cell, place: Order) -> None:
        orders, votes = self._cells[cell]
        at = bisect_left(orders, place)
        del orders[at], votes[at]

    def of_cell(self, cell: Cell, after: Order | None) -> list[Vote]:
        orders, votes = self._cells.get(cell, ([], []))
        return votes[bisect_right(orders, after) :] if after is not None else list(votes)

    def of_service(self, platform: str, service: str, since: float, until: float) -> Iterator[Told]:
        return self._between(self._services.get((platform, service), ()), since, until)

    def of_network(self, country: str, asn: int, since: float, until: float) -> Iterator[Told]:
        return self._between(self._networks.get((country, asn), ()), since, until)

    def keep(self, cell: Cell, at: Order, state: bytes) -> None:
        self._kept[cell].append((at, state))

    def kept(self, cell: Cell, before: Order) -> bytes | None:
        return next((state for at, state in reversed(self._kept.get(cell, [])) if at < before), None)

    def drop(self, cell: Cell, after: Order) -> None:
        if cell in self._kept:
            self._kept[cell] = [pair for pair in self._kept[cell] if pair[0] < after]

    def forget(self, before: float) -> None:
        for orders, votes in self._cells.values():
            end = bisect_left(orders, (before,))
            del orders[:end], votes[:end]
        for states in self._kept.values():
            del states[: max(0, bisect_left(states, ((before,),)) - 1)]

    def _between(self, cells: Iterable[Cell], since: float, until: float) -> Iterator[Told]:
        for cell in cells:
            orders, votes = self._cells[cell]
            found = votes[bisect_left(orders, (since,)) : bisect_left(orders, (until, LAST))]
            if found:
                yield cell, found
