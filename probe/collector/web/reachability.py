"""`/api/v1/reachability`: rollups, a row a cell and step, oldest first.

Every step of the API has a rollup of its own, so a row of the answer is a row of a table. Few cells are asked each by
its own index, one stretch of time after another; with many the index by time is walked and what the filter does not
want passed over, so many rows at most a page. So the cost goes with the page and not with what is stored; a page may
hold fewer rows than were asked for, and there is more as long as it names a `next`.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from probe.collector.analyse.crowds import Crowds
from probe.collector.analyse.event_time import milliseconds
from probe.collector.analyse.schema import OUTCOMES
from probe.collector.web.cursors import Number, Seconds, cursor, filters_of, place
from probe.collector.web.parameters import ReachabilityQuery, Where
from probe.collector.web.rows import Reachability, moment

_DAY = 86_400
MERGED = 1_500  # cells or lanes
LOOKED_AT = 8_000  # rows a page
_STRETCH = 8_000  # rows that cells may have in a stretch of time
_REACHED, _VOTES = ("ok", "degraded"), ("ok", "degraded", "partial", "blocked", "down")
_COUNTS = ", ".join(f"r.{outcome}" for outcome in OUTCOMES)


class Spot(msgspec.Struct, frozen=True, array_like=True):
    """The step (in seconds) and the cell that a page goes on behind, and the end that the first page asked for."""

    bucket: Seconds
    cell: Number
    until: Seconds


class ReachabilityPage:
    """One question, answered from one snapshot. `crowds` is None for those who may see everything."""

    def __init__(self, query: ReachabilityQuery, now: int, crowds: Crowds | None) -> None:
        self._query, self._crowds = query, crowds
        self._filters = filters_of(query)
        self._step = int(query.step)
        self._spot = self._start(now // 1000)
        self._where, self._values = where(query, "c")

    def rows(self, connection: sqlite3.Connection) -> tuple[list[Reachability], str | None]:
        found: list[Reachability] = []
        for looked_at, (bucket, cell, fits, *rest) in enumerate(self._walk(connection), 1):
            made = self._row(bucket, rest) if fits else None
            if made is not None:
                found.append(made)
            if len(found) >= self._query.limit or looked_at >= LOOKED_AT:
                spot = msgspec.structs.replace(self._spot, bucket=bucket, cell=cell)
                return found, cursor(spot, self._filters)
        return found, None

    def _start(self, now: int) -> Spot:
        query = self._query
        if query.cursor is not None:
            return place(query.cursor, self._filters, Spot)
        until = milliseconds(query.until) // 1000 if query.until else now + 1
        since = milliseconds(query.since) // 1000 if query.since else until - _DAY
        return Spot(since // self._step * self._step, -1, until)

    def _walk(self, connection: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
        """Rows behind the spot, by time and cell: bucket, cell, whether it fits, and what `_row` takes."""
        if not self._where:
            return self._all(connection, self._spot)
        sql = f"SELECT count(*) FROM (SELECT 1 FROM cells c WHERE 1 {self._where} LIMIT {MERGED + 1})"
        (cells,) = connection.execute(sql, self._values).fetchone()
        if cells <= MERGED:
            return self._of_cells(connection, cells)
        return self._all(connection, self._later(connection, self._spot))

    def _of_cells(self, connection: sqlite3.Connection, cells: int) -> Iterator[tuple[Any, ...]]:
        """Stretches of time, one after the other: in each the cells by their own index."""
        stretch = self._step * max(1, _STRETCH // max(1, cells))
        sql = (
            f"{self._select('1', 'cells c')} CROSS JOIN rollup_{self._step} r"
            " ON r.cell = c.id AND r.bucket >= ? AND r.bucket < ? LEFT JOIN networks n ON n.asn = c.asn"
            f" WHERE (r.bucket, r.cell) > (?, ?) {self._where} ORDER BY r.bucket, r.cell"
        )
        spot = self._later(connection, self._spot)
        while spot.bucket < spot.until:
            end = min(spot.until, spot.bucket + stretch)
            yield from connection.execute(sql, (spot.bucket, end, spot.bucket, spot.cell, *self._values))
            spot = self._later(connection, msgspec.structs.replace(spot, bucket=end, cell=-1))

    def _all(self, connection: sqlite3.Connection, spot: Spot) -> Iterator[tuple[Any, ...]]:
        table = f"rollup_{self._step}"
        return connection.execute(
            f"{self._select(f'1 {self._where}', f'{table} r INDEXED BY {table}_bucket')}"
            " CROSS JOIN cells c ON c.id = r.cell LEFT JOIN networks n ON n.asn = c.asn"
            " WHERE (r.bucket, r.cell) > (?, ?) AND r.bucket < ? ORDER BY r.bucket, r.cell",
            (*self._values, spot.bucket, spot.cell, spot.until),
        )

    def _select(self, fits: str, source: str) -> str:
        return (
            f"SELECT r.bucket, r.cell, {fits}, c.country, c.asn, c.platform, c.service, c.scope, n.name, {_COUNTS}"
            f" FROM {source}"
        )

    def _later(self, connection: sqlite3.Connection, spot: Spot) -> Spot:
        """The first step from the spot on in which a cell of the filter has votes: silence is jumped over."""
        sql = (
            f"SELECT min((SELECT min(r.bucket) FROM rollup_{self._step} r WHERE r.cell = c.id AND r.bucket >= ?))"
            f" FROM cells c WHERE 1 {self._where}"
        )
        (first,) = connection.execute(sql, (spot.bucket, *self._values)).fetchone()
        if first is None:
            return msgspec.structs.replace(spot, bucket=spot.until)
        return spot if first == spot.bucket else msgspec.structs.replace(spot, bucket=first, cell=-1)

    def _row(self, bucket: int, row: Sequence[Any]) -> Reachability | None:
        country, asn, platform, service, scope, network, *counts = row
        votes = {outcome: count for outcome, count in zip(OUTCOMES, counts, strict=True) if count}
        if not votes or (self._crowds is not None and not self._crowds.shown(country, asn, bucket * 1000)):
            return None
        voting = sum(votes.get(outcome, 0) for outcome in _VOTES)
        reached = sum(votes.get(outcome, 0) for outcome in _REACHED)
        return Reachability(
            time=moment(bucket * 1000),
            country=country or None,
            asn=asn or None,
            network=network,
            platform=platform,
            service=service,
            scope=scope or None,
            votes=votes,
            ratio=round(reached / voting, 4) if voting else None,
        )


def where(query: Where, table: str) -> tuple[str, tuple[object, ...]]:
    """The filter on cells as SQL, and its values."""
    asked = {"country": query.country, "asn": query.asn, "platform": query.platform, "service": query.service}
    given = {name: value for name, value in asked.items() if value is not None}
    return "".join(f" AND {table}.{name} = ?" for name in given), tuple(given.values())
