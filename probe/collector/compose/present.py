"""Restrictions and incidents in their present form, and what people were told of each incident last."""

import sqlite3
from typing import Literal

import msgspec

from probe.detect.records import Incident, Restriction, Transition

_GONE = frozenset({"withdrawn", "merged", "dismissed"})

Told = Literal["", "lasting", "over", "withdrawn"]


class Present:
    """Within the transaction of whoever calls."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def enter(self, transition: Transition) -> None:
        if transition.restriction is not None:
            record = transition.restriction
            row = (record.id, msgspec.json.encode(record))
            self._database.execute("INSERT OR REPLACE INTO restrictions VALUES (?, ?)", row)
        if transition.incident is not None:
            self._incident(transition.incident, stands=stands(transition), into=transition.into)

    def told(self, incident: str) -> Told:
        """What its last notice said of it; empty where there was none."""
        row = self._database.execute("SELECT told FROM incidents WHERE id = ?", (incident,)).fetchone()
        return row[0] if row else ""

    def note_told(self, incident: str, told: Told) -> None:
        self._database.execute("UPDATE incidents SET told = ? WHERE id = ?", (told, incident))

    def restriction(self, name: str) -> Restriction | None:
        row = self._database.execute("SELECT body FROM restrictions WHERE id = ?", (name,)).fetchone()
        return msgspec.json.decode(row[0], type=Restriction) if row else None

    def _incident(self, record: Incident, *, stands: bool, into: str | None) -> None:
        self._database.execute(
            "INSERT INTO incidents VALUES (?, ?, ?, '', ?, ?) ON CONFLICT (id) DO UPDATE SET onset = excluded.onset,"
            " shown = excluded.shown, into_other = excluded.into_other, body = excluded.body",
            (record.id, record.onset, stands, into, msgspec.json.encode(record)),
        )


def stands(transition: Transition) -> bool:
    """Whether its incident is one, as far as is known now."""
    incident = transition.incident
    return incident is not None and incident.confirmed_at is not None and transition.change not in _GONE
