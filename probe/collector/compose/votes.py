"""Detection's votes and checkpoints on disk. Nothing is committed here: a tick is one transaction of its caller."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator

import msgspec

from probe.detect.votes import Cell, Order, Vote, order

_FORGET_EVERY = 3600.0  # seconds of the data's time between two sweeps
_VOTES = msgspec.msgpack.Decoder(Vote)
_ENCODER = msgspec.msgpack.Encoder()
_KEY = "(time, probe, retest, rank, technique, round)"
_OLDEST = _KEY[1:-1]
_NEWEST = "time DESC, probe DESC, retest DESC, rank DESC, technique DESC, round DESC"
_PLACE = "(?, ?, ?, ?, ?, ?)"
_ADD = f"INSERT OR IGNORE INTO detect_votes VALUES (?, {_PLACE[1:-1]}, ?)"
_MEET = f"INSERT INTO detect_cells (country, asn, platform, service, aspect, operator) VALUES {_PLACE}"
_RANGE = f"SELECT vote FROM detect_votes WHERE cell = ? AND time BETWEEN ? AND ? ORDER BY {_OLDEST}"


class DiskVotes:
    """Fourteen days of votes, each once."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._numbers: dict[Cell, int] = {}
        self._services: dict[tuple[str, str], set[Cell]] = defaultdict(set)
        self._networks: dict[tuple[str, int], set[Cell]] = defaultdict(set)
        self._swept = 0.0
        columns = "SELECT id, country, asn, platform, service, aspect, operator FROM detect_cells"
        for number, country, asn, platform, service, aspect, operator in database.execute(columns):
            self._meet(Cell(country, asn, platform, service, aspect, bool(operator)), number)

    def append(self, cell: Cell, vote: Vote) -> bool:
        row = (self.number(cell), *order(vote), _ENCODER.encode(vote))
        return self._database.execute(_ADD, row).rowcount == 1

    def of_cell(self, cell: Cell, after: Order | None) -> Iterator[Vote]:
        where, given = (f" AND {_KEY} > {_PLACE}", after) if after is not None else ("", ())
        sql = f"SELECT vote FROM detect_votes WHERE cell = ?{where} ORDER BY {_OLDEST}"
        for (raw,) in self._database.execute(sql, (self.number(cell), *given)).fetchall():
            yield _VOTES.decode(raw)

    def of_service(self, platform: str, service: str, since: float, until: float) -> Iterator[tuple[Cell, Vote]]:
        return self._between(self._services.get((platform, service), set()), since, until)

    def of_network(self, country: str, asn: int, since: float, until: float) -> Iterator[tuple[Cell, Vote]]:
        return self._between(self._networks.get((country, asn), set()), since, until)

    def keep(self, cell: Cell, at: Order, state: bytes) -> None:
        row = (self.number(cell), *at, state)
        self._database.execute(f"INSERT OR REPLACE INTO detect_kept VALUES (?, {_PLACE[1:-1]}, ?)", row)

    def kept(self, cell: Cell, before: Order) -> bytes | None:
        sql = f"SELECT state FROM detect_kept WHERE cell = ? AND {_KEY} < {_PLACE} ORDER BY {_NEWEST} LIMIT 1"
        row = self._database.execute(sql, (self.number(cell), *before)).fetchone()
        return row[0] if row else None

    def drop(self, cell: Cell, after: Order) -> None:
        sql = f"DELETE FROM detect_kept WHERE cell = ? AND {_KEY} >= {_PLACE}"
        self._database.execute(sql, (self.number(cell), *after))

    def forget(self, before: float) -> None:
        if before - self._swept < _FORGET_EVERY:
            return
        self._swept = before
        for number in self._numbers.values():
            for table in ("detect_votes", "detect_kept"):
                self._database.execute(f"DELETE FROM {table} WHERE cell = ? AND time < ?", (number, before))

    def number(self, cell: Cell) -> int:
        """The cell's row, made where there is none."""
        if cell not in self._numbers:
            number = self._database.execute(_MEET, cell).lastrowid
            assert number is not None
            self._meet(cell, number)
        return self._numbers[cell]

    def _meet(self, cell: Cell, number: int) -> None:
        self._numbers[cell] = number
        self._services[cell.platform, cell.service].add(cell)
        self._networks[cell.country, cell.asn].add(cell)

    def _between(self, cells: set[Cell], since: float, until: float) -> Iterator[tuple[Cell, Vote]]:
        for cell in sorted(cells):
            for (raw,) in self._database.execute(_RANGE, (self._numbers[cell], since, until)).fetchall():
                yield cell, _VOTES.decode(raw)
