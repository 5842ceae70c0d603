"""What Alertmanager is told again: every incident that is confirmed and lasts, whatever any channel took before."""

import sqlite3
from pathlib import Path

from probe.collector.compose.run import lasting
from probe.notify.outbox import Outbox
from tests.collector.compose.fleet import LIFT, ONSET, WORDING, Stage, batches, handed, votes


def test_what_lasts_is_known_from_the_incidents_alone(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "journal.db", channels=())
    for now, batch in batches(handed(votes())):
        told = lasting(stage.journal.connection, WORDING)
        if ONSET + 1200 < now < LIFT:
            (notice,) = told
            assert (notice.kind, notice.country, notice.severity) == ("restriction", "TR", "critical")
            assert abs(notice.starts_at.timestamp() - ONSET) <= 300
            assert not notice.over
        elif now < ONSET:
            assert told == []
        stage.tick(batch, now)
    assert lasting(stage.journal.connection, WORDING) == []
    stage.journal.close()


def test_where_nothing_was_ever_composed_nothing_lasts(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "journal.db")
    Outbox(database)
    assert lasting(database, WORDING) == []
    database.close()
