"""Views follow from the log alone, however it was cut into batches, interrupted, killed, or read from the start."""

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from probe.collector.analyse.journal import Journal, Record
from probe.collector.analyse.schema import current_views, open_views, read_views
from probe.collector.analyse.whereabouts import Locator
from probe.collector.log import Entry
from probe.collector.log.sqlite import SqliteLog
from probe.collector.replay import READY, alone, dump, replayed, take_up
from tests.collector.analyse import world
from tests.collector.analyse.history import history

ENTRIES = history()


def dumped(path: Path) -> list[str]:
    views = read_views(path)
    try:
        return dump(views)
    finally:
        views.close()


def analysed(path: Path, entries: Sequence[Entry], cut: int) -> list[str]:
    analysis = world.analysis(path)
    for start in range(0, len(entries), cut):
        analysis.advance(entries[start : start + cut])
    analysis.close()
    return dumped(path)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """All entries in one batch."""
    return analysed(tmp_path_factory.mktemp("once") / "views.db", ENTRIES, len(ENTRIES))


def test_the_history_has_what_it_is_to_test(once: list[str]) -> None:
    text = "\n".join(once)
    for what in ("'sni-reset'", "'partial'", "'expectations'", "('reach'", "'rollup 86400'"):
        assert what in text
    revised = [line for line in once if line.startswith("('vote'") and ", 1, 1, 1, " in line]
    assert revised, "some vote must have been changed by late data"


@pytest.mark.parametrize("cut", [1, 7, 50])
def test_how_the_log_was_cut_into_batches_leaves_no_trace(tmp_path: Path, once: list[str], cut: int) -> None:
    assert analysed(tmp_path / "views.db", ENTRIES, cut) == once


def test_a_process_that_starts_anew_between_batches_goes_on_as_if_nothing_had_been(
    tmp_path: Path, once: list[str]
) -> None:
    path = tmp_path / "views.db"
    for start in range(0, len(ENTRIES), 9):
        analysis = world.analysis(path)
        analysis.advance(ENTRIES[start : start + 9])
        analysis.close()
    assert dumped(path) == once


def test_a_batch_that_fails_half_way_leaves_nothing_behind(tmp_path: Path, once: list[str]) -> None:
    path = tmp_path / "views.db"
    analysis = world.analysis(path)
    broken = msgspec.structs.replace(ENTRIES[25], body=b"no zstd")
    analysis.advance(ENTRIES[:20])
    before = dumped(path)
    with pytest.raises(Exception, match="decompressed"):
        analysis.advance([*ENTRIES[20:25], broken])
    assert dumped(path) == before
    analysis.advance(ENTRIES[20:])
    analysis.close()
    assert dumped(path) == once


_KILLED = """
import sys, pathlib, time
from tests.collector.analyse import world
from tests.collector.analyse.history import history
entries = history()
analysis = world.analysis(pathlib.Path(sys.argv[1]))
print("ready", flush=True)
for start in range(0, len(entries), 2):
    analysis.advance(entries[start : start + 2])
    time.sleep(0.002)
"""


@pytest.mark.parametrize("after", [0.0, 0.03, 0.09, 0.2])
def test_killed_at_any_moment_it_repeats_nothing_and_loses_nothing(tmp_path: Path, after: float) -> None:
    """The keys that sign leases differ between processes, so they are compared with a run in the same process."""
    path = tmp_path / "views.db"
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(path)],
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    views = open_views(path)
    (measurements,) = views.execute("SELECT count(*) FROM measurements").fetchone()
    position, _ = views.execute("SELECT coalesce(max(position), 0), 0 FROM positions").fetchone()
    views.close()
    upto = {entry.report_id + entry.probe: entry for entry in ENTRIES if entry.position <= position}
    assert measurements == sum(len(msgspec.json.decode(entry.document)["measurements"]) for entry in upto.values())
    analysis = world.analysis(path)
    analysis.advance(ENTRIES)
    total = len({(entry.report_id, entry.probe) for entry in ENTRIES})
    assert analysis.connection.execute("SELECT count(*) FROM reports").fetchone() == (total,)
    analysis.close()


# --- from a real log ---


async def logged(folder: Path, entries: Sequence[Entry]) -> None:
    log = await SqliteLog.open(folder, writable=True)
    for entry in entries:
        await log.append(entry)
    await log.aclose()


async def test_a_replay_of_sealed_and_live_days_gives_the_same_rows(tmp_path: Path) -> None:
    older = [
        msgspec.structs.replace(entry, received_at=entry.received_at - dt.timedelta(days=2)) for entry in ENTRIES[:60]
    ]
    await logged(tmp_path / "log", [*older, *ENTRIES[60:]])
    log = await SqliteLog.open(tmp_path / "log", writable=True)
    live = world.analysis(tmp_path / "views.db")
    while entries := await log.read(live.position, 11):
        live.advance(entries)
    live.close()
    assert await log.seal_before(world.START)
    await replayed(log, tmp_path / "again.db", world.rules(), Locator(world.payload), erased=frozenset)
    await log.aclose()
    assert dumped(tmp_path / "again.db") == dumped(tmp_path / "views.db")


async def test_a_replay_leaves_the_journal_alone_and_is_taken_up_by_whoever_is_alone(tmp_path: Path) -> None:
    await logged(tmp_path / "log", ENTRIES[:30])
    analysed(tmp_path / "views.db", ENTRIES[:10], 10)
    journal = Journal(tmp_path / "journal.db")
    journal.append([Record(id="t1", at=1, kind="confirmed", body=b"{}")], "detect", 5)
    before = journal.after(0, 10)
    log = await SqliteLog.open(tmp_path / "log", writable=False)
    await replayed(log, tmp_path / READY, world.rules(), Locator(world.payload), erased=frozenset)
    await log.aclose()
    with alone(tmp_path) as yes:
        assert yes
        with alone(tmp_path) as second:
            assert not second, "two analyses would write the same views"
        assert take_up(tmp_path)
    assert current_views(tmp_path).name == "views-1.db"
    assert not (tmp_path / "views.db").exists()
    assert len(dumped(current_views(tmp_path))) > 100
    assert journal.after(0, 10) == before
    assert journal.remembered("detect") == 5
    journal.close()


def test_another_analysis_of_the_same_log_has_the_same_numbers_for_followers_of_votes(
    once: list[str], tmp_path: Path
) -> None:
    again = analysed(tmp_path / "views.db", ENTRIES, 13)
    serials = [line.split(", ")[1] for line in again if line.startswith("('vote'")]
    assert sorted(serials) == sorted(line.split(", ")[1] for line in once if line.startswith("('vote'"))
    assert len(set(serials) - {"None"}) == len([serial for serial in serials if serial != "None"])
