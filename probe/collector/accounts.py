"""Who may report and read: tokens by their hashes, revocation that holds at once in every process, erasure."""

import datetime as dt
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from probe.collector.accounts_tables import Account, AccountsFault, Database, Erasure, hashed
from probe.collector.invitations import Invitations
from probe.wire.reports import Role

__all__ = ["Account", "Accounts", "AccountsFault", "Erasure"]

LONGEST_TOKEN = 100  # characters; ours have 43
_COLUMNS = "probe, role, steward, agent, made_on, last_seen, revoked_on"


class Accounts:
    """Blocking. `authenticated` takes microseconds and may be called in the event loop; whatever writes waits for the
    disk and belongs into a thread, one at a time. Everything raises AccountsFault."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.invitations = Invitations(database)

    @classmethod
    def open(cls, path: Path) -> "Accounts":
        return cls(Database(path))

    def close(self) -> None:
        self._database.close()

    def authenticated(self, token: str) -> Account | None:
        """Whose token it is; None for an unknown and for a revoked one. Asked of the disk each time, so that what
        another process revoked holds for the next request."""
        if len(token) > LONGEST_TOKEN:
            return None
        find = f"SELECT {_COLUMNS} FROM tokens WHERE hash = ? AND revoked_on IS NULL"
        with self._database.naming():
            row = self._database.reading.execute(find, (hashed(token),)).fetchone()
        return _account(row) if row else None

    def enrol(self, code: str, agent: str, now: dt.datetime) -> tuple[Account, str]:
        """The account that the invitation gives, and its token, which is kept nowhere. Raises Uninvited."""
        token = secrets.token_urlsafe(32)
        with self._database.transaction():
            invitation = self.invitations.use(code, now)
            account = self._add(hashed(token), invitation.role, invitation.steward, agent, now)
        return account, token

    def create(self, role: Role, steward: str | None, now: dt.datetime) -> tuple[Account, str]:
        """An account without an invitation, for whoever runs the collector."""
        token = secrets.token_urlsafe(32)
        with self._database.transaction():
            account = self._add(hashed(token), role, steward, None, now)
        return account, token

    def revoke(self, probe: str, now: dt.datetime) -> bool:
        """Whether there was such an account that was not revoked yet."""
        revoke = "UPDATE tokens SET revoked_on = ? WHERE probe = ? AND revoked_on IS NULL"
        with self._database.transaction() as writing:
            return writing.execute(revoke, (_day(now), probe)).rowcount > 0

    def revoke_steward(self, steward: str, now: dt.datetime) -> list[str]:
        """All that this steward vouches for, open invitations too. Which probes were revoked."""
        revoke = "UPDATE tokens SET revoked_on = ? WHERE steward = ? AND revoked_on IS NULL RETURNING probe"
        with self._database.transaction() as writing:
            self.invitations.withdraw(steward, now)
            return [row[0] for row in writing.execute(revoke, (_day(now), steward)).fetchall()]

    def seen(self, probes: Iterable[str], now: dt.datetime) -> None:
        """Kept as a day, no finer."""
        with self._database.transaction() as writing:
            rows = [(_day(now), probe) for probe in probes]
            writing.executemany("UPDATE tokens SET last_seen = ? WHERE probe = ?", rows)

    def probes(self) -> list[Account]:
        """All accounts, the revoked ones too, the oldest first."""
        with self._database.naming():
            rows = self._database.reading.execute(f"SELECT {_COLUMNS} FROM tokens ORDER BY made_on, probe").fetchall()
        return [_account(row) for row in rows]

    # --- erasure ---

    def erase(self, probe: str, now: dt.datetime) -> None:
        """Revoke the token and note that everything of this probe is to go. The log is cleaned within an hour or two;
        views delete what `erased` names."""
        with self._database.transaction() as writing:
            writing.execute("DELETE FROM tokens WHERE probe = ?", (probe,))
            add = (
                "INSERT INTO erasures (probe, asked_at) VALUES (?, ?) ON CONFLICT (probe) DO UPDATE SET done_at = NULL"
            )
            writing.execute(add, (probe, now.isoformat()))

    def erased(self) -> list[Erasure]:
        """All erasures ever asked for, the oldest first."""
        with self._database.naming():
            select = "SELECT probe, asked_at, done_at FROM erasures ORDER BY asked_at, probe"
            rows = self._database.reading.execute(select).fetchall()
        return [msgspec.convert(dict(zip(Erasure.__struct_fields__, row, strict=True)), Erasure) for row in rows]

    def erased_probes(self) -> frozenset[str]:
        """Whose data nobody is to see again."""
        return frozenset(erasure.probe for erasure in self.erased())

    def erasure_done(self, probe: str, now: dt.datetime) -> None:
        with self._database.transaction() as writing:
            writing.execute("UPDATE erasures SET done_at = ? WHERE probe = ?", (now.isoformat(), probe))

    def erase_again(self) -> None:
        """After a log came back from a backup: what was erased since is in it again."""
        with self._database.transaction() as writing:
            writing.execute("UPDATE erasures SET done_at = NULL")

    def _add(self, hash: bytes, role: Role, steward: str | None, agent: str | None, now: dt.datetime) -> Account:
        probe = secrets.token_hex(8)
        add = "INSERT INTO tokens (hash, probe, role, steward, agent, made_on) VALUES (?, ?, ?, ?, ?, ?)"
        self._database.writing.execute(add, (hash, probe, role, steward, agent, _day(now)))
        return Account(probe=probe, role=role, steward=steward, agent=agent, made_on=now.astimezone(dt.UTC).date())


def _account(row: tuple[Any, ...]) -> Account:
    return msgspec.convert(dict(zip(Account.__struct_fields__, row, strict=True)), Account)


def _day(now: dt.datetime) -> str:
    return now.astimezone(dt.UTC).date().isoformat()
