"""All views made anew from the log: sealed days, then live ones. The journal is not touched, and nobody is told.

They are made in a file of their own. Where the collector's analysis is running it takes the new file up by itself;
else it is made current here.
"""

import fcntl
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from probe.collector.analyse.analysis import Analysis
from probe.collector.analyse.knowledge import Rules
from probe.collector.analyse.schema import STEPS, make_current, remove_views
from probe.collector.analyse.whereabouts import Locator
from probe.collector.log.protocol import Log
from probe.collector.retention import erase

DRAFT, READY = "views.replaying.db", "views.replayed.db"
_LOCK = "views.lock"
_ENTRIES = 200

Told = Callable[[int, int], None]  # position and measurements so far
Erased = Callable[[], Iterable[str]]  # the probes whose data is to go: the log may hold it for some hours yet


async def replayed(
    log: Log, file: Path, rules: Rules, locator: Locator, *, erased: Erased, told: Told | None = None
) -> int:
    """Views of everything in the log but what erased probes reported, in this file. From how many measurements they
    were made. Raises LogDamaged, and what `erased` raises."""
    remove_views(file)
    left_out = frozenset(erased())
    analysis = Analysis(file, rules, locator, left_out)
    total = 0
    try:
        while entries := await log.read(analysis.position, _ENTRIES):
            total += analysis.advance(entries).measurements
            if told is not None:
                told(analysis.position, total)
        for probe in frozenset(erased()) - left_out:  # asked for meanwhile
            deque(erase(analysis.connection, probe), maxlen=0)
        _settle(analysis.connection)
    finally:
        analysis.close()
    return total


def _settle(views: sqlite3.Connection) -> None:
    """One file without anything beside it, so that it can be renamed."""
    views.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    views.execute("PRAGMA journal_mode=DELETE")


@contextmanager
def alone(state: Path) -> Iterator[bool]:
    """Whether no analysis is running with this state. None can begin meanwhile."""
    with (state / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def take_up_if_alone(state: Path) -> bool:
    """Whether the replayed views are in use now; else a running analysis takes them up by itself."""
    with alone(state) as yes:
        return yes and take_up(state)


def take_up(state: Path) -> bool:
    """Make replayed views the current ones, if there are any. For whoever is `alone`; nobody may have the old ones open
    for writing."""
    ready = state / READY
    if not ready.exists():
        return False
    number = 1 + max((_number(path) for path in state.glob("views-*.db")), default=0)
    file = state / f"views-{number}.db"
    ready.replace(file)
    make_current(state, file)
    return True


def _number(path: Path) -> int:
    digits = path.stem.removeprefix("views-")
    return int(digits) if digits.isdigit() else 0


# --- comparing ---

_DUMPS = (
    "SELECT 'measurement', m.seq, m.at, c.country, c.asn, c.platform, c.service, l.outcome, p.name, p.role, e.url,"
    " m.confidence, m.techniques, m.rule, m.scope, m.marks, m.own, x.version, m.rules FROM measurements m"
    " JOIN lanes l ON l.id = m.lane JOIN cells c ON c.id = l.cell JOIN probes p ON p.id = m.probe"
    " JOIN endpoints e ON e.id = m.endpoint LEFT JOIN expectations x ON x.id = m.expectations",
    "SELECT 'vote', v.serial, p.name, p.steward, v.round, c.country, c.asn, c.platform, c.service, c.scope, v.at,"
    " v.began, v.received, v.outcome, v.techniques, v.confidence, v.marks, v.retest, v.expected, v.handshake,"
    " v.goodput, v.void, v.closed, v.counted, v.revision, hex(v.parts) FROM votes v JOIN probes p ON p.id = v.probe"
    " JOIN cells c ON c.id = v.cell",
    *(
        f"SELECT 'rollup {step}', c.country, c.asn, c.platform, c.service, c.scope, r.bucket, r.ok, r.partial,"
        f" r.blocked, r.degraded, r.down, r.inconclusive, r.void FROM rollup_{step} r JOIN cells c ON c.id = r.cell"
        for step in STEPS
    ),
    "SELECT 'presence', r.day, r.country, r.asn, p.name, r.last FROM presence r JOIN probes p ON p.id = r.probe",
    "SELECT 'sighting', e.url, p.name, s.at, hex(s.expectation) FROM sightings s"
    " JOIN endpoints e ON e.id = s.endpoint JOIN probes p ON p.id = s.probe",
    "SELECT 'reach', e.url, r.since, r.measured, r.reached FROM reach r JOIN endpoints e ON e.id = r.endpoint",
    "SELECT 'expectations', made_at, version, hex(document) FROM expectations",
    "SELECT 'network', asn, name FROM networks",
    "SELECT 'position', position, received FROM positions",
)


def dump(views: sqlite3.Connection) -> list[str]:
    """Every row as a line, sorted, names in place of the numbers that stand for them: equal for equal views."""
    return sorted(repr(row) for sql in _DUMPS for row in views.execute(sql))
