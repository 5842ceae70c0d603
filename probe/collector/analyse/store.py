"""Writing the views: rows are gathered in memory and written together, with the position that they come from."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from probe.collector.analyse.records import CellKey, Judged
from probe.collector.analyse.schema import OUTCOMES, STEPS, transaction
from probe.wire.reports import Role

READER = "analysis"
_DAY = 86_400_000
_MOST_ENDPOINTS = 50_000
_COLUMN = {outcome: index for index, outcome in enumerate(OUTCOMES)}
_ADD = ", ".join(f"{outcome} = {outcome} + excluded.{outcome}" for outcome in OUTCOMES)
_EMPTY = " AND ".join(f"{outcome} = 0" for outcome in OUTCOMES)
_MARKS = ", ".join("?" * (2 + len(OUTCOMES)))


class Store:
    """Nothing in here outlives a transaction that failed: make a new one then."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._probes = {name: number for number, name in connection.execute("SELECT id, name FROM probes")}
        known = connection.execute("SELECT id, url FROM endpoints ORDER BY id LIMIT ?", (_MOST_ENDPOINTS,))
        self._endpoints = {url: number for number, url in known}
        self._networks = dict(connection.execute("SELECT asn, name FROM networks"))
        cells = connection.execute("SELECT id, country, asn, platform, service, scope FROM cells")
        self._cells = {CellKey(*key): number for number, *key in cells}
        lanes = connection.execute("SELECT id, cell, outcome, first, last FROM lanes")
        self._lanes: dict[tuple[int, str], list[int]] = {
            (cell, outcome): [number, first, last] for number, cell, outcome, first, last in lanes
        }
        self._stretched: set[tuple[int, str]] = set()
        self._rows: list[tuple[object, ...]] = []
        self._counts: defaultdict[tuple[int, int], list[int]] = defaultdict(lambda: [0] * len(OUTCOMES))
        self._present: dict[tuple[int, str, int, int], int] = {}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Everything within it happens, or nothing."""
        with transaction(self.connection):
            yield
            self._flush()

    # --- how far ---

    def position(self) -> tuple[int, int]:
        """In the log, and the receipt of that entry in ms."""
        row = self.connection.execute("SELECT position, received FROM positions WHERE reader = ?", (READER,)).fetchone()
        return (row[0], row[1]) if row else (0, 0)

    def advance(self, position: int, received: int) -> None:
        self.connection.execute("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", (READER, position, received))

    def note(self, name: str, value: int) -> None:
        self.connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def noted(self, name: str) -> int:
        row = self.connection.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def is_new(self, probe: int, report: str, received: int) -> bool:
        """Whether this report of this probe was not counted before; from now on it was."""
        done = self.connection.execute("INSERT OR IGNORE INTO reports VALUES (?, ?, ?)", (probe, report, received))
        return done.rowcount == 1

    # --- names to numbers ---

    def probe(self, name: str, role: Role, steward: str | None) -> int:
        number = self._probes.get(name)
        if number is None:
            add = "INSERT INTO probes (name, role, steward) VALUES (?, ?, ?)"
            number = self._probes[name] = self._inserted(add, (name, role, steward))
        return number

    def endpoint(self, url: str) -> int:
        """What probes measure beyond the catalogue is up to them, so not all of it is remembered here."""
        number = self._endpoints.get(url)
        if number is None:
            row = self.connection.execute("SELECT id FROM endpoints WHERE url = ?", (url,)).fetchone()
            number = row[0] if row else self._inserted("INSERT INTO endpoints (url) VALUES (?)", (url,))
            if len(self._endpoints) >= _MOST_ENDPOINTS:
                self._endpoints.clear()
            self._endpoints[url] = number
        return number

    def cell(self, key: CellKey) -> int:
        number = self._cells.get(key)
        if number is None:
            add = "INSERT INTO cells (country, asn, platform, service, scope) VALUES (?, ?, ?, ?, ?)"
            values = (key.country, key.asn, key.platform, key.service, key.scope)
            number = self._cells[key] = self._inserted(add, values)
        return number

    def network(self, asn: int, name: str | None) -> None:
        """The newest name that was heard of an AS."""
        if asn and name and self._networks.get(asn) != name:
            self._networks[asn] = name
            self.connection.execute("INSERT OR REPLACE INTO networks VALUES (?, ?)", (asn, name))

    def _lane(self, cell: int, outcome: str, at: int) -> int:
        lane = self._lanes.get((cell, outcome))
        if lane is None:
            add = "INSERT INTO lanes (cell, outcome, first, last) VALUES (?, ?, ?, ?)"
            lane = self._lanes[cell, outcome] = [self._inserted(add, (cell, outcome, at, at)), at, at]
        elif at > lane[2] or at < lane[1]:
            lane[1], lane[2] = min(lane[1], at), max(lane[2], at)
            self._stretched.add((cell, outcome))
        return lane[0]

    def _inserted(self, sql: str, values: tuple[object, ...]) -> int:
        return self.connection.execute(sql, values).lastrowid or 0

    # --- rows ---

    def measurement(self, judged: Judged) -> None:
        lane = self._lane(self.cell(judged.cell), judged.outcome, judged.at)
        self._rows.append(
            (
                judged.seq,
                judged.at,
                lane,
                judged.probe,
                self.endpoint(judged.endpoint),
                judged.confidence,
                judged.techniques,
                judged.rule,
                judged.scope,
                judged.marks,
                judged.own,
                judged.expectations,
                judged.rules,
            )
        )

    def present(self, at: int, country: str, asn: int, probe: int) -> None:
        key = (at // _DAY, country, asn, probe)
        if self._present.get(key, -1) < at:
            self._present[key] = at

    def count(self, cell: int, at: int, outcome: str, votes: int) -> None:
        """Add votes (or take back, where negative) to the rollups of a cell."""
        self._counts[cell, at // 60_000 * 60][_COLUMN[outcome]] += votes

    def _flush(self) -> None:
        run = self.connection.executemany
        run("INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._rows)
        spans = [(*self._lanes[key][1:], self._lanes[key][0]) for key in self._stretched]
        run("UPDATE lanes SET first = ?, last = ? WHERE id = ?", spans)
        run(
            "INSERT INTO presence VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET last = max(last, excluded.last)",
            [(*key, last) for key, last in self._present.items()],
        )
        for step in STEPS:
            self._add_counts(step)
        self._rows.clear()
        self._stretched.clear()
        self._present.clear()
        self._counts.clear()

    def _add_counts(self, step: int) -> None:
        sums: defaultdict[tuple[int, int], list[int]] = defaultdict(lambda: [0] * len(OUTCOMES))
        for (cell, minute), counts in self._counts.items():
            total = sums[cell, minute // step * step]
            for index, count in enumerate(counts):
                total[index] += count
        self.connection.executemany(
            f"INSERT INTO rollup_{step} VALUES ({_MARKS}) ON CONFLICT DO UPDATE SET {_ADD}",
            [(*key, *counts) for key, counts in sums.items() if any(counts)],
        )
        self.connection.executemany(
            f"DELETE FROM rollup_{step} WHERE cell = ? AND bucket = ? AND {_EMPTY}",
            [key for key, counts in sums.items() if min(counts) < 0],
        )
