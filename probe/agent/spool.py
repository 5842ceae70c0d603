"""What was seen and not yet delivered: every measurement is durable before it counts as done.

A measurement waits until it becomes a member of a report. A report's id and its members are durable before it is first
sent and never change, so however often it is sent, and wherever the process is killed, it is the same report. It goes
once the collector has it; one that the collector calls malformed is set aside, and tried again when the collector has
another version. Order of reports is the order of measurements: a collector that counts a service's endpoints may take
the next round as the end of this one.

All calls block: give them to one thread. They may raise SpoolUnavailable, and nothing else that a disk can cause.
"""

import datetime as dt
import secrets
import sqlite3
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from probe.agent.spool_batch import Batch, Member, choose, joined
from probe.agent.spool_file import SpoolBroken, SpoolFile, SpoolUnavailable, logger, opened, replaced
from probe.agent.spool_packing import Damaged, Packing, Samples, encoded, importance
from probe.agent.spool_room import evicted, prune, removed
from probe.wire.identifiers import uuid7
from probe.wire.reports import Agent, Reported
from probe.wire.signed import Signed

LIMIT = 200_000_000  # bytes on disk
LEAST = 1_000_000  # of which this is the smallest that works
_LARGEST_ROW = 1 << 20  # bytes of JSON
_DICTIONARY_FOR = 20_000  # measurements, then a new one

T = TypeVar("T")


class SpoolStats(msgspec.Struct, frozen=True, kw_only=True):
    """`bytes` on disk; `set_aside` reports; `dropped` measurements for lack of room since the spool was begun."""

    measurements: int
    bytes: int
    set_aside: int
    dropped: int


class Spool:
    """Use `open`."""

    def __init__(self, file: SpoolFile, limit: int, session: str) -> None:
        self._file, self._limit, self._session = file, limit, session
        self._lock = threading.Lock()
        self._under_way: str | None = None
        self._held = self._since_dictionary = 0
        self._packing, self._samples = Packing(), Samples()
        self._packings: dict[int | None, Packing] = {}
        self._read(self._load)

    @classmethod
    def open(cls, path: Path, limit: int = LIMIT, *, session: str | None = None) -> Self:
        """`limit` in bytes on disk, its log included. `session` names the run of the monotonic clock: the same where
        two processes may compare its values; by default every opening is its own."""
        limit = max(limit, LEAST)
        return cls(opened(path, limit), limit, session or secrets.token_hex(8))

    def close(self) -> None:
        with self._lock:
            self._file.close()

    # --- what the daemon does ---

    def add(self, reported: Reported, *, monotonic: float) -> None:
        """Durable on return. `monotonic` is the injected clock's at the beginning of the measurement. What is too large
        loses its bodies; where room is short the least important goes, which may be this."""
        raw = encoded(reported, min(_LARGEST_ROW, self._limit // 8))
        rank = importance(reported)

        def insert(run: sqlite3.Connection) -> int:
            values = (rank, len(raw), self._session, monotonic, self._packing.number, self._packing.packed(raw))
            columns = "importance, size, session, ended, dictionary, body"
            run.execute(f"INSERT INTO measurements ({columns}) VALUES (?, ?, ?, ?, ?, ?)", values)
            return self._make_room(run)

        with self._lock:
            self._read(lambda: self._file.make_ready(len(raw) // 2))
            gone = self._write(insert)
            self._held += 1 - gone
            if rank == 0:
                self._learn(raw)

    def keep_lease(self, key: str, signed: Signed) -> None:
        """For the reports whose measurements name it."""
        body = msgspec.json.encode(signed)

        def insert(run: sqlite3.Connection) -> None:
            latest = "SELECT ?, coalesce(max(position), 0), ? FROM measurements"
            run.execute(f"INSERT OR IGNORE INTO leases (key, since, signed) {latest}", (key, body))

        with self._lock:
            self._write(insert)

    def stats(self) -> SpoolStats:
        with self._lock:
            return self._read(
                lambda: SpoolStats(
                    measurements=self._held,
                    bytes=self._file.on_disk(),
                    set_aside=self._file.number("SELECT count(*) FROM reports WHERE why IS NOT NULL"),
                    dropped=self._file.number("SELECT value FROM counters WHERE name = 'dropped_ever'"),
                )
            )

    # --- what the uplink does ---

    def batch(self, agent: Agent, *, now: dt.datetime, monotonic: float, besides: Collection[str] = ()) -> Batch | None:
        """The oldest report that waits, or a new one of what waits; None where nothing does. `besides` are ids of
        reports to pass over. `now` (UTC) goes into a new id."""
        with self._lock:
            number = self._waiting(besides) or self._begun(now)
            if number is None:
                return None
            batch = self._read(lambda: self._assembled(number, agent, monotonic))
            self._under_way = batch.report_id if batch else None
            return batch

    def acknowledge(self, report_id: str) -> None:
        """The collector has it: it goes from here."""

        def delete(run: sqlite3.Connection) -> int:
            found = run.execute("SELECT number FROM reports WHERE report_id = ?", (report_id,)).fetchone()
            count = removed(run, found[0]) if found else 0
            prune(run)
            return count

        with self._lock:
            self._held -= self._write(delete)
            self._under_way = None
            self._read(self._file.give_back)

    def set_aside(self, report_id: str, why: str, version: str | None = None) -> None:
        """Kept, and not sent again before the collector's version is another than this."""
        query = "UPDATE reports SET why = ?, version = ? WHERE report_id = ?"
        with self._lock:
            self._write(lambda run: run.execute(query, (why, version, report_id)))
            self._under_way = None

    def restore_set_aside(self, version: str | None) -> int:
        """To be called with the collector's version: how many reports are tried again."""
        query = "UPDATE reports SET why = NULL, version = NULL WHERE why IS NOT NULL AND version IS NOT ?"
        with self._lock:
            if not self._read(lambda: self._file.number("SELECT count(*) FROM reports WHERE why IS NOT NULL")):
                return 0
            return self._write(lambda run: run.execute(query, (version,)).rowcount)

    # --- reports ---

    def _waiting(self, besides: Collection[str]) -> int | None:
        marks = ", ".join("?" * len(besides))
        query = f"SELECT number FROM reports WHERE why IS NULL AND report_id NOT IN ({marks}) ORDER BY number LIMIT 1"
        return self._read(lambda: self._file.number(query, tuple(besides))) or None

    def _begun(self, now: dt.datetime) -> int | None:
        """A new report's number: id and members are durable before anything is sent."""
        chosen = self._read(lambda: choose(self._file, self._limit))
        if not chosen:
            return None

        def insert(run: sqlite3.Connection) -> int:
            cursor = run.execute(
                "INSERT INTO reports (report_id, importance, dropped)"
                " VALUES (?, ?, coalesce((SELECT value FROM counters WHERE name = 'dropped'), 0))",
                (uuid7(now), max(row.importance for row in chosen)),
            )
            run.execute("DELETE FROM counters WHERE name = 'dropped'")
            members = [(cursor.lastrowid, row.position) for row in chosen]
            run.executemany("UPDATE measurements SET report = ? WHERE position = ?", members)
            return int(cursor.lastrowid or 0)

        return self._write(insert)

    def _assembled(self, number: int, agent: Agent, monotonic: float) -> Batch | None:
        """None where the file turned out to be damaged meanwhile, and was replaced."""
        found = self._file.rows("SELECT report_id, dropped FROM reports WHERE number = ?", (number,))
        if not found:
            return None
        ((report_id, dropped),) = found
        query = "SELECT position, session, ended, dictionary, body FROM measurements WHERE report = ? ORDER BY position"
        members, damaged = list[Member](), list[int]()
        for position, session, ended, dictionary, body in self._file.rows(query, (number,)):
            age = max(0.0, monotonic - ended) if session == self._session else None
            try:
                members.append(Member.of(body, self._packing_of(dictionary), age))
            except Damaged as reason:
                logger.error("a measurement in %s is damaged and was dropped (%s)", self._file.path, reason)
                damaged.append(position)
        if damaged:
            self._forget(damaged)
        leases = dict(self._file.rows("SELECT key, signed FROM leases"))
        others = "SELECT 1 FROM measurements WHERE report IS NULL UNION ALL SELECT 1 FROM reports WHERE why IS NULL"
        more = bool(self._file.rows(f"SELECT EXISTS ({others} AND number != ?)", (number,))[0][0])
        return joined(report_id, agent, members, leases, dropped + len(damaged), more=more)

    def _forget(self, positions: list[int]) -> None:
        query = "DELETE FROM measurements WHERE position = ?"
        self._write(lambda run: run.executemany(query, [(position,) for position in positions]))
        self._held -= len(positions)

    # --- room ---

    def _make_room(self, run: sqlite3.Connection) -> int:
        gone = 0
        while self._file.used() > self._file.room:
            step = evicted(run, self._under_way)
            if step is None:
                break
            gone += step
        for name in ("dropped", "dropped_ever") if gone else ():
            run.execute(
                "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                (name, gone),
            )
        return gone

    # --- dictionaries ---

    def _learn(self, raw: bytes) -> None:
        self._since_dictionary += 1
        if self._packing.number is not None and self._since_dictionary < _DICTIONARY_FOR:
            return
        self._samples.add(raw)
        content = self._samples.dictionary()
        if content is None:
            return

        def insert(run: sqlite3.Connection) -> int:
            query = "INSERT INTO dictionaries (since, content) SELECT coalesce(max(position), 0), ? FROM measurements"
            return run.execute(query, (content,)).lastrowid or 0

        self._packing, self._samples = Packing(self._write(insert), content), Samples()
        self._packings[self._packing.number] = self._packing
        self._since_dictionary = 0

    def _packing_of(self, number: int | None) -> Packing:
        if number not in self._packings:
            found = self._file.rows("SELECT content FROM dictionaries WHERE number = ?", (number,))
            if not found:
                raise Damaged("its dictionary is missing")
            self._packings[number] = Packing(number, found[0][0])
        return self._packings[number]

    # --- the file ---

    def _load(self) -> None:
        self._held = self._file.number("SELECT count(*) FROM measurements")
        self._packings = {None: Packing()}
        newest = self._file.number("SELECT max(number) FROM dictionaries") or None
        try:
            self._packing = self._packing_of(newest)
        except Damaged:
            self._packing = self._packings[None]
        self._samples, self._since_dictionary = Samples(), 0

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """One durable transaction; once more after folding the log where the disk is full."""
        try:
            return self._read(lambda: self._transacted(work))
        except SpoolUnavailable as fault:
            if not fault.full:
                raise
            self._file.fold()
            return self._transacted(work)

    def _transacted(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._file.transaction() as run:
            return work(run)

    def _read(self, work: Callable[[], T]) -> T:
        """Once more on a new file where this one turns out to be damaged."""
        try:
            return work()
        except SpoolBroken as reason:
            self._begin_anew(str(reason))
        try:
            return work()
        except SpoolBroken as reason:
            raise SpoolUnavailable(f"{self._file.path}: the disk does not keep what is written ({reason})") from reason

    def _begin_anew(self, reason: str) -> None:
        try:
            self._file.close()
        except (SpoolBroken, SpoolUnavailable) as fault:
            logger.debug("closing a damaged spool: %s", fault)
        self._file = replaced(self._file.path, self._limit, reason)
        self._load()
