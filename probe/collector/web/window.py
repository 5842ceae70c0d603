"""The last quarter of an hour, cell by cell, kept up with what is new: metrics are drawn from it.

Only what changed since the last look is read, and only cells that changed are written out again, so a scrape of many
series costs little more than joining their lines.
"""

import sqlite3

import msgspec

from probe.collector.analyse.rounds import counts
from probe.collector.analyse.schema import OUTCOMES

WINDOW = 900_000  # ms
_REACHED = frozenset({"ok", "degraded"})
_VOTES = frozenset({"ok", "degraded", "partial", "blocked", "down"})
_VOTE = "SELECT cell, probe, at, outcome, marks FROM votes"
_FIRST = f"{_VOTE} WHERE +serial > ? AND closed = 1 AND at >= ?"  # by time: the views may hold years
_FRESH = f"{_VOTE} WHERE serial > ? AND closed = 1 AND +at >= ?"  # by what became known since
_ONLINE = (
    "SELECT country, asn, count(DISTINCT probe) FROM presence INDEXED BY presence_last WHERE last >= ?"
    " GROUP BY country, asn"
)

_CONTROLS = (
    "SELECT count(DISTINCT probe) FROM presence JOIN probes ON probes.id = probe WHERE last >= ? AND role = 'control'"
)


class Place(msgspec.Struct, frozen=True):
    """What the labels of a cell are made of."""

    country: str
    asn: int
    platform: str
    service: str


class Cell:
    """`votes` has each probe's latest vote: when, and what."""

    __slots__ = ("place", "ratio", "text", "votes")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.votes: dict[int, tuple[int, str]] = {}
        self.ratio = self.text = b""

    def render(self, network: str) -> None:
        tally = dict.fromkeys(OUTCOMES, 0)
        for _, outcome in self.votes.values():
            tally[outcome] += 1
        self.ratio = self.text = b""
        place = self.place
        head = f'country="{place.country}",asn="{place.asn or ""}"'
        tail = f'platform="{label(place.platform)}",service="{label(place.service)}"'
        voting = sum(count for outcome, count in tally.items() if outcome in _VOTES)
        if voting:
            share = sum(tally[outcome] for outcome in _REACHED) / voting
            self.ratio = f'reachability_ratio{{{head},network="{network}",{tail}}} {share:.6g}\n'.encode()
        lines = [
            f'reachability_votes{{{head},{tail},outcome="{outcome}"}} {count}\n'
            for outcome, count in tally.items()
            if count
        ]
        self.text = "".join(lines).encode()


class Window:
    """For one thread at a time. Times in ms."""

    def __init__(self) -> None:
        self.cells: dict[int, Cell] = {}
        self.online: dict[tuple[str, int], int] = {}
        self.received = 0
        self.caught_up = False
        self.controls: int | None = None  # online
        self.expected_at: int | None = None  # when the newest expectations were made
        self._serial = 0
        self._networks: dict[int, str] = {}

    def refresh(self, views: sqlite3.Connection, now: int) -> None:
        since = now - WINDOW
        (newest,) = views.execute("SELECT coalesce(max(serial), 0) FROM votes").fetchone()
        if newest < self._serial:  # the views were made anew
            self.cells.clear()
            self._serial = 0
        dirty = self._expired(since) | self._added(views, since)
        dirty |= self._renamed(views)
        for number in dirty:
            cell = self.cells[number]
            if cell.votes:
                cell.render(label(self._networks.get(cell.place.asn, "")))
            else:
                del self.cells[number]
        self.online = {(country, asn): probes for country, asn, probes in views.execute(_ONLINE, (since,))}
        self._look_at_lag(views)
        (self.controls,) = views.execute(_CONTROLS, (since,)).fetchone()
        (self.expected_at,) = views.execute("SELECT max(made_at) FROM expectations").fetchone()

    def lag(self, now: int) -> float | None:
        """Seconds that analysis is behind the log; None before it has read anything."""
        if not self.received:
            return None
        return 0.0 if self.caught_up else max(0.0, (now - self.received) / 1000)

    def _expired(self, since: int) -> set[int]:
        dirty: set[int] = set()
        for number, cell in self.cells.items():
            gone = [probe for probe, (at, _) in cell.votes.items() if at < since]
            for probe in gone:
                del cell.votes[probe]
            if gone:
                dirty.add(number)
        return dirty

    def _added(self, views: sqlite3.Connection, since: int) -> set[int]:
        dirty: set[int] = set()
        places = _Places(views, self.cells)
        (newest,) = views.execute("SELECT coalesce(max(serial), 0) FROM votes").fetchone()
        find = _FRESH if self._serial else _FIRST
        for number, probe, at, outcome, marks in views.execute(find, (self._serial, since)):
            if not counts(marks):
                continue
            cell = places.cell(number)
            if cell is not None and cell.votes.get(probe, (0, ""))[0] <= at:
                cell.votes[probe] = (at, outcome)
                dirty.add(number)
        self._serial = newest
        return dirty

    def _renamed(self, views: sqlite3.Connection) -> set[int]:
        names = dict(views.execute("SELECT asn, name FROM networks"))
        changed = {asn for asn, name in names.items() if self._networks.get(asn) != name}
        self._networks = names
        return {number for number, cell in self.cells.items() if cell.place.asn in changed} if changed else set()

    def _look_at_lag(self, views: sqlite3.Connection) -> None:
        row = views.execute("SELECT received FROM positions WHERE reader = 'analysis'").fetchone()
        self.received = row[0] if row else 0
        row = views.execute("SELECT value FROM notes WHERE name = 'caught_up'").fetchone()
        self.caught_up = bool(row and row[0])


class _Places:
    """Cells by their number. Those of resolvers' operators are shown by the API, and nowhere counted as networks."""

    def __init__(self, views: sqlite3.Connection, cells: dict[int, Cell]) -> None:
        self._views, self._cells = views, cells

    def cell(self, number: int) -> Cell | None:
        cell = self._cells.get(number)
        if cell is None:
            find = "SELECT country, asn, platform, service, scope FROM cells WHERE id = ?"
            *place, scope = self._views.execute(find, (number,)).fetchone()
            if scope:
                return None
            cell = self._cells[number] = Cell(Place(*place))
        return cell


def label(text: str) -> str:
    """A label's value, escaped as the text format wants it."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
