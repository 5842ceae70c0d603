"""`/api/v1/measurements`: single measurements, newest first.

A filter comes down to lanes (cell and outcome), each with an index of its rows by time. Few lanes are merged, each
opened only once its newest row could be next; with many, the index by time is walked and what is not in a lane passed
over, so many rows at most a page. Either way the cost goes with the page and not with what is stored; a page may hold
fewer rows than were asked for, and there is more as long as it names a `next`.
"""

import functools
import heapq
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from probe.collector.analyse.crowds import DELAY, Crowds, Names
from probe.collector.analyse.event_time import milliseconds
from probe.collector.web.cursors import Milliseconds, Number, cursor, filters_of, place
from probe.collector.web.parameters import MeasurementsQuery
from probe.collector.web.reachability import LOOKED_AT, MERGED, where
from probe.collector.web.rows import MeasurementRow, mark_names, moment

_END = 1 << 62
_DAY = 86_400_000

# What `measurement_row` takes, for measurements with a condition of one's own.
ROWS = """
SELECT m.seq, m.at, c.country, c.asn, n.name, c.platform, c.service, e.url, l.outcome, m.techniques, m.confidence,
  m.rule, m.rules, m.scope, m.marks, m.own, x.version, p.name
FROM measurements m CROSS JOIN lanes l ON l.id = m.lane CROSS JOIN cells c ON c.id = l.cell
  JOIN probes p ON p.id = m.probe JOIN endpoints e ON e.id = m.endpoint LEFT JOIN networks n ON n.asn = c.asn
  LEFT JOIN expectations x ON x.id = m.expectations
"""
_OF_LANE = (
    "SELECT at, seq FROM measurements WHERE lane = ? AND at >= ? AND (at, seq) < (?, ?) ORDER BY at DESC, seq DESC"
)
_OF_ALL = (
    "SELECT m.at, m.seq, c.country, c.asn, {fits} FROM measurements m INDEXED BY measurements_at"
    " CROSS JOIN lanes l ON l.id = m.lane CROSS JOIN cells c ON c.id = l.cell"
    " WHERE m.at >= ? AND (m.at, m.seq) < (?, ?) ORDER BY m.at DESC, m.seq DESC"
)

Found = tuple[int, int]  # time, seq
Seen = tuple[int, int, str, int, bool]  # and country, ASN, whether it fits


class Spot(msgspec.Struct, frozen=True, array_like=True):
    """Rows before this one follow. `until` is the end of the time that the first page asked for, ms."""

    at: Milliseconds
    seq: Number
    until: Milliseconds


class Lane(msgspec.Struct, frozen=True, array_like=True):
    id: int
    country: str
    asn: int
    last: int


class MeasurementsPage:
    """One question, answered from one snapshot. `crowds` is None for those who may see everything."""

    def __init__(self, query: MeasurementsQuery, now: int, crowds: Crowds | None, names: Names) -> None:
        self._query, self._crowds, self._names = query, crowds, names
        self._filters = filters_of(query)
        self._since = milliseconds(query.since) if query.since else 0
        latest = now - DELAY if crowds is not None else now + 1
        until = min(milliseconds(query.until), latest) if query.until else latest
        self._spot = place(query.cursor, self._filters, Spot) if query.cursor is not None else Spot(until, -1, until)

    def rows(self, connection: sqlite3.Connection) -> tuple[list[MeasurementRow], str | None]:
        wanted: list[int] = []
        following = None
        for looked_at, (at, seq, country, asn, fits) in enumerate(self._walk(connection), 1):
            if fits and self._shown(country, asn, at):
                wanted.append(seq)
            if len(wanted) >= self._query.limit or looked_at >= LOOKED_AT:
                following = cursor(Spot(at, seq, self._spot.until), self._filters)
                break
        return rows_of(connection, wanted, self._names), following

    def _shown(self, country: str, asn: int, at: int) -> bool:
        return self._crowds is None or self._crowds.shown(country, asn, at)

    def _walk(self, connection: sqlite3.Connection) -> Iterator[Seen]:
        condition, values = self._condition()
        if not condition:
            return self._all(connection, "1", (), self._spot)
        lanes = self._lanes(connection, condition, values)
        if len(lanes) <= MERGED:
            return self._merged(connection, lanes)
        sql = f"SELECT max(l.last) FROM cells c JOIN lanes l ON l.cell = c.id WHERE 1 {condition}"
        (newest,) = connection.execute(sql, values).fetchone()
        spot = self._spot if newest >= self._spot.at else Spot(newest, _END, 0)  # silence is jumped over
        return self._all(connection, f"1 {condition}", values, spot)

    def _condition(self) -> tuple[str, tuple[object, ...]]:
        condition, values = where(self._query, "c")
        if self._query.outcome is not None:
            condition, values = f"{condition} AND l.outcome = ?", (*values, self._query.outcome)
        if self._crowds is not None:
            condition += " AND c.platform <> ''"  # what somebody asked for by hand is not for the public
        return condition, values

    def _lanes(self, connection: sqlite3.Connection, condition: str, values: tuple[object, ...]) -> list[Lane]:
        sql = (
            "SELECT l.id, c.country, c.asn, l.last FROM cells c JOIN lanes l ON l.cell = c.id"
            f" WHERE l.first <= ? AND l.last >= ? {condition} LIMIT {MERGED + 1}"
        )
        return [Lane(*row) for row in connection.execute(sql, (self._spot.at, self._since, *values))]

    def _all(self, connection: sqlite3.Connection, fits: str, values: tuple[object, ...], spot: Spot) -> Iterator[Seen]:
        return connection.execute(_OF_ALL.format(fits=fits), (*values, self._since, spot.at, spot.seq))

    def _merged(self, connection: sqlite3.Connection, lanes: Sequence[Lane]) -> Iterator[Seen]:
        """The newest first, from several indexes at once, each opened only when its newest row could be next."""
        closed = sorted(lanes, key=lambda lane: lane.last)
        heap: list[tuple[int, int, int, Lane, Iterator[Found]]] = []
        while heap or closed:
            while closed and (not heap or closed[-1].last >= -heap[0][0]):
                lane = closed.pop()
                _push(heap, lane, self._of_lane(connection, lane.id))
            if heap:
                at, seq, _, lane, rest = heapq.heappop(heap)
                yield -at, -seq, lane.country, lane.asn, True
                _push(heap, lane, rest)

    def _of_lane(self, connection: sqlite3.Connection, lane: int) -> Iterator[Found]:
        return connection.execute(_OF_LANE, (lane, self._since, self._spot.at, self._spot.seq))


def _push(heap: list[tuple[int, int, int, Lane, Iterator[Found]]], lane: Lane, rows: Iterator[Found]) -> None:
    first = next(rows, None)
    if first is not None:
        heapq.heappush(heap, (-first[0], -first[1], lane.id, lane, rows))


def rows_of(connection: sqlite3.Connection, seqs: Sequence[int], names: Names) -> list[MeasurementRow]:
    """Measurements by their numbers, in their order, probes under the names of the day. Those that are gone are left
    out."""
    sql = f"{ROWS} WHERE m.seq IN ({', '.join('?' * len(seqs))})"
    found = {row[0]: row for row in connection.execute(sql, seqs)}
    named = functools.cache(names.of_day)
    return [measurement_row(found[seq], named) for seq in seqs if seq in found]


def measurement_row(row: tuple[Any, ...], name_of: Callable[[str, int], str]) -> MeasurementRow:
    """`name_of` gives a probe's name on a day, counted from 1970."""
    seq, at, country, asn, network, platform, service, url, outcome, techniques, confidence, *rest = row
    rule, rules, scope, marks, own, version, probe = rest
    return MeasurementRow(
        id=str(seq),
        time=moment(at),
        country=country or None,
        asn=asn or None,
        network=network,
        platform=platform or None,
        service=service or None,
        endpoint=url,
        outcome=outcome,
        techniques=tuple(techniques.split()),
        confidence=confidence,
        rule=rule,
        rules=rules,
        scope=scope or None,
        marks=mark_names(marks) if marks else (),
        own=own,
        expectations=version,
        probe=name_of(probe, at // _DAY),
    )
