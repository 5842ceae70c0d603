"""What detection keeps beside the journal's records, in the journal's file: one transaction holds a tick's votes, the
state after it, the records that followed and the notices of them.

The records are kept for ever. The tables here are detection's memory of fourteen days, and the present state of each
incident, which the records would give as well.
"""

import sqlite3

_TABLES = """
CREATE TABLE IF NOT EXISTS detect_cells (
  id INTEGER PRIMARY KEY, country TEXT NOT NULL, asn INTEGER NOT NULL, platform TEXT NOT NULL, service TEXT NOT NULL,
  aspect TEXT NOT NULL, operator INTEGER NOT NULL, state BLOB,
  UNIQUE (country, asn, platform, service, aspect, operator)
);
CREATE TABLE IF NOT EXISTS detect_votes (
  cell INTEGER NOT NULL, time REAL NOT NULL, probe TEXT NOT NULL, retest INTEGER NOT NULL, rank INTEGER NOT NULL,
  technique TEXT NOT NULL, round TEXT NOT NULL, vote BLOB NOT NULL,
  PRIMARY KEY (cell, time, probe, retest, rank, technique, round)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS detect_votes_round ON detect_votes (round) WHERE round != '';
CREATE TABLE IF NOT EXISTS detect_revised (
  round TEXT NOT NULL, probe TEXT NOT NULL, platform TEXT NOT NULL, service TEXT NOT NULL, revision INTEGER NOT NULL,
  time REAL NOT NULL, PRIMARY KEY (round, probe, platform, service)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS detect_kept (
  cell INTEGER NOT NULL, time REAL NOT NULL, probe TEXT NOT NULL, retest INTEGER NOT NULL, rank INTEGER NOT NULL,
  technique TEXT NOT NULL, round TEXT NOT NULL, state BLOB NOT NULL,
  PRIMARY KEY (cell, time, probe, retest, rank, technique, round)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS detect_rest (path BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS detect_state (
  one INTEGER PRIMARY KEY CHECK (one = 1), seconds REAL NOT NULL, ticks INTEGER NOT NULL, receipts BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS incidents (
  id TEXT PRIMARY KEY, onset REAL NOT NULL, shown INTEGER NOT NULL, told TEXT NOT NULL, told_as TEXT NOT NULL,
  into_other TEXT, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS incidents_onset ON incidents (onset, id) WHERE shown = 1;
CREATE TABLE IF NOT EXISTS restrictions (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""


def create(database: sqlite3.Connection) -> None:
    database.executescript(_TABLES)
