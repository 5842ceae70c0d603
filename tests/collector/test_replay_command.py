"""`probe collector replay`: what was erased stays away, and nobody takes away the views that are compared."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

import probe.collector.compose.compare as comparing
from probe.cli.group import cli
from probe.clock import SystemClock
from probe.collector.accounts import Accounts
from probe.collector.analyse.schema import current_views, read_views
from probe.collector.analyse.whereabouts import Locator
from probe.collector.config import CollectorConfig
from probe.collector.log import Entry
from probe.collector.log.sqlite import SqliteLog
from probe.collector.replay import replayed, take_up
from tests.collector.analyse import world
from tests.collector.analyse.history import history
from tests.collector.ingest.running import configured

GONE = "turk-1"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["collector", *map(str, arguments)], prog_name="probe")


async def logged(folder: Path, entries: Sequence[Entry]) -> None:
    log = await SqliteLog.open(folder, writable=True)
    for entry in entries:
        await log.append(entry)
    await log.aclose()


@pytest.fixture
def config(tmp_path: Path) -> CollectorConfig:
    """A collector whose log holds some hours of a fleet."""
    made = configured(tmp_path)
    trio.run(logged, made.log_folder, history(6))
    return made


def erase(config: CollectorConfig, probe: str) -> None:
    with closing(Accounts.open(config.accounts_file)) as accounts:
        accounts.erase(probe, SystemClock().now())


def measurements(views: Path) -> dict[str, int]:
    """By probe."""
    count = "SELECT p.name, count(*) FROM measurements m JOIN probes p ON p.id = m.probe GROUP BY p.name"
    with closing(read_views(views)) as connection:
        return dict(connection.execute(count).fetchall())


def test_what_a_volunteer_had_erased_does_not_come_back(config: CollectorConfig, tmp_path: Path) -> None:
    assert run("replay", "--config", config.file).exit_code == 0
    before = measurements(current_views(config.state))
    assert before[GONE] > 0
    erase(config, GONE)
    left = {probe: count for probe, count in before.items() if probe != GONE}
    done = run("replay", "--config", config.file)
    assert done.output.startswith(f"{sum(left.values())} measurements;")
    assert measurements(current_views(config.state)) == left
    assert run("replay", "--config", config.file, "--into", tmp_path / "again.db").exit_code == 0
    assert measurements(tmp_path / "again.db") == left
    exported = run("export", "--config", config.file, "--format", "csv", "--output", tmp_path / "all.csv")
    assert f"{sum(left.values())} measurements exported" in exported.output


async def test_an_erasure_that_is_asked_for_during_a_replay_holds_too(config: CollectorConfig, tmp_path: Path) -> None:
    asked = iter((frozenset[str](), frozenset({GONE})))
    log = await SqliteLog.open(config.log_folder, writable=False)
    await replayed(log, tmp_path / "again.db", world.rules(), Locator(world.payload), erased=lambda: next(asked))
    await log.aclose()
    assert GONE not in measurements(tmp_path / "again.db")


def test_views_are_compared_before_a_running_analysis_takes_them_up(
    config: CollectorConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = comparing.compared

    def meanwhile(*arguments: object) -> object:
        take_up(config.state)
        return compared(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(comparing, "compared", meanwhile)
    done = run("replay", "--config", config.file, "--compare")
    assert done.exit_code == 0, done.output
    assert "incidents: " in done.output
