"""What a broken disk gives back is noticed, and said in one line."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from probe.collector.log import LogDamaged, LogUnavailable, packed
from probe.collector.log.reader import verified
from probe.collector.log.sqlite import SqliteLog
from tests.collector.log.entries import DAY, NOON, entry, everything, opened, over_days

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")


async def sealed(folder: Path) -> Path:
    async with opened(folder) as log:
        await over_days(log, 2, 20)
        await log.seal_before(NOON + DAY)
    return folder / "2026-11-20.sealed"


def one_line(fault: pytest.ExceptionInfo[Exception]) -> str:
    text = str(fault.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 40, 500, -1])
async def test_a_sealed_day_that_was_cut_short_is_named(tmp_path: Path, keep: int) -> None:
    path = await sealed(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    async with opened(tmp_path, writable=False) as log:
        with pytest.raises(LogDamaged) as fault:
            await everything(log)
    assert str(path) in one_line(fault)
    assert "restore" in one_line(fault)


async def test_any_byte_of_a_sealed_day_that_changed_is_noticed(tmp_path: Path) -> None:
    path = await sealed(tmp_path)
    raw = path.read_bytes()
    for offset in range(0, len(raw), max(1, len(raw) // 150)):
        path.write_bytes(raw[:offset] + bytes([raw[offset] ^ 0x40]) + raw[offset + 1 :])
        with pytest.raises(LogDamaged):
            verified(tmp_path)
    path.write_bytes(raw)
    assert verified(tmp_path) == 40


async def test_a_body_that_changed_in_the_days_file_is_named_with_its_position(tmp_path: Path) -> None:
    marker = os.urandom(64)
    async with opened(tmp_path) as log:
        await log.append(entry())
        await log.append(entry(body=marker))
    path = tmp_path / "2026-11-20.live.sqlite"
    raw = path.read_bytes()
    assert raw.count(marker) == 1
    path.write_bytes(raw.replace(marker, marker[:-1] + bytes([marker[-1] ^ 1])))
    async with opened(tmp_path, writable=False) as log:
        with pytest.raises(LogDamaged, match="position 2") as fault:
            await everything(log)
    assert str(path) in one_line(fault)


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + bytes(5000)])
async def test_a_file_that_is_none_is_named_and_nothing_starts(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "2026-11-20.live.sqlite"
    path.write_bytes(content)
    with pytest.raises(LogDamaged) as fault:
        await opened(tmp_path).__aenter__()
    assert str(path) in one_line(fault)


async def test_a_torn_write_ahead_log_keeps_what_was_whole(tmp_path: Path) -> None:
    """As after a power cut in the midst of the last transaction: its frames are half there."""
    path = tmp_path / "2026-11-20.live.sqlite"
    async with opened(tmp_path) as log:
        await log.append(entry(1))
        await log.append(entry(2))
        whole = path.with_name(f"{path.name}-wal").read_bytes()
        await log.append(entry(3))
        torn = path.with_name(f"{path.name}-wal").read_bytes()
        database = path.read_bytes()
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / path.name).write_bytes(database)
    (copy / f"{path.name}-wal").write_bytes(torn[: len(whole) + (len(torn) - len(whole)) // 2])
    async with opened(copy) as log:
        assert [one.position for one in await everything(log)] == [1, 2]
        assert await log.append(entry(4)) == 3


async def test_a_database_of_something_else_is_not_taken_for_a_log(tmp_path: Path) -> None:
    path = tmp_path / "2026-11-20.live.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE entries (position INTEGER)")
    with pytest.raises(LogDamaged, match="no file of the log"):
        await opened(tmp_path).__aenter__()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", tmp_path], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


async def until_refused(log: SqliteLog) -> None:
    for _ in range(1000):
        await log.append(entry(body=packed(os.urandom(20_000))))


@needs_root
async def test_a_full_disk_refuses_and_the_log_goes_on_when_there_is_room_again(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    async with opened(small_disk) as log:
        assert await log.append(entry()) == 1
        ballast.write_bytes(bytes(1 << 20))
        with pytest.raises(LogUnavailable, match="full"):
            await until_refused(log)
        ballast.unlink()
        position = await log.append(entry())
        found = await everything(log)
    assert found[-1].position == position == len(found)
