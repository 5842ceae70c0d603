"""A new day begins a new file. What goes wrong just then costs nothing of the day before, and no position twice."""

import datetime as dt
import logging
from pathlib import Path

import pytest

from probe.collector.log import LogDamaged, LogUnavailable
from probe.collector.log.days import create_live, live_file
from probe.collector.log.keeping import seal_before
from tests.collector.log.entries import DAY, NOON, entry, everything, opened

MIDNIGHT = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


def obstructed(folder: Path, at: dt.datetime) -> Path:
    """Something in the way of the day's new file."""
    obstacle = folder / f".{at.date().isoformat()}.live.sqlite.new"
    obstacle.mkdir()
    return obstacle


async def test_a_new_day_that_cannot_begin_leaves_the_old_one_whole(tmp_path: Path) -> None:
    """What was received before midnight and comes to the disk after it still finds its file."""
    async with opened(tmp_path) as log:
        for number in range(3):
            await log.append(entry(number, MIDNIGHT - SECOND))
        obstacle = obstructed(tmp_path, MIDNIGHT)
        with pytest.raises(LogUnavailable):
            await log.append(entry(3, MIDNIGHT + SECOND))
        assert await log.append(entry(4, MIDNIGHT - SECOND)) == 4
        obstacle.rmdir()
        assert await log.append(entry(5, MIDNIGHT + SECOND)) == 5
        assert [one.position for one in await everything(log)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_file_that_was_made_in_vain_gives_no_position_twice(tmp_path: Path, restarts: bool) -> None:
    """The next day's file was there, could not be opened, and the day before went on."""
    async with opened(tmp_path) as log:
        await log.append(entry(0, MIDNIGHT - SECOND))
        create_live(tmp_path, MIDNIGHT.date().isoformat(), 2)
        assert await log.append(entry(1, MIDNIGHT - SECOND)) == 2
        assert await log.append(entry(2, MIDNIGHT - SECOND)) == 3
        if not restarts:
            assert await log.append(entry(3, MIDNIGHT + SECOND)) == 4
    async with opened(tmp_path) as log:
        following = [await log.append(entry(4, MIDNIGHT + SECOND))]
        expected = [*range(1, 4), *([] if restarts else [4])]
        assert [one.position for one in await everything(log)] == [*expected, *following]
        assert following == [expected[-1] + 1]
        assert [one.position for one in await log.read(2, 10)] == [3, *range(4, following[0] + 1)]


async def test_one_batch_over_midnight_and_a_seal_in_the_middle_lose_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        for number in range(6):
            await log.append(entry(number, MIDNIGHT + (number % 2 or -1) * SECOND))
            seal_before(tmp_path, (MIDNIGHT + DAY).date().isoformat())
        assert [one.position for one in await everything(log)] == [1, 2, 3, 4, 5, 6]
    assert not live_file(tmp_path, NOON.date().isoformat()).exists()


async def test_a_repeat_is_known_though_the_older_files_could_not_be_looked_at_first(tmp_path: Path) -> None:
    first = entry(1, NOON)
    older = live_file(tmp_path, NOON.date().isoformat())
    async with opened(tmp_path) as log:
        position = await log.append(first)
    hidden = older.rename(tmp_path / "hidden")
    async with opened(tmp_path) as log:
        await log.append(entry(2, NOON + DAY))
        older.write_bytes(b"no database, and long enough to be read as one" * 100)
        log._files_changed()
        with pytest.raises(LogDamaged):
            await log.append(entry(3, NOON + DAY))
        older.unlink()
        hidden.rename(older)
        again = await log.append(entry(1, NOON + DAY, report_id=first.report_id, probe=first.probe))
    assert again == position


async def test_a_fault_that_lasts_is_one_line_and_its_end_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with opened(tmp_path) as log:
        await log.append(entry(0, MIDNIGHT - SECOND))
        obstacle = obstructed(tmp_path, MIDNIGHT)
        for number in range(5):
            with pytest.raises(LogUnavailable):
                await log.append(entry(number, MIDNIGHT + SECOND))
        obstacle.rmdir()
        await log.append(entry(9, MIDNIGHT + SECOND))
        await log.append(entry(10, MIDNIGHT + SECOND))
    said = [record.getMessage() for record in caplog.records]
    assert [line[:40] for line in said] == ["nothing can be written to the log, and p", "the log takes reports again"]
