"""Detection's state from tick to tick: stored in the tick's transaction, taken up again after a restart."""

import sqlite3
from collections.abc import Iterator

import msgspec

from probe.collector.compose.parts import Parts
from probe.collector.compose.receipts import Receipts
from probe.collector.compose.votes import DiskVotes
from probe.detect.detector import Detector
from probe.detect.settings import DAY
from probe.detect.votes import NETWORK, OUTAGE, Cell, Presence, Vote

_HEARD = 2 * DAY  # of check-ins that detection looks at


class State:
    """`ticks` counts those that were stored: one that was not leaves another number here than in the file."""

    def __init__(self, database: sqlite3.Connection, votes: DiskVotes) -> None:
        self._database, self._votes = database, votes
        self._parts = Parts(database)
        self.ticks, raw = self._stored() or (0, None)
        self.receipts = msgspec.msgpack.decode(raw, type=Receipts) if raw is not None else Receipts()

    def holds(self) -> bool:
        """Whether the file still says what was stored from here: what was rolled back is to be read anew."""
        stored = self._stored()
        return self.ticks == (stored[0] if stored is not None else 0)

    def take_up(self, detector: Detector) -> None:
        """Nothing where there is none yet."""
        document = self._parts.document()
        if document is not None:
            detector.restore(document, list(self._cells()))
            for presence in self._check_ins():
                detector.attend(presence, of_network=False)

    def store(self, detector: Detector, seconds: float) -> None:
        """`seconds` is what was spent since the last time."""
        self._votes.write()
        rows = [(state, self._votes.number(cell)) for cell, state in detector.changed_cells()]
        self._database.executemany("UPDATE detect_cells SET state = ? WHERE id = ?", rows)
        self._parts.store(detector.rest())
        self.ticks += 1
        self._database.execute(
            "INSERT INTO detect_state VALUES (1, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET"
            " seconds = seconds + excluded.seconds, ticks = excluded.ticks, receipts = excluded.receipts",
            (seconds, self.ticks, msgspec.msgpack.encode(self.receipts)),
        )

    def _stored(self) -> tuple[int, bytes] | None:
        found: tuple[int, bytes] | None = self._database.execute("SELECT ticks, receipts FROM detect_state").fetchone()
        return found

    def _cells(self) -> Iterator[tuple[Cell, bytes]]:
        columns = "SELECT country, asn, platform, service, aspect, operator, state FROM detect_cells"
        for country, asn, platform, service, aspect, operator, state in self._database.execute(
            f"{columns} WHERE state IS NOT NULL"
        ):
            yield Cell(country, asn, platform, service, aspect, bool(operator)), state

    def _check_ins(self) -> Iterator[Presence]:
        """Every check-in is also a vote on its network: so they need not be stored twice."""
        hearts = sorted(cell for cell in self._votes.cells if (cell.aspect, cell.service) == (NETWORK, OUTAGE))
        newest = self._votes.newest(hearts) or 0.0
        for heart in hearts:
            for cell, votes in self._votes.of_network(heart.country, heart.asn, newest - _HEARD, newest):
                if cell == heart:
                    yield from map(_check_in, votes)


def _check_in(vote: Vote) -> Presence:
    return Presence(time=vote.time, country=vote.country, asn=vote.asn, probe=vote.probe, witness=vote.witness)
