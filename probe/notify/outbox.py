"""What is to be told to whom, durable: a notice is written in the transaction that decides it, and goes out afterwards.

A row is keyed by (notice, channel), so nothing is told twice to a channel that took it. Killed between sending and
noting it, the same notice goes out again with the same id: at least once.
"""

import datetime as dt
import random
import sqlite3
from collections.abc import Iterable

import msgspec

from probe.notify.channels import Channel
from probe.notify.notice import Notice

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
  position INTEGER PRIMARY KEY AUTOINCREMENT, notice TEXT NOT NULL, channel TEXT NOT NULL, incident TEXT NOT NULL,
  body BLOB NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, posted REAL NOT NULL, due REAL NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting', told TEXT, UNIQUE (notice, channel)
);
CREATE INDEX IF NOT EXISTS outbox_waiting ON outbox (channel, position) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS outbox_incident ON outbox (channel, incident, position);
CREATE TABLE IF NOT EXISTS outbox_repeats (channel TEXT PRIMARY KEY, failed INTEGER NOT NULL) WITHOUT ROWID;
"""
_ATTEMPTS = (
    "SELECT channel, state = 'sent' AS sent, attempts - (state = 'sent') AS failed FROM outbox"
    " WHERE state != 'dropped' UNION ALL SELECT channel, 0, failed FROM outbox_repeats"
)
COUNTS = f"SELECT channel, sum(sent), sum(failed) FROM ({_ATTEMPTS}) GROUP BY channel"
FIRST_WAIT, LONGEST_WAIT = 2.0, 60.0  # seconds between attempts
MOST_POLITE = 3600.0  # seconds that a channel may ask us to wait
GIVE_UP = dt.timedelta(days=3)


class Waiting(msgspec.Struct, frozen=True):
    notice: Notice
    attempts: int
    due: float  # Unix time


class Outbox:
    """Over a database that its owner opened; `post` leaves the commit to its owner's transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.executescript(_SCHEMA)

    def post(self, notices: Iterable[Notice], channels: Iterable[Channel], now: dt.datetime) -> int:
        """How many were new. Within the transaction that the notices' transitions are written in."""
        listed = list(channels)
        rows = [
            (notice.id, channel.name, notice.incident, msgspec.json.encode(notice), now.timestamp(), now.timestamp())
            for notice in notices
            for channel in listed
            if channel.wants(notice)
        ]
        add = "INSERT OR IGNORE INTO outbox (notice, channel, incident, body, posted, due) VALUES (?, ?, ?, ?, ?, ?)"
        return sum(self._database.execute(add, row).rowcount for row in rows)

    def only(self, channels: Iterable[str]) -> None:
        """These are the channels from now on. What was for one that is gone is told no more, also not when a channel
        of its name comes back: then it hears of what is decided from there on."""
        wanted = set(channels)
        every = "SELECT channel FROM outbox UNION SELECT channel FROM outbox_repeats"
        known = {name for (name,) in self._database.execute(every)}
        with self._database:
            for name in known - wanted:
                self._database.execute("UPDATE outbox SET state = 'dropped' WHERE channel = ?", (name,))
                self._database.execute("DELETE FROM outbox_repeats WHERE channel = ?", (name,))

    def head(self, channel: str) -> Waiting | None:
        """The next one of this channel. Those of one incident go out in the order in which they were decided; one that
        is refused holds up none of another incident."""
        row = self._database.execute(
            "SELECT body, attempts, due FROM outbox AS one WHERE channel = ? AND state = 'waiting' AND NOT EXISTS"
            " (SELECT 1 FROM outbox WHERE channel = one.channel AND incident = one.incident AND state = 'waiting'"
            " AND position < one.position) ORDER BY due, position LIMIT 1",
            (channel,),
        ).fetchone()
        return Waiting(msgspec.json.decode(row[0], type=Notice), row[1], row[2]) if row else None

    def delivered(self, notice: str, channel: str, now: dt.datetime) -> None:
        self._settle(notice, channel, "sent", now)

    def abandoned(self, notice: str, channel: str, now: dt.datetime) -> None:
        self._settle(notice, channel, "abandoned", now)

    def failed(self, waiting: Waiting, channel: str, now: dt.datetime, retry_after: float | None) -> None:
        """Tried again after a wait that doubles, with jitter (or as the other side asked)."""
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(waiting.attempts, 20)) * random.uniform(0.75, 1.25)
        due = now.timestamp() + max(wait, min(retry_after or 0.0, MOST_POLITE))
        with self._database:
            self._database.execute(
                "UPDATE outbox SET attempts = attempts + 1, due = ? WHERE notice = ? AND channel = ?",
                (due, waiting.notice.id, channel),
            )

    def age(self, notice: str, channel: str, now: dt.datetime) -> dt.timedelta:
        """Since the notice was posted."""
        find = "SELECT posted FROM outbox WHERE notice = ? AND channel = ?"
        (posted,) = self._database.execute(find, (notice, channel)).fetchone()
        return dt.timedelta(seconds=now.timestamp() - posted)

    def unrepeated(self, channel: str) -> None:
        """What lasts was told again and did not arrive: counted beside the attempts of notices."""
        with self._database:
            self._database.execute(
                "INSERT INTO outbox_repeats VALUES (?, 1) ON CONFLICT (channel) DO UPDATE SET failed = failed + 1",
                (channel,),
            )

    def counts(self) -> dict[str, tuple[int, int]]:
        """By channel: notices that it took, and attempts that failed, of notices and of repeats."""
        return {channel: (sent, failed) for channel, sent, failed in self._database.execute(COUNTS)}

    def _settle(self, notice: str, channel: str, state: str, now: dt.datetime) -> None:
        with self._database:
            self._database.execute(
                "UPDATE outbox SET state = ?, told = ?, attempts = attempts + 1 WHERE notice = ? AND channel = ?",
                (state, now.isoformat(), notice, channel),
            )
