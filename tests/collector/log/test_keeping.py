"""Days that are over: sealed, erased from, pruned; and always readable."""

from pathlib import Path

import msgspec
import pytest

from probe.collector.log import packed
from tests.collector.log.entries import DAY, NOON, bytes_of, entry, everything, names, opened, over_days


async def test_a_sealed_day_reads_as_before_and_the_order_stays(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await over_days(log, 4, 10)
        before = await everything(log)
        assert await log.seal_before(NOON + 2 * DAY) == ["2026-11-20", "2026-11-21"]
        after = await everything(log, limit=7)
    documents = [(one.position, one.document) for one in before]
    assert [(one.position, one.document) for one in after] == documents
    heads = [msgspec.structs.replace(one, body=b"") for one in before]
    assert [msgspec.structs.replace(one, body=b"") for one in after] == heads
    assert names(tmp_path, "2026-11-20.*") == ["2026-11-20.ids.sqlite", "2026-11-20.sealed"]


async def test_a_reader_in_the_midst_of_a_day_goes_on_when_it_is_sealed(tmp_path: Path) -> None:
    async with opened(tmp_path) as log, opened(tmp_path, writable=False) as reader:
        await over_days(log, 2, 10)
        assert [one.position for one in await reader.read(0, 4)] == [1, 2, 3, 4]
        await log.seal_before(NOON + DAY)
        assert [one.position for one in await reader.read(4, 100)] == list(range(5, 21))


async def test_the_current_day_is_never_sealed(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await over_days(log, 1, 3)
        assert await log.seal_before(NOON + 100 * DAY) == []
        assert await log.append(entry()) == 4


async def test_a_repeat_of_a_sealed_report_is_known_for_thirty_days(tmp_path: Path) -> None:
    first = entry(1)
    async with opened(tmp_path) as log:
        position = await log.append(first)
        await log.append(entry(2, NOON + DAY))
        await log.seal_before(NOON + DAY)
        late = msgspec.structs.replace(first, received_at=NOON + 29 * DAY)
        assert await log.append(late) == position
    async with opened(tmp_path) as log:
        assert await log.append(late) == position
        too_late = msgspec.structs.replace(first, received_at=NOON + 31 * DAY)
        assert await log.append(too_late) > position


async def test_the_log_goes_on_behind_a_sealed_day_when_nothing_else_is_left(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await over_days(log, 2, 3)
        await log.seal_before(NOON + 2 * DAY)
    (tmp_path / "2026-11-21.live.sqlite").unlink()
    async with opened(tmp_path) as log:
        assert await log.append(entry(at=NOON)) == 4
        assert [one.position for one in await everything(log)] == [1, 2, 3, 4]


async def test_sealing_that_was_interrupted_is_taken_up(tmp_path: Path) -> None:
    """The day's own file is still there beside the sealed one: what a crash between both leaves."""
    async with opened(tmp_path) as log:
        await over_days(log, 2, 3)
        live = (tmp_path / "2026-11-20.live.sqlite").read_bytes()
        await log.seal_before(NOON + DAY)
        (tmp_path / "2026-11-20.live.sqlite").write_bytes(live)
        (tmp_path / ".2026-11-20.sealed.new").write_bytes(b"half a file")
        assert len(await everything(log)) == 6
        assert await log.seal_before(NOON + DAY) == ["2026-11-20"]
        assert [one.position for one in await everything(log)] == [1, 2, 3, 4, 5, 6]
    assert not (tmp_path / "2026-11-20.live.sqlite").exists()


async def test_many_alike_take_much_less_room_sealed(tmp_path: Path) -> None:
    text = " ".join(f"word{number}" for number in range(2000))
    async with opened(tmp_path) as log:
        for number in range(50):
            await log.append(entry(number, body=packed(f'{{"n": {number}, "text": "{text}"}}'.encode())))
        await log.append(entry(at=NOON + DAY))
        alone = sum(len(one.body) for one in await everything(log))
        await log.seal_before(NOON + DAY)
    assert (tmp_path / "2026-11-20.sealed").stat().st_size < alone / 5


@pytest.mark.parametrize("probe", ["probe0", "probe2"])
async def test_an_erased_probe_is_gone_from_every_file(tmp_path: Path, probe: str) -> None:
    marked = [
        entry(n, NOON + n // 10 * DAY, body=packed(f"probe{n % 3} was here".encode(), level=1)) for n in range(30)
    ]
    async with opened(tmp_path) as log, opened(tmp_path, writable=False) as reader:
        for one in marked:
            await log.append(one)
        await log.seal_before(NOON + DAY)
        before = await everything(reader)
        assert await log.erase({probe})
        after = await everything(reader)
        assert [one.position for one in after] == [one.position for one in before if one.probe != probe]
        assert await log.append(entry(1, NOON + 2 * DAY)) == 31
    assert probe.encode() not in bytes_of(tmp_path)


async def test_pruning_takes_the_oldest_sealed_days_and_positions_go_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await over_days(log, 5, 3)
        await log.seal_before(NOON + 3 * DAY)
        now = NOON + 4 * DAY
        assert await log.prune(now, None, None) == []
        assert await log.prune(now, 3, None) == ["2026-11-20"]
        assert [one.position for one in await everything(log)] == list(range(4, 16))
        assert await log.prune(now, None, 1) == ["2026-11-21", "2026-11-22"]
        assert await log.append(entry(at=now)) == 16
        assert [one.position for one in await log.read(0, 2)] == [10, 11]
