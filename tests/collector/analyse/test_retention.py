"""What is forgotten, and that nothing else goes with it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from probe.collector.analyse.analysis import Analysis
from probe.collector.replay import dump
from probe.collector.retention import Keep, erase, prune, used
from tests.collector.analyse import world
from tests.collector.analyse.history import history

DAY = 86_400_000
BEGIN = round(world.START.timestamp() * 1000)


@pytest.fixture
def analysis(tmp_path: Path) -> Iterator[Analysis]:
    made = world.analysis(tmp_path / "views.db")
    made.advance(history())
    yield made
    made.close()


def rows(views: sqlite3.Connection, table: str) -> int:
    return int(views.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_an_erased_probe_leaves_views_as_if_it_had_never_been(analysis: Analysis, tmp_path: Path) -> None:
    for _ in erase(analysis.connection, "turk-2"):
        pass
    analysis.erased("turk-2", final=True)
    other = world.analysis(tmp_path / "without.db")
    other.advance([entry for entry in history() if entry.probe != "turk-2"])
    assert _seen(analysis.connection) == _seen(other.connection)
    assert "turk-2" not in "\n".join(dump(analysis.connection))
    other.close()


def _seen(views: sqlite3.Connection) -> list[str]:
    """All but the numbers by which followers of votes go on, and how far the log was read."""
    lines = [line for line in dump(views) if not line.startswith("('position'")]
    return sorted(
        ", ".join(part for place, part in enumerate(line.split(", ")) if place != 1 or "'vote'" not in line)
        for line in lines
    )


def test_a_probe_is_erased_once_at_once_and_once_when_the_log_is_free_of_it(analysis: Analysis) -> None:
    assert analysis.must_erase("turk-2", final=False)
    analysis.erased("turk-2", final=False)
    assert not analysis.must_erase("turk-2", final=False)
    assert analysis.must_erase("turk-2", final=True)
    analysis.erased("turk-2", final=True)
    assert not analysis.must_erase("turk-2", final=True)


def test_what_is_old_goes_and_coarse_rollups_stay(analysis: Analysis) -> None:
    views = analysis.connection
    coarse = rows(views, "rollup_86400")
    for _ in prune(views, Keep(days=10, minutes=5, ledger=3), BEGIN + 9 * DAY):
        pass
    assert rows(views, "measurements") > 0
    assert (rows(views, "rollup_60"), rows(views, "reports")) == (0, 0)
    assert rows(views, "rollup_900") > 0
    for _ in prune(views, Keep(days=10, minutes=5, ledger=3), BEGIN + 12 * DAY):
        pass
    assert (rows(views, "measurements"), rows(views, "votes"), rows(views, "rollup_900"), rows(views, "presence")) == (
        0,
        0,
        0,
        0,
    )
    assert rows(views, "rollup_86400") == coarse
    whole = "SELECT count(*) FROM expectations WHERE document <> x''"
    assert views.execute(whole).fetchone() == (1,), "the newest expectations are still handed out"


def test_more_than_the_size_allows_goes_oldest_first(analysis: Analysis) -> None:
    views = analysis.connection
    (last,) = views.execute("SELECT max(at) FROM measurements").fetchone()
    before = used(views)
    for _ in prune(views, Keep(size=1), BEGIN):
        pass
    assert used(views) < before
    assert rows(views, "measurements") == 0
    analysis.advance([])
    assert last > 0


def test_analysis_goes_on_after_everything_was_forgotten(analysis: Analysis) -> None:
    for _ in prune(analysis.connection, Keep(days=1, minutes=1, ledger=1), BEGIN + 40 * DAY):
        pass
    moment = world.START.replace(month=12)
    item = world.reported(world.healthy("x.com"), at=moment, round=world.identifier(moment))
    analysis.advance([world.entry(world.report([item], moment), 10_000_000, moment)])
    assert rows(analysis.connection, "measurements") == 1
