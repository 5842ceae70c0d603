"""One cell as it is held in memory, and as it is stored."""

import math
import sys

import msgspec

from probe.detect.cell import History
from probe.detect.fleet import Facts
from probe.detect.votes import REACHABILITY, Cell, Order, Vote

_packed = msgspec.msgpack.Encoder()
_unpacked = msgspec.msgpack.Decoder(History)

Placed = tuple[Order, Vote]
Signs = tuple[int, float | None, float | None]


class Kept(msgspec.Struct, array_like=True):
    """A track as it is stored."""

    history: bytes
    older: tuple[Order, bytes] | None
    newer: tuple[Order, bytes] | None
    since: int
    first: float | None
    pending: list[Placed]


class Track:
    """One cell: its history now, two checkpoints not far behind, and the votes that came since it was last run.

    `facts` are of the day of its last vote, `first` is its earliest vote, `day` and `tally` the fleet's counts that its
    last vote went to, `signs` and `live` what the board knows of it, `asked` when re-tests were last wanted.
    """

    __slots__ = (
        "asked",
        "cell",
        "counts",
        "day",
        "facts",
        "first",
        "history",
        "kind",
        "live",
        "newer",
        "older",
        "pending",
        "service",
        "signs",
        "since",
        "tally",
    )

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.service = sys.intern(f"{cell.platform}.{cell.service}")
        self.kind = (cell.aspect, self.service)
        self.counts = cell.aspect == REACHABILITY
        self.history = History()
        self.facts: Facts | None = None
        self.older: tuple[Order, bytes] | None = None
        self.newer: tuple[Order, bytes] | None = None
        self.since = 0
        self.first = math.inf
        self.pending: list[Placed] = []
        self.day = math.nan
        self.tally: list[int] = []
        self.signs: Signs | None = None
        self.live = False
        self.asked = -math.inf

    def checkpoint(self, before: Order, since: float = -math.inf) -> bytes | None:
        held = (kept for kept in (self.newer, self.older) if kept is not None)
        return next((state for at, state in held if at < before and at[0] >= since), None)

    def mark(self) -> None:
        """A checkpoint here."""
        assert self.history.at is not None
        self.older, self.newer = self.newer, (self.history.at, _packed.encode(self.history))
        self.since = 0

    def trim(self, after: Order) -> None:
        """Checkpoints that a late vote has made wrong."""
        if self.newer is not None and self.newer[0] >= after:
            self.newer = None
        if self.older is not None and self.older[0] >= after:
            self.older = None

    def packed(self) -> bytes:
        first = self.first if self.first < math.inf else None
        history = _packed.encode(self.history)
        return _packed.encode(Kept(history, self.older, self.newer, self.since, first, self.pending))

    def take_up(self, kept: Kept) -> None:
        self.history = _unpacked.decode(kept.history)
        self.older, self.newer, self.since = kept.older, kept.newer, kept.since
        self.first = kept.first if kept.first is not None else math.inf
        self.pending = kept.pending
