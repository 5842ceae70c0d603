"""Incidents as the web shows them: read from the journal's file, which another process may be writing."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio

from probe.collector.compose.api_form import Whole, document, members_of, row, seen_by
from probe.collector.compose.composer import Written
from probe.collector.compose.notices import Wording
from probe.collector.compose.present import Present
from probe.collector.web.cursors import LONGEST, cursor, filters_of, place
from probe.collector.web.incidents import Active, Crowd, Event, IncidentRow, Restricted, Unread
from probe.collector.web.parameters import IncidentsQuery
from probe.detect.records import Incident, Restriction
from probe.notify.notice import Notice, Phase
from probe.notify.outbox import COUNTS

T = TypeVar("T")
_MOST_HISTORY = 500  # records of one incident that are shown, the newest
_MOST_HOPS = 8  # redirects from merged incidents
_PATIENCE = 5.0  # seconds that a question waits for the file
_PHASES = {"lasting": Phase.FIRING, "over": Phase.RESOLVED, "withdrawn": Phase.WITHDRAWN}


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended."""

    onset: float
    id: str


class JournalIncidents:
    """Empty answers where there is no journal yet."""

    def __init__(self, path: Path, wording: Wording) -> None:
        self._path, self._wording = path, wording

    def page(self, query: IncidentsQuery, crowd: Crowd | None) -> tuple[list[IncidentRow], str | None]:
        filters = filters_of(query)
        after = place(query.cursor, filters, Place) if query.cursor else None
        with self._opened() as database:
            found = list(_matching(database, query, after, crowd)) if database else []
        rows, more = found[: query.limit], len(found) > query.limit
        following = cursor(Place(rows[-1].onset, rows[-1].id), filters) if more else None
        return [row(incident) for incident in rows], following

    def one(self, incident: str, crowd: Crowd | None) -> dict[str, Any] | None:
        with self._opened() as database:
            whole = _whole(database, incident[:LONGEST]) if database else None
        return document(seen_by(whole, crowd), self._wording) if whole is not None else None

    def feed(self, limit: int, crowd: Crowd | None) -> list[tuple[Notice, float]]:
        """The last word on each incident that anybody was told of, the newest first, and when it was written down."""
        with self._opened() as database:
            said = [(_seen(database, body, crowd), told, at) for body, told, at in _told(database, limit)]
        words = self._wording
        return [
            (words.notice(whole.incident, _PHASES[told], whole.members, id=whole.incident.id), at)
            for whole, told, at in said
        ]

    def events(self, after: int | None, limit: int, crowd: Crowd | None) -> tuple[list[Event], int]:
        """What was said of incidents behind that place of the journal, oldest first, and the place that was reached.
        None: where it ends now."""
        with self._opened() as database:
            if database is None:
                return [], after or 0
            if after is None:
                return [], database.execute("SELECT coalesce(max(serial), 0) FROM records").fetchone()[0]
            rows = list(database.execute(_RECORDS, (after, limit)))
            found = [event for serial, body in rows if (event := self._event(database, serial, body, crowd))]
        return found, rows[-1][0] if rows else after

    def _event(self, database: sqlite3.Connection, serial: int, body: bytes, crowd: Crowd | None) -> Event | None:
        """Nothing of what was never more than a suspicion."""
        written = msgspec.json.decode(body, type=Written)
        if written.incident is None or written.incident.confirmed_at is None:
            return None
        whole = _with_members(database, written.incident, crowd)
        return Event(
            serial=serial,
            change=written.change,
            correction=written.correction,
            at=written.time,
            recorded_at=written.recorded_at,
            into=written.into,
            summary=self._wording.summary(whole.incident, Phase.FIRING),
            incident=row(whole.incident),
        )

    # --- for metrics ---

    async def active(self) -> list[Active]:
        return await self._ask(lambda database: list(_active(database, self._wording.networks)), [])

    async def totals(self) -> dict[tuple[str, str], int]:
        """Also of those that were confirmed once and taken back: a counter never falls."""
        none: list[tuple[str, str, int]] = []
        rows = await self._ask(lambda database: database.execute(_TOTALS).fetchall(), none)
        return {(country, kind): count for country, kind, count in rows}

    async def ticks(self) -> tuple[float, int] | None:
        none: tuple[float, int] | None = None
        return await self._ask(lambda base: base.execute("SELECT seconds, ticks FROM detect_state").fetchone(), none)

    async def notices(self) -> dict[str, tuple[int, int]]:
        none: list[tuple[str, int, int]] = []
        rows = await self._ask(lambda database: database.execute(COUNTS).fetchall(), none)
        return {channel: (sent, failed) for channel, sent, failed in rows}

    async def _ask(self, question: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        def answer() -> T:
            with self._opened() as database:
                return question(database) if database is not None else otherwise

        return await trio.to_thread.run_sync(answer)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection | None]:
        """One moment of the journal; None where it is not there yet. Raises Unread."""
        if not self._path.exists():
            yield None
            return
        try:
            with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)) as database:
                database.execute("PRAGMA query_only=1")
                database.execute("BEGIN")
                yield database if database.execute(_MADE).fetchone() else None
        except sqlite3.Error as error:
            raise Unread(f"the journal cannot be read: {error}") from error


_MADE = "SELECT 1 FROM sqlite_schema WHERE name = 'restrictions'"  # the table that is made last
_TOTALS = (
    "SELECT json_extract(CAST(body AS TEXT), '$.country'), json_extract(CAST(body AS TEXT), '$.event'), count(*)"
    " FROM incidents WHERE shown = 1 OR told != '' GROUP BY 1, 2"
)
_RECORDS = "SELECT serial, body FROM records WHERE serial > ? ORDER BY serial LIMIT ?"
_TOLD = (
    "SELECT i.body, i.told, (SELECT r.body FROM records r WHERE r.incident = i.id ORDER BY r.serial DESC LIMIT 1)"
    " FROM incidents i WHERE i.told != ''"
    " ORDER BY (SELECT max(r.serial) FROM records r WHERE r.incident = i.id) DESC LIMIT ?"
)


def _matching(
    database: sqlite3.Connection, query: IncidentsQuery, after: Place | None, crowd: Crowd | None
) -> Iterator[Incident]:
    """One more than a page, newest onset first."""
    behind = " AND (onset, id) < (?, ?)" if after is not None else ""
    given = (after.onset, after.id) if after is not None else ()
    sql = f"SELECT body FROM incidents WHERE shown = 1{behind} ORDER BY onset DESC, id DESC"
    count = 0
    for (body,) in database.execute(sql, given):
        incident = msgspec.json.decode(body, type=Incident)
        if _lasted_within(incident, query):
            incident = _with_members(database, incident, crowd).incident if crowd is not None else incident
            if query.asn is None or any(network.asn == query.asn for network in incident.networks):
                yield incident
                count += 1
        if count > query.limit:
            return


def _lasted_within(incident: Incident, query: IncidentsQuery) -> bool:
    return (
        query.country in {None, incident.country}
        and (query.platform is None or query.platform in incident.platforms)
        and (query.until is None or incident.onset < query.until.timestamp())
        and (query.since is None or incident.ended_at is None or incident.ended_at >= query.since.timestamp())
    )


def _whole(database: sqlite3.Connection, name: str) -> Whole | None:
    """A merged incident leads to the one that it became part of."""
    row = None
    for _ in range(_MOST_HOPS):
        row = database.execute("SELECT body, into_other FROM incidents WHERE id = ?", (name,)).fetchone()
        if row is None or row[1] is None:
            break
        name = row[1]
    incident = msgspec.json.decode(row[0], type=Incident) if row is not None else None
    if incident is None or incident.confirmed_at is None:
        return None
    members = members_of(incident, Present(database).restriction)
    history = _history(database, [incident.id, *incident.restrictions])
    return Whole(incident=incident, members=tuple(members), history=tuple(history))


def _history(database: sqlite3.Connection, subjects: Sequence[str]) -> list[Written]:
    sql = "SELECT body FROM records WHERE incident IN (SELECT value FROM json_each(?)) ORDER BY serial DESC LIMIT ?"
    rows = database.execute(sql, (json.dumps(subjects), _MOST_HISTORY))
    return [msgspec.json.decode(body, type=Written) for (body,) in rows][::-1]


def _told(database: sqlite3.Connection | None, limit: int) -> Iterator[tuple[bytes, str, float]]:
    for body, told, record in database.execute(_TOLD, (limit,)) if database is not None else ():
        yield body, told, msgspec.json.decode(record, type=Written).recorded_at


def _seen(database: sqlite3.Connection | None, body: bytes, crowd: Crowd | None) -> Whole:
    assert database is not None
    return _with_members(database, msgspec.json.decode(body, type=Incident), crowd)


def _with_members(database: sqlite3.Connection, incident: Incident, crowd: Crowd | None) -> Whole:
    members = members_of(incident, Present(database).restriction)
    return seen_by(Whole(incident=incident, members=tuple(members)), crowd)


def _active(database: sqlite3.Connection, networks: Mapping[int, str]) -> Iterator[Active]:
    found = Present(database).restriction
    for (body,) in database.execute("SELECT body FROM incidents WHERE shown = 1 ORDER BY onset"):
        incident = msgspec.json.decode(body, type=Incident)
        if incident.state == "confirmed" and incident.ended_at is None:
            lasting = [member for member in members_of(incident, found) if member.ended_at is None]
            yield Active(
                incident=incident.id,
                country=incident.country,
                kind=incident.event,
                onset=incident.onset,
                restrictions=tuple(_restricted(member, networks) for member in lasting),
            )


def _restricted(member: Restriction, networks: Mapping[int, str]) -> Restricted:
    return Restricted(
        asn=member.asn,
        platform=member.platform,
        service=member.service,
        technique=member.technique,
        state=member.state,
        network=networks.get(member.asn),
        country=member.country,
    )
