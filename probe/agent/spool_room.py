"""What goes when room is short: the oldest healthy results first, those that show interference last.

A report that was made goes as a whole, because its members stay together for ever: what the collector called malformed
before what merely waits. The one under way stays.
"""

import itertools
import sqlite3

from probe.agent.spool_packing import MOST_IMPORTANT

_AT_ONCE, _BYTES_AT_ONCE = 32, 32 << 10  # measurements


def evicted(run: sqlite3.Connection, under_way: str | None) -> int | None:
    """How many measurements went in one step, which may be none (an empty report); None where nothing may go."""
    for importance in range(MOST_IMPORTANT + 1):
        gone = _oldest_report(run, importance, under_way)
        if gone is None:
            gone = _oldest_measurements(run, importance)
        if gone is not None:
            return gone
    return None


def removed(run: sqlite3.Connection, number: int) -> int:
    """The report and its members; how many these were."""
    count = run.execute("DELETE FROM measurements WHERE report = ?", (number,)).rowcount
    run.execute("DELETE FROM reports WHERE number = ?", (number,))
    return count


def prune(run: sqlite3.Connection) -> None:
    """Leases and dictionaries that nothing refers to. A measurement may have begun ten leases ago, not more."""
    (oldest,) = run.execute("SELECT min(position) FROM measurements").fetchone()
    for table, spare in (("leases", 10), ("dictionaries", 0)):
        after = "" if oldest is None else f"WHERE since < {int(oldest)}"
        (last,) = run.execute(f"SELECT max(number) FROM {table} {after}").fetchone()
        run.execute(f"DELETE FROM {table} WHERE number < ?", ((last or 0) - spare,))


def _oldest_report(run: sqlite3.Connection, importance: int, under_way: str | None) -> int | None:
    found = run.execute(
        "SELECT number, dropped FROM reports WHERE importance = ? AND report_id IS NOT ?"
        " ORDER BY why IS NULL, number LIMIT 1",
        (importance, under_way),
    ).fetchone()
    return removed(run, found[0]) + found[1] if found else None


def _oldest_measurements(run: sqlite3.Connection, importance: int) -> int | None:
    """Some that lie together, because only whole pages become free; not more than need be where they are large."""
    query = (
        "SELECT position, length(body) FROM measurements WHERE report IS NULL AND importance = ?"
        " ORDER BY position LIMIT ?"
    )
    rows = run.execute(query, (importance, _AT_ONCE)).fetchall()
    before = itertools.accumulate((size for _, size in rows), initial=0)
    going = [(position,) for (position, _), size in zip(rows, before, strict=False) if size < _BYTES_AT_ONCE]
    run.executemany("DELETE FROM measurements WHERE position = ?", going)
    return len(going) or None
