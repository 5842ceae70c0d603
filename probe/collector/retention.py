"""What the views forget: rows that are too old or too many, and everything of a probe that asked to be erased.

Work is cut into small transactions, so that analysis goes on in between. The log has housekeeping of its own.
"""

import sqlite3
from collections.abc import Iterator

import msgspec

from probe.collector.analyse.schema import OUTCOMES, STEPS, transaction

_DAY = 86_400_000
_QUARTER, _HOUR = 900, 3600  # seconds
_TOGETHER = 5_000  # rows of one transaction
_SPAN = 200_000  # numbers of measurements that are looked through in one transaction


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """`days` of single measurements, votes and rollups by the quarter of an hour; at most `size` bytes of views, where
    one is set. Finer rollups are kept for `minutes` days, coarser ones for ever."""

    days: int = 400
    size: int | None = None
    minutes: int = 90
    ledger: int = 30  # days that repeats of a report are known


def prune(views: sqlite3.Connection, keep: Keep, now: int) -> Iterator[int]:
    """How many rows each step removed. Other work may be done between two steps."""
    oldest = now - keep.days * _DAY
    for table in ("measurements", "votes"):
        yield from _older(views, table, "at", oldest)
    yield _forget_expectations(views, now - keep.minutes * _DAY)
    yield from _where(views, "reports", "received < ?", now - keep.ledger * _DAY, "probe, report")
    yield from _where(views, "presence", "day < ?", oldest // _DAY, "country, asn, day, probe")
    for step in STEPS:
        days = keep.minutes if step < _QUARTER else keep.days
        if step < _HOUR:
            yield from _where(views, f"rollup_{step}", "bucket < ?", (now - days * _DAY) // 1000, "cell, bucket")
    if keep.size is not None:
        yield from _shrink(views, keep.size)


def used(views: sqlite3.Connection) -> int:
    """Bytes that rows take, without pages that are free to be used again."""
    pages, free, size = (
        views.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _older(views: sqlite3.Connection, table: str, column: str, oldest: int) -> Iterator[int]:
    key = {"measurements": "seq", "votes": "rowid"}[table]
    yield from _where(views, table, f"{column} < ?", oldest, key)


def _forget_expectations(views: sqlite3.Connection, oldest: int) -> int:
    """Their versions stay named, what they said goes; the newest stays whole."""
    sql = (
        "UPDATE expectations SET document = x'' WHERE made_at < ? AND document <> x''"
        " AND id < (SELECT max(id) FROM expectations)"
    )
    return views.execute(sql, (oldest,)).rowcount


def _where(views: sqlite3.Connection, table: str, condition: str, value: int, key: str) -> Iterator[int]:
    some = f"SELECT {key} FROM {table} WHERE {condition} LIMIT {_TOGETHER}"
    sql = f"DELETE FROM {table} WHERE ({key}) IN ({some})"
    gone = _TOGETHER
    while gone == _TOGETHER:
        gone = views.execute(sql, (value,)).rowcount
        yield gone


def _shrink(views: sqlite3.Connection, size: int) -> Iterator[int]:
    """The oldest measurements go first, then the oldest votes."""
    for table, key in (("measurements", "seq"), ("votes", "rowid")):
        sql = f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} ORDER BY at LIMIT {_TOGETHER})"
        gone = 1
        while used(views) > size and gone:
            gone = views.execute(sql).rowcount
            yield gone


# --- one probe ---


def erase(views: sqlite3.Connection, probe: str) -> Iterator[int]:
    """Everything of this probe, its votes taken back from the rollups. How many rows each step removed."""
    row = views.execute("SELECT id FROM probes WHERE name = ?", (probe,)).fetchone()
    if row is None:
        return
    number = row[0]
    yield from _erase_votes(views, number)
    (most,) = views.execute("SELECT coalesce(max(seq), 0) FROM measurements").fetchone()
    low = views.execute("SELECT coalesce(min(seq), 0) FROM measurements").fetchone()[0]
    while low <= most:
        sql = "DELETE FROM measurements WHERE seq >= ? AND seq < ? AND probe = ?"
        yield views.execute(sql, (low, low + _SPAN, number)).rowcount
        low += _SPAN
    for table in ("reports", "presence", "sightings"):
        yield views.execute(f"DELETE FROM {table} WHERE probe = ?", (number,)).rowcount
    yield views.execute("DELETE FROM probes WHERE id = ?", (number,)).rowcount


def _erase_votes(views: sqlite3.Connection, number: int) -> Iterator[int]:
    find = f"SELECT rowid, cell, at, outcome, counted FROM votes WHERE probe = ? LIMIT {_TOGETHER}"
    while rows := views.execute(find, (number,)).fetchall():
        with transaction(views):
            for _, cell, at, outcome, counted in rows:
                if counted and outcome in OUTCOMES:
                    _uncount(views, cell, at // 1000, outcome)
            views.executemany("DELETE FROM votes WHERE rowid = ?", [(row[0],) for row in rows])
        yield len(rows)


def _uncount(views: sqlite3.Connection, cell: int, second: int, outcome: str) -> None:
    for step in STEPS:
        bucket = second // step * step
        sql = f"UPDATE rollup_{step} SET {outcome} = max(0, {outcome} - 1) WHERE cell = ? AND bucket = ?"
        views.execute(sql, (cell, bucket))
        empty = " AND ".join(f"{name} = 0" for name in OUTCOMES)
        views.execute(f"DELETE FROM rollup_{step} WHERE cell = ? AND bucket = ? AND {empty}", (cell, bucket))
