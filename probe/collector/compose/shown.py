"""Incidents as the web shows them: read from the journal's file, which another process may be writing."""

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio

from probe.collector.web.cursors import LONGEST, cursor, filters_of, place
from probe.collector.web.incidents import Active, IncidentRow, Restricted
from probe.collector.web.parameters import IncidentsQuery
from probe.detect.records import Incident, Restriction, Transition, plain

T = TypeVar("T")
_MOST_HISTORY = 500  # records of one incident that are shown
_MOST_HOPS = 8  # redirects from merged incidents


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended."""

    onset: float
    id: str


class JournalIncidents:
    """Empty answers where there is no journal yet."""

    def __init__(self, path: Path, networks: Mapping[int, str]) -> None:
        self._path, self._networks = path, networks

    async def page(self, query: IncidentsQuery) -> tuple[list[IncidentRow], str | None]:
        filters = filters_of(query)
        after = place(query.cursor, filters, Place) if query.cursor else None
        none: list[Incident] = []
        found = await self._ask(lambda database: list(_matching(database, query, after)), none)
        rows, more = found[: query.limit], len(found) > query.limit
        following = cursor(Place(rows[-1].onset, rows[-1].id), filters) if more else None
        return [_row(incident) for incident in rows], following

    async def one(self, incident: str) -> dict[str, Any] | None:
        return await self._ask(lambda database: _whole(database, incident[:LONGEST]), None)

    async def active(self) -> list[Active]:
        return await self._ask(lambda database: list(_active(database, self._networks)), [])

    async def totals(self) -> dict[tuple[str, str], int]:
        sql = (
            "SELECT json_extract(body, '$.country'), json_extract(body, '$.event'), count(*) FROM incidents"
            " WHERE shown = 1 GROUP BY 1, 2"
        )
        none: list[tuple[str, str, int]] = []
        rows = await self._ask(lambda database: database.execute(sql).fetchall(), none)
        return {(country, kind): count for country, kind, count in rows}

    async def ticks(self) -> tuple[float, int] | None:
        sql = "SELECT seconds, ticks FROM detect_state"
        none: tuple[float, int] | None = None
        return await self._ask(lambda database: database.execute(sql).fetchone(), none)

    async def notices(self) -> dict[str, tuple[int, int]]:
        sql = "SELECT channel, sum(state = 'sent'), sum(attempts) - sum(state = 'sent') FROM outbox GROUP BY channel"
        none: list[tuple[str, int, int]] = []
        rows = await self._ask(lambda database: database.execute(sql).fetchall(), none)
        return {channel: (sent, failed) for channel, sent, failed in rows}

    async def _ask(self, question: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        def answer() -> T:
            with closing(self._open()) as database:
                return question(database)

        try:
            return await trio.to_thread.run_sync(answer)
        except sqlite3.OperationalError:  # no file, or no table in it yet
            return otherwise

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)
        database.execute("PRAGMA query_only=1")
        return database


def _matching(database: sqlite3.Connection, query: IncidentsQuery, after: Place | None) -> Iterator[Incident]:
    """One more than a page, newest onset first."""
    behind = " AND (onset, id) < (?, ?)" if after is not None else ""
    given = (after.onset, after.id) if after is not None else ()
    sql = f"SELECT body FROM incidents WHERE shown = 1{behind} ORDER BY onset DESC, id DESC"
    count = 0
    for (body,) in database.execute(sql, given):
        incident = msgspec.json.decode(body, type=Incident)
        if _wanted(incident, query):
            yield incident
            count += 1
        if count > query.limit:
            return


def _wanted(incident: Incident, query: IncidentsQuery) -> bool:
    return (
        query.country in {None, incident.country}
        and (query.asn is None or any(network.asn == query.asn for network in incident.networks))
        and (query.platform is None or query.platform in incident.platforms)
        and (query.until is None or incident.onset < query.until.timestamp())
        and (query.since is None or incident.ended_at is None or incident.ended_at >= query.since.timestamp())
    )


def _row(incident: Incident) -> IncidentRow:
    onsets = [incident.onset, incident.onset_after, incident.confirmed_at, incident.ended_at]
    onset, onset_after, confirmed_at, ended_at = (_moment(value) for value in onsets)
    return IncidentRow(
        id=incident.id,
        kind=incident.event,
        state=incident.state,
        country=incident.country or None,
        onset=onset,
        onset_after=onset_after,
        confirmed_at=confirmed_at,
        ended_at=ended_at,
        platforms=incident.platforms,
        asns=tuple(network.asn for network in incident.networks),
        techniques=tuple(dict.fromkeys(t for network in incident.networks for t in network.techniques)),
    )


def _whole(database: sqlite3.Connection, name: str) -> dict[str, Any] | None:
    """With its restrictions and their evidence, and the records of what was said of it, in order. A merged incident
    leads to the one that it became part of."""
    for _ in range(_MOST_HOPS):
        row = database.execute("SELECT body, into_other FROM incidents WHERE id = ?", (name,)).fetchone()
        if row is None or row[1] is None:
            break
        name = row[1]
    if row is None:
        return None
    incident = msgspec.json.decode(row[0], type=Incident)
    if incident.confirmed_at is None:
        return None
    members = [found for one in incident.restrictions if (found := _restriction(database, one)) is not None]
    return {
        **plain(incident),
        "restrictions": [plain(member) for member in members],
        "history": list(_history(database, name)),
    }


def _history(database: sqlite3.Connection, incident: str) -> Iterator[dict[str, Any]]:
    sql = "SELECT body FROM records WHERE incident = ? ORDER BY serial LIMIT ?"
    for (body,) in database.execute(sql, (incident, _MOST_HISTORY)):
        said = msgspec.json.decode(body, type=Transition)
        at = _moment(said.time)
        yield {"change": said.change, "at": at, "correction": said.correction, "into": said.into}


def _active(database: sqlite3.Connection, networks: Mapping[int, str]) -> Iterator[Active]:
    for (body,) in database.execute("SELECT body FROM incidents WHERE shown = 1 ORDER BY onset"):
        incident = msgspec.json.decode(body, type=Incident)
        if incident.state == "confirmed" and incident.ended_at is None:
            members = [found for one in incident.restrictions if (found := _restriction(database, one)) is not None]
            yield Active(
                incident=incident.id,
                country=incident.country,
                kind=incident.event,
                onset=incident.onset,
                restrictions=tuple(_restricted(member, networks) for member in members if member.ended_at is None),
            )


def _restricted(member: Restriction, networks: Mapping[int, str]) -> Restricted:
    return Restricted(
        asn=member.asn,
        platform=member.platform,
        service=member.service,
        technique=member.technique,
        state=member.state,
        network=networks.get(member.asn),
    )


def _restriction(database: sqlite3.Connection, name: str) -> Restriction | None:
    row = database.execute("SELECT body FROM restrictions WHERE id = ?", (name,)).fetchone()
    return msgspec.json.decode(row[0], type=Restriction) if row else None


def _moment(seconds: float | None) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(seconds, dt.UTC) if seconds is not None else None
