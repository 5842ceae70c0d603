"""Detection's state from tick to tick: stored in the tick's transaction, taken up again after a restart."""

import sqlite3
from collections.abc import Iterator

import msgspec

from probe.collector.compose.votes import DiskVotes
from probe.detect.detector import Detector
from probe.detect.records import Incident, Restriction, Transition
from probe.detect.votes import Cell

_GONE = frozenset({"withdrawn", "merged", "dismissed"})


class State:
    def __init__(self, database: sqlite3.Connection, votes: DiskVotes) -> None:
        self._database, self._votes = database, votes

    def take_up(self, detector: Detector) -> None:
        """Nothing where there is none yet."""
        row = self._database.execute("SELECT rest FROM detect_state").fetchone()
        if row is not None:
            detector.restore(row[0], list(self._cells()))

    def store(self, detector: Detector, seconds: float) -> None:
        """`seconds` is what the tick took."""
        rows = [(state, self._votes.number(cell)) for cell, state in detector.changed_cells()]
        self._database.executemany("UPDATE detect_cells SET state = ? WHERE id = ?", rows)
        self._database.execute(
            "INSERT INTO detect_state VALUES (1, ?, ?, 1) ON CONFLICT (one) DO UPDATE SET rest = excluded.rest,"
            " seconds = seconds + excluded.seconds, ticks = ticks + 1",
            (detector.rest(), seconds),
        )

    def enter(self, transition: Transition) -> None:
        """The present form of what it is about."""
        if transition.restriction is not None:
            self._restriction(transition.restriction)
        if transition.incident is not None:
            self._incident(transition.incident, gone=transition.change in _GONE, into=transition.into)

    def told(self, incident: str) -> bool:
        """Whether anybody was ever told of it."""
        row = self._database.execute("SELECT told FROM incidents WHERE id = ?", (incident,)).fetchone()
        return bool(row and row[0])

    def note_told(self, incident: str) -> None:
        self._database.execute("UPDATE incidents SET told = 1 WHERE id = ?", (incident,))

    def restriction(self, name: str) -> Restriction | None:
        row = self._database.execute("SELECT body FROM restrictions WHERE id = ?", (name,)).fetchone()
        return msgspec.json.decode(row[0], type=Restriction) if row else None

    def _restriction(self, record: Restriction) -> None:
        row = (record.id, msgspec.json.encode(record))
        self._database.execute("INSERT OR REPLACE INTO restrictions VALUES (?, ?)", row)

    def _incident(self, record: Incident, *, gone: bool, into: str | None) -> None:
        shown = record.confirmed_at is not None and not gone
        self._database.execute(
            "INSERT INTO incidents VALUES (?, ?, ?, 0, ?, ?) ON CONFLICT (id) DO UPDATE SET onset = excluded.onset,"
            " shown = excluded.shown, into_other = excluded.into_other, body = excluded.body",
            (record.id, record.onset, shown, into, msgspec.json.encode(record)),
        )

    def _cells(self) -> Iterator[tuple[Cell, bytes]]:
        columns = "SELECT country, asn, platform, service, aspect, operator, state FROM detect_cells"
        for country, asn, platform, service, aspect, operator, state in self._database.execute(
            f"{columns} WHERE state IS NOT NULL"
        ):
            yield Cell(country, asn, platform, service, aspect, bool(operator)), state
