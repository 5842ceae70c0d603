"""The votes that detection looks at again and again, in memory: of each cell all that came since some moment.

When too many are held, cells that were not asked for the longest go first: their votes are on disk as well.
"""

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterable
from operator import itemgetter

from probe.detect.votes import Cell, Order, Vote

MOST = 400_000  # votes; some 150 MB
_SLACK = 3600.0  # seconds before what was asked for that are taken as well
_FOREVER = float("inf")
_PLACE = itemgetter(0)

Placed = tuple[Order, Vote]


class Recent:
    def __init__(self, most: int = MOST) -> None:
        self._most, self._count = most, 0
        self._cells: OrderedDict[Cell, tuple[float, list[Placed]]] = OrderedDict()

    def since(self, cell: Cell) -> float:
        """From when on all votes of this cell are here."""
        known = self._cells.get(cell)
        return known[0] if known is not None else _FOREVER

    def wanted(self, since: float) -> float:
        """From when on to take them, where they are taken anew."""
        return since - _SLACK

    def between(self, cell: Cell, since: float, until: float) -> list[Vote]:
        _, placed = self._cells[cell]
        self._cells.move_to_end(cell)
        begin = bisect_left(placed, (since,), key=_PLACE)
        end = bisect_left(placed, (until, "\U0010ffff"), lo=begin, key=_PLACE)
        return [vote for _, vote in placed[begin:end]]

    def has(self, cell: Cell, place: Order) -> bool:
        _, placed = self._cells[cell]
        at = bisect_left(placed, place, key=_PLACE)
        return at < len(placed) and placed[at][0] == place

    def behind(self, cell: Cell, after: Order) -> list[Vote]:
        _, placed = self._cells[cell]
        self._cells.move_to_end(cell)
        return [vote for _, vote in placed[bisect_right(placed, after, key=_PLACE) :]]

    def add(self, cell: Cell, place: Order, vote: Vote) -> None:
        known = self._cells.get(cell)  # a vote of a cell that nobody asks for is not held
        if known is not None and vote.time >= known[0]:
            placed = known[1]
            if placed and place < placed[-1][0]:
                insort(placed, (place, vote), key=_PLACE)
            else:
                placed.append((place, vote))
            self._count += 1

    def remove(self, cell: Cell, place: Order) -> None:
        known = self._cells.get(cell)
        if known is not None and place[0] >= known[0]:
            del known[1][bisect_left(known[1], place, key=_PLACE)]
            self._count -= 1

    def fill(self, cell: Cell, since: float, placed: Iterable[Placed]) -> None:
        self._drop(cell)
        found = list(placed)
        self._cells[cell] = (since, found)
        self._count += len(found)
        while self._count > self._most and len(self._cells) > 1:
            self._drop(next(iter(self._cells)))

    def forget(self, before: float) -> None:
        """Those that are older, of every cell."""
        for cell, (since, placed) in list(self._cells.items()):
            if since < before:
                cut = bisect_left(placed, (before,), key=_PLACE)
                del placed[:cut]
                self._count -= cut
                self._cells[cell] = (before, placed)

    def _drop(self, cell: Cell) -> None:
        gone = self._cells.pop(cell, None)
        if gone is not None:
            self._count -= len(gone[1])
