"""Invitations: single-use, expiring, each with the role that it gives and the steward who vouches for it."""

import datetime as dt
import secrets

import msgspec

from probe.collector.accounts_tables import Database, hashed
from probe.wire.reports import Role

LONGEST_CODE = 200  # characters


class Uninvited(Exception):
    """An invitation that lets nobody in: says why and what to do, in one line."""


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    role: Role
    steward: str | None
    expires_at: dt.datetime


class Invitations:
    """Part of `Accounts`: blocking, raises AccountsFault."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def invite(self, role: Role, steward: str | None, now: dt.datetime, valid: float) -> str:
        """The code of a new one, which is kept nowhere. `valid` in seconds."""
        code = secrets.token_urlsafe(18)
        expires = (now + dt.timedelta(seconds=valid)).astimezone(dt.UTC)
        values = (hashed(code), role, steward, now.astimezone(dt.UTC).date().isoformat(), expires.isoformat())
        with self._database.transaction() as writing:
            add = "INSERT INTO invitations (hash, role, steward, made_on, expires_at) VALUES (?, ?, ?, ?, ?)"
            writing.execute(add, values)
        return code

    def use(self, code: str, now: dt.datetime) -> Invitation:
        """Within the caller's transaction: it is used up by whoever comes first. Raises Uninvited."""
        find = "SELECT role, steward, expires_at, used_on FROM invitations WHERE hash = ?"
        known = len(code) <= LONGEST_CODE
        row = self._database.writing.execute(find, (hashed(code),)).fetchone() if known else None
        if row is None:
            raise Uninvited("no such invitation: copy all of it, or ask for another")
        role, steward, expires, used = row
        if used is not None:
            raise Uninvited("this invitation was used already: ask for another")
        if dt.datetime.fromisoformat(expires) <= now:
            raise Uninvited("this invitation has expired: ask for another")
        self._database.writing.execute("UPDATE invitations SET used_on = ? WHERE hash = ?", (_day(now), hashed(code)))
        return msgspec.convert({"role": role, "steward": steward, "expires_at": expires}, Invitation)

    def withdraw(self, steward: str, now: dt.datetime) -> None:
        """Within the caller's transaction: what this steward has not given away yet."""
        withdraw = "UPDATE invitations SET used_on = ? WHERE steward = ? AND used_on IS NULL"
        self._database.writing.execute(withdraw, (_day(now), steward))

    def open(self, now: dt.datetime) -> list[Invitation]:
        """Those that still let somebody in, by when they expire."""
        select = "SELECT role, steward, expires_at FROM invitations WHERE used_on IS NULL ORDER BY expires_at"
        with self._database.naming():
            rows = self._database.reading.execute(select).fetchall()
        found = [msgspec.convert({"role": r, "steward": s, "expires_at": e}, Invitation) for r, s, e in rows]
        return [invitation for invitation in found if invitation.expires_at > now]


def _day(now: dt.datetime) -> str:
    return now.astimezone(dt.UTC).date().isoformat()


def link(base: str, code: str, key: str) -> str:
    """What is handed to a volunteer. Code and key stand in the fragment, which no server ever sees."""
    return f"{base}/invite#{code}.{key}"
