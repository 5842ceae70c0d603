"""Expectations out of what enrolled controls see, and which endpoints no control reaches any more.

Everything is decided when an entry of a control is handled, by that entry's time of receipt: so a replay decides alike.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable

import msgspec
import zstandard

from probe.collector.analyse.agreement import agree, agreed, carried
from probe.collector.analyse.event_time import moment
from probe.collector.analyse.knowledge import Knowledge
from probe.collector.analyse.store import Store
from probe.verdict.expect import expectation_of
from probe.wire.expectations import Expectation, Expectations
from probe.wire.measurement import Measurement
from probe.wire.vocabulary import Outcome

FRESH = 3 * 3_600_000  # ms that a control's sighting speaks: longer than a sampled endpoint's turn takes to come round
QUIET = 600_000  # ms between two versions where nothing changed in how far connections get
RENEWED = 3_600_000  # ms after which the same is said again: probes distrust what is old
LOST = 86_400_000  # ms without any control reaching it: the endpoint is suspended
_REACHED = frozenset({Outcome.OK, Outcome.DEGRADED})

_EXPECTATION = msgspec.msgpack.Decoder(Expectation)


class Controls:
    """Like the store, it does not outlive a transaction that failed."""

    def __init__(self, store: Store, knowledge: Knowledge) -> None:
        self._store, self._knowledge = store, knowledge
        run = store.connection.execute
        self._seen: defaultdict[str, dict[int, tuple[int, Expectation]]] = defaultdict(dict)
        for url, probe, at, raw in run(
            "SELECT e.url, s.probe, s.at, s.expectation FROM sightings s JOIN endpoints e ON e.id = s.endpoint"
            " ORDER BY s.endpoint, s.probe"
        ):
            self._seen[url][probe] = (at, _EXPECTATION.decode(raw))
        reach = run("SELECT e.url, r.since, r.measured, r.reached FROM reach r JOIN endpoints e ON e.id = r.endpoint")
        self._reach: dict[str, list[int]] = {url: [since, measured, reached] for url, since, measured, reached in reach}
        last = run("SELECT made_at FROM expectations ORDER BY id DESC LIMIT 1").fetchone()
        self._made_at = last[0] if last else None
        self._current = current_expectations(store)
        self._looked: set[str] = set()

    def see(self, measurement: Measurement, outcome: Outcome, probe: int, at: int) -> None:
        """What one control saw. A control whose own network was not fit is no measure for anybody."""
        if outcome is Outcome.VOID or not measurement.steps:
            return
        url = measurement.endpoint
        before = self._seen[url].get(probe)
        if before is not None and before[0] > at:
            return
        now = expectation_of(measurement)
        if before is not None:
            now = carried(before[1], now)
        self._seen[url][probe] = (at, now)
        self._note_reach(url, at, reached=outcome in _REACHED)
        self._looked.add(url)
        endpoint = self._store.endpoint(url)
        self._store.connection.execute(
            "INSERT OR REPLACE INTO sightings VALUES (?, ?, ?, ?)", (endpoint, probe, at, msgspec.msgpack.encode(now))
        )

    def suspended(self, url: str, at: int) -> bool:
        """Whether controls tried this endpoint at that time, and none had reached it for a day."""
        reach = self._reach.get(url)
        if reach is None:
            return False
        since, measured, reached = reach
        return measured > at - FRESH and max(since, reached) < at - LOST

    def publish(self, received: int) -> None:
        """A new version where something changed: at once where a connection now gets further or less far than was
        expected, else now and then."""
        if not self._looked:
            return
        fresh = {url: self._agreed(url, received) for url in self._looked}
        if not self._due(fresh, received):
            return
        self._looked.clear()
        endpoints = dict(sorted(self._all(received).items()))
        if endpoints != self._current or received - (self._made_at or 0) >= RENEWED:
            self._current = endpoints
            self._write(endpoints, received)

    def _due(self, fresh: dict[str, Expectation | None], received: int) -> bool:
        if self._made_at is None or received - self._made_at >= QUIET:
            return True
        return any(_turned(self._current.get(url), now) for url, now in fresh.items())

    def _all(self, received: int) -> dict[str, Expectation]:
        found = {url: self._agreed(url, received) for url in self._seen}
        return {url: expectation for url, expectation in found.items() if expectation is not None}

    def _agreed(self, url: str, received: int) -> Expectation | None:
        return agreed([seen for at, seen in self._seen[url].values() if at > received - FRESH])

    def _note_reach(self, url: str, at: int, *, reached: bool) -> None:
        row = self._reach.setdefault(url, [at, at, 0])
        row[1] = max(row[1], at)
        if reached:
            row[2] = max(row[2], at)
        values = (self._store.endpoint(url), *row)
        self._store.connection.execute("INSERT OR REPLACE INTO reach VALUES (?, ?, ?, ?)", values)

    def _write(self, endpoints: dict[str, Expectation], received: int) -> None:
        made_at = received if self._made_at is None else max(received, self._made_at + 1)
        catalogue = self._knowledge.rules.catalogue.version
        document = msgspec.json.encode(
            Expectations(made_at=moment(made_at), catalogue=catalogue, endpoints=endpoints), order="sorted"
        )
        version = f"{moment(made_at):%Y%m%dT%H%M%S.%f}"[:-3] + "Z-" + hashlib.sha256(document).hexdigest()[:8]
        add = "INSERT INTO expectations (made_at, version, document) VALUES (?, ?, ?)"
        values = (made_at, version, zstandard.compress(document, 6))
        number = self._store.connection.execute(add, values).lastrowid or 0
        self._made_at = made_at
        self._knowledge.add(made_at, number)


def _turned(before: Expectation | None, now: Expectation | None) -> bool:
    if before is None or now is None:
        return before is not now
    return not agree(before, now)


def current_expectations(store: Store) -> dict[str, Expectation]:
    row = store.connection.execute("SELECT id FROM expectations ORDER BY id DESC LIMIT 1").fetchone()
    return load_expectations(store, row[0]).endpoints if row else {}


def load_expectations(store: Store, number: int) -> Expectations:
    """Those that were forgotten meanwhile expect nothing."""
    find = "SELECT document, made_at FROM expectations WHERE id = ?"
    row = store.connection.execute(find, (number,)).fetchone()
    if not row[0]:
        return Expectations(made_at=moment(row[1]))
    return msgspec.json.decode(zstandard.decompress(row[0]), type=Expectations)


def versions(store: Store) -> list[tuple[int, int]]:
    """(Made at, id) of each, oldest first."""
    rows: Iterable[tuple[int, int]] = store.connection.execute("SELECT made_at, id FROM expectations ORDER BY id")
    return list(rows)
