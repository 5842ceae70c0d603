"""Restrictions and incidents in their present form, and what people were told of each incident last.

Most of what changes about them (more votes, an end that late data moved) is no transition; it is shown all the same.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from probe.detect.records import Incident, Restriction, Transition

_GONE = frozenset({"withdrawn", "merged", "dismissed"})

Told = Literal["", "lasting", "over", "withdrawn"]


class Present:
    """Within the transaction of whoever calls. What was rolled back must be forgotten: make another."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._last: dict[str, Restriction | Incident] = {}

    def enter(self, transition: Transition) -> None:
        if transition.restriction is not None:
            self._restriction(transition.restriction)
        if transition.incident is not None:
            self._incident(transition.incident, stands=stands(transition), into=transition.into)

    def refresh(self, restrictions: Iterable[Restriction], incidents: Iterable[Incident]) -> None:
        """What changed without a word. Records are never altered in place, so an old one is known by being the same."""
        now: dict[str, Restriction | Incident] = {}
        for record in restrictions:
            now[record.id] = record
            if self._last.get(record.id) is not record and self.restriction(record.id) != record:
                self._restriction(record)
        for incident in incidents:
            now[incident.id] = incident
            if self._last.get(incident.id) is not incident and self.incident(incident.id) != incident:
                self._incident(incident, stands=incident.confirmed_at is not None, into=None)
        self._last = now

    def told(self, incident: str) -> tuple[Told, str]:
        """What its last notice said of it, and the facts in it; empty where there was none."""
        row = self._database.execute("SELECT told, told_as FROM incidents WHERE id = ?", (incident,)).fetchone()
        return (row[0], row[1]) if row else ("", "")

    def note_told(self, incident: str, told: Told, facts: str) -> None:
        self._database.execute("UPDATE incidents SET told = ?, told_as = ? WHERE id = ?", (told, facts, incident))

    def restriction(self, name: str) -> Restriction | None:
        row = self._database.execute("SELECT body FROM restrictions WHERE id = ?", (name,)).fetchone()
        return msgspec.json.decode(row[0], type=Restriction) if row else None

    def incident(self, name: str) -> Incident | None:
        row = self._database.execute("SELECT body FROM incidents WHERE id = ?", (name,)).fetchone()
        return msgspec.json.decode(row[0], type=Incident) if row else None

    def lasting(self) -> Iterator[Incident]:
        """The confirmed ones that have not ended."""
        for (body,) in self._database.execute("SELECT body FROM incidents WHERE shown = 1 ORDER BY onset, id"):
            incident = msgspec.json.decode(body, type=Incident)
            if incident.state == "confirmed" and incident.ended_at is None:
                yield incident

    def _restriction(self, record: Restriction) -> None:
        row = (record.id, msgspec.json.encode(record))
        self._database.execute("INSERT OR REPLACE INTO restrictions VALUES (?, ?)", row)

    def _incident(self, record: Incident, *, stands: bool, into: str | None) -> None:
        self._database.execute(
            "INSERT INTO incidents VALUES (?, ?, ?, '', '', ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " onset = excluded.onset, shown = excluded.shown, into_other = excluded.into_other, body = excluded.body",
            (record.id, record.onset, stands, into, msgspec.json.encode(record)),
        )


def stands(transition: Transition) -> bool:
    """Whether its incident is one, as far as is known now."""
    incident = transition.incident
    return incident is not None and incident.confirmed_at is not None and transition.change not in _GONE
