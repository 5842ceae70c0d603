"""Disks that are full, read-only or broken: one line, nothing lost that was durable, never a crash loop."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from probe.agent.spool import Spool
from probe.agent.spool_file import SpoolUnavailable
from tests.agent.spool_building import AGENT, NOW, reported

ROOT = Path(__file__).parents[2]
needs_mounts = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="mounting a file system needs root and unshare"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite3"


def filled(path: Path, count: int = 300) -> None:
    spool = Spool.open(path)
    for _ in range(count):
        spool.add(reported(), monotonic=0.0)
    spool.close()


def works(spool: Spool) -> bool:
    item = reported()
    spool.add(item, monotonic=0.0)
    batch = spool.batch(AGENT, now=NOW, monotonic=0.0)
    assert batch is not None
    return item.measurement.id in {one.measurement.id for one in batch.report().measurements}


def test_every_commit_is_synced(path: Path) -> None:
    spool = Spool.open(path)
    pragmas = [spool._file.rows(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]  # 2: FULL
    spool.close()


@pytest.mark.parametrize(
    "content",
    [b"this is no database at all" * 400, b"SQLite format 3\0" + bytes(5000), b"\xff" * 40960],
    ids=["text", "zeroes", "ones"],
)
def test_a_file_that_is_no_spool_is_moved_aside_and_a_new_one_begun(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(content)
    spool = Spool.open(path)
    assert works(spool)
    spool.close()
    assert path.with_name("spool.sqlite3.damaged").read_bytes() == content
    assert len(caplog.messages) == 1
    assert "spool.sqlite3.damaged" in caplog.messages[0]


def test_a_database_of_somebody_else_is_moved_aside_whole(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (value)")
    other.close()
    spool = Spool.open(path)
    assert works(spool)
    spool.close()
    aside = sqlite3.connect(path.with_name("spool.sqlite3.damaged"))
    assert aside.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    aside.close()


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_a_file_cut_short_ends_in_a_spool_that_works(path: Path, keep: float) -> None:
    filled(path)
    os.truncate(path, int(path.stat().st_size * keep))
    spool = Spool.open(path)
    assert works(spool)
    spool.close()


@pytest.mark.parametrize("seed", range(6))
def test_bytes_turned_over_anywhere_end_in_a_spool_that_works(path: Path, seed: int) -> None:
    filled(path)
    with path.open("r+b") as file:
        for step in range(40):
            file.seek(4096 * (1 + (seed + 7 * step) % (path.stat().st_size // 4096 - 1)) + 13 * step)
            file.write(os.urandom(64))
    spool = Spool.open(path)
    while (batch := spool.batch(AGENT, now=NOW, monotonic=0.0)) is not None:
        spool.acknowledge(batch.report_id)
    assert works(spool)
    assert spool.stats().measurements == 1
    spool.close()


def test_a_damaged_measurement_costs_itself_alone_and_is_counted(path: Path) -> None:
    filled(path, 3)
    database = sqlite3.connect(path)
    database.execute("UPDATE measurements SET body = zeroblob(length(body)) WHERE position = 2")
    database.commit()
    database.close()
    spool = Spool.open(path)
    batch = spool.batch(AGENT, now=NOW, monotonic=0.0)
    assert batch is not None
    assert (batch.measurements, batch.report().dropped) == (2, 1)
    assert spool.stats().measurements == 2
    spool.close()


def test_a_second_daemon_on_the_same_file_is_told_so(path: Path) -> None:
    spool = Spool.open(path)
    with pytest.raises(SpoolUnavailable, match="in use by another process"):
        Spool.open(path)
    assert works(spool)
    spool.close()


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SpoolUnavailable, match=r"missing/spool.sqlite3: cannot be opened"):
        Spool.open(tmp_path / "missing" / "spool.sqlite3")


def on_small_disk(what: str, folder: Path) -> dict[str, Any]:
    command = ["unshare", "--mount", sys.executable, "-m", "tests.agent.spool_on_small_disk", what, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@needs_mounts
def test_a_full_disk_loses_nothing_and_is_emptied_by_delivery(tmp_path: Path) -> None:
    seen = on_small_disk("full", tmp_path)
    assert seen["added"] > 50
    assert seen["steady"] == 2000
    assert "the disk is full" in seen["fault"]
    assert "the disk is full" in seen["again"]
    assert seen["while_full"] == seen["added"]
    assert seen["lost"] == []
    assert seen["mended"]


@needs_mounts
def test_a_read_only_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    seen = on_small_disk("read-only", tmp_path)
    assert [str(fault).partition(": ")[2] for fault in seen["faults"]] == [
        "cannot be opened: Read-only file system"
    ] * 3
    assert seen["lost"] == []
