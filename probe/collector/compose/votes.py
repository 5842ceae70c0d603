"""Detection's votes and checkpoints on disk. Nothing is committed here: a tick is one transaction of its caller."""

import math
import sqlite3
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from probe.collector.compose.recent import Recent
from probe.detect.store import Told
from probe.detect.votes import Cell, Order, Vote, VoteName, order
from probe.wire.vocabulary import Outcome

_RECENT = 2 * 3600.0  # seconds of votes that stay in memory where they were asked for
_KEY = "time, probe, retest, rank, technique, round"
_NEWEST = ", ".join(f"{column} DESC" for column in _KEY.split(", "))
_PLACE = "?, ?, ?, ?, ?, ?"
_ADD = f"INSERT OR IGNORE INTO detect_votes VALUES (?, {_PLACE}, ?)"
_MEET = f"INSERT INTO detect_cells (country, asn, platform, service, aspect, operator) VALUES ({_PLACE})"
_ROWS = "SELECT time, probe, retest, technique, round, vote FROM detect_votes WHERE cell = ?"
_KNOWN = "SELECT id, country, asn, platform, service, aspect, operator FROM detect_cells"
_NOTE = (
    "INSERT INTO detect_revised (probe, round, platform, service, revision, time) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET revision = excluded.revision, time = excluded.time"
    " WHERE excluded.revision >= revision"
)
_FIND = (
    "SELECT c.country, c.asn, c.platform, c.service, c.aspect, c.operator, v.time, v.probe, v.retest, v.technique,"
    " v.round, v.vote FROM detect_votes v CROSS JOIN detect_cells c ON c.id = v.cell WHERE v.probe = ? AND v.round = ?"
    " AND v.round != '' AND c.platform = ? AND c.service = ?"
)
_FIRST: Order = (-math.inf, "", False, -1, "", "")  # before all others


class _Rest(msgspec.Struct, frozen=True, array_like=True):
    """What a vote says beside its place and its cell."""

    asn: int
    outcome: Outcome
    witness: str
    control: bool
    confirms: bool
    resolver_asn: int | None
    handshake: float | None
    goodput: float | None
    usual: float | None


_ENCODER = msgspec.msgpack.Encoder()
_RESTS = msgspec.msgpack.Decoder(_Rest)


class DiskVotes:
    """Fourteen days of votes, each once. `probe.detect.store.Votes` says what is expected of it."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._numbers: dict[Cell, int] = {}
        self._services: dict[tuple[str, str], list[Cell]] = defaultdict(list)
        self._networks: dict[tuple[str, int], list[Cell]] = defaultdict(list)
        self._recent = Recent()
        self._ends: dict[int, Order] = {}  # nothing of the cell stands behind these: votes, and checkpoints
        self._marks: dict[int, Order] = {}
        self._unwritten: list[tuple[Any, ...]] = []
        self._newest = self._swept = 0.0
        self.revised: set[str] = set()
        self._recall()
        for number, country, asn, platform, service, aspect, operator in database.execute(_KNOWN):
            self._meet(Cell(country, asn, platform, service, aspect, bool(operator)), number)

    def append(self, cell: Cell, vote: Vote, place: Order) -> bool:
        number = self.number(cell)
        row = (number, *place, _ENCODER.encode(_rest(vote)))
        if place > (self._ends.get(number) or self._last(self._ends, number, "detect_votes")):
            self._ends[number] = place
            self._unwritten.append(row)
        elif vote.time >= self._recent.since(cell):
            if self._recent.has(cell, place):
                return False
            self._unwritten.append(row)
        elif self._execute(_ADD, row).rowcount != 1:
            return False
        self._recent.add(cell, place, vote)
        self._newest = max(self._newest, vote.time)
        return True

    def write(self) -> None:
        """What stands behind everything else of its cell is written all at once: it cannot be there yet."""
        rows, self._unwritten = self._unwritten, []
        self._database.executemany(_ADD, rows)

    def note(self, name: VoteName, revision: int, time: float) -> bool:
        self.revised.add(name.round)
        return self._database.execute(_NOTE, (*name, revision, time)).rowcount == 1

    def find(self, name: VoteName) -> list[tuple[Cell, Vote]]:
        rows = self._execute(_FIND, name).fetchall()
        cells = [Cell._make((*row[:5], bool(row[5]))) for row in rows]
        return [(cell, _vote(cell, row[6:])) for cell, row in zip(cells, rows, strict=True)]

    def remove(self, cell: Cell, place: Order) -> None:
        self._execute(f"DELETE FROM detect_votes WHERE cell = ? AND ({_KEY}) = ({_PLACE})", (self.number(cell), *place))
        self._recent.remove(cell, place)

    def of_cell(self, cell: Cell, after: Order | None) -> Iterable[Vote]:
        if after is None:
            return self._votes(cell, f"{_ROWS} ORDER BY {_KEY}", ())
        if after[0] < self._newest - _RECENT:
            return self._votes(cell, f"{_ROWS} AND ({_KEY}) > ({_PLACE}) ORDER BY {_KEY}", after)
        self._hold(cell, after[0])
        return self._recent.behind(cell, after)

    def of_service(self, platform: str, service: str, since: float, until: float) -> Iterator[Told]:
        return self._between(self._services.get((platform, service), ()), since, until)

    def of_network(self, country: str, asn: int, since: float, until: float) -> Iterator[Told]:
        return self._between(self._networks.get((country, asn), ()), since, until)

    def keep(self, cell: Cell, at: Order, state: bytes) -> None:
        number = self.number(cell)
        self._marks[number] = max(at, self._mark(number))
        self._execute(f"INSERT OR REPLACE INTO detect_kept VALUES (?, {_PLACE}, ?)", (number, *at, state))

    def kept(self, cell: Cell, before: Order) -> bytes | None:
        number = self._numbers.get(cell)
        if number is None or self._mark(number) == _FIRST:
            return None
        sql = f"SELECT state FROM detect_kept WHERE cell = ? AND ({_KEY}) < ({_PLACE}) ORDER BY {_NEWEST} LIMIT 1"
        row = self._execute(sql, (number, *before)).fetchone()
        return row[0] if row else None

    def drop(self, cell: Cell, after: Order) -> None:
        number = self._numbers.get(cell)
        if number is not None and self._mark(number) >= after:
            self._execute(f"DELETE FROM detect_kept WHERE cell = ? AND ({_KEY}) >= ({_PLACE})", (number, *after))
            del self._marks[number]

    def forget(self, before: float) -> None:
        self._recent.forget(self._newest - _RECENT)
        if before <= self._swept:
            return
        self._swept = before
        last = f"SELECT {_KEY} FROM detect_kept WHERE cell = ? AND time < ? ORDER BY {_NEWEST} LIMIT 1"
        for number in self._numbers.values():
            self._execute("DELETE FROM detect_votes WHERE cell = ? AND time < ?", (number, before))
            older = f"DELETE FROM detect_kept WHERE cell = ? AND time < ? AND ({_KEY}) < ({last})"
            self._execute(older, (number, before, number, before))
        self._execute("DELETE FROM detect_revised WHERE time < ?", (before,))
        self._recall()

    def number(self, cell: Cell) -> int:
        """The cell's row, made where there is none."""
        number = self._numbers.get(cell)
        if number is None:
            number = self._database.execute(_MEET, cell).lastrowid
            assert number is not None
            self._meet(cell, number)
        return number

    def newest(self, cells: Iterable[Cell]) -> float | None:
        """When the newest vote of these was."""
        sql = "SELECT max(time) FROM detect_votes WHERE cell = ?"
        found = [self._execute(sql, (self._numbers[cell],)).fetchone()[0] for cell in cells]
        return max((time for time in found if time is not None), default=None)

    @property
    def cells(self) -> frozenset[Cell]:
        return frozenset(self._numbers)

    def _recall(self) -> None:
        """The same set as before, for whoever holds it."""
        self.revised.clear()
        self.revised.update(turn for (turn,) in self._database.execute("SELECT DISTINCT round FROM detect_revised"))

    def _meet(self, cell: Cell, number: int) -> None:
        self._numbers[cell] = number
        insort(self._services[cell.platform, cell.service], cell)
        insort(self._networks[cell.country, cell.asn], cell)

    def _between(self, cells: Iterable[Cell], since: float, until: float) -> Iterator[Told]:
        for cell in cells:
            self._hold(cell, since)
            found = self._recent.between(cell, since, until)
            if found:
                yield cell, found

    def _hold(self, cell: Cell, since: float) -> None:
        if since < self._recent.since(cell):
            since = self._recent.wanted(since)
            found = self._votes(cell, f"{_ROWS} AND time >= ? ORDER BY {_KEY}", (since,))
            self._recent.fill(cell, since, ((order(vote), vote) for vote in found))

    def _mark(self, number: int) -> Order:
        return self._marks.get(number) or self._last(self._marks, number, "detect_kept")

    def _last(self, known: dict[int, Order], number: int, table: str) -> Order:
        """What stands last in the file, kept in mind from now on."""
        sql = f"SELECT {_KEY} FROM {table} WHERE cell = ? ORDER BY {_NEWEST} LIMIT 1"
        row = self._execute(sql, (number,)).fetchone()
        found = known[number] = _FIRST if row is None else (row[0], row[1], bool(row[2]), *row[3:])
        return found

    def _execute(self, sql: str, given: tuple[object, ...]) -> sqlite3.Cursor:
        """Nothing is asked for before what was said is written."""
        if self._unwritten:
            self.write()
        return self._database.execute(sql, given)

    def _votes(self, cell: Cell, sql: str, given: tuple[object, ...]) -> Iterator[Vote]:
        for row in self._execute(sql, (self._numbers.get(cell), *given)).fetchall():
            yield _vote(cell, row)


def erased(database: sqlite3.Connection, probe: str) -> Iterator[int]:
    """Every vote of this probe goes, a cell at a time. How many, each."""
    yield database.execute("DELETE FROM detect_revised WHERE probe = ?", (probe,)).rowcount
    for (cell,) in database.execute("SELECT id FROM detect_cells").fetchall():
        yield database.execute("DELETE FROM detect_votes WHERE cell = ? AND probe = ?", (cell, probe)).rowcount


def _rest(vote: Vote) -> _Rest:
    facts = (vote.asn, vote.outcome, vote.witness, vote.role == "control", vote.confirms, vote.resolver_asn)
    return _Rest(*facts, vote.handshake, vote.goodput, vote.usual)


def _vote(cell: Cell, row: tuple[Any, ...]) -> Vote:
    time, probe, retest, technique, name, raw = row
    rest = _RESTS.decode(raw)
    return Vote(
        time=time,
        country=cell.country,
        asn=rest.asn,
        platform=cell.platform,
        service=cell.service,
        probe=probe,
        outcome=rest.outcome,
        technique=technique,
        witness=rest.witness,
        role="control" if rest.control else "probe",
        handshake=rest.handshake,
        goodput=rest.goodput,
        usual=rest.usual,
        round=name,
        retest=bool(retest),
        confirms=rest.confirms,
        resolver_asn=rest.resolver_asn,
    )
