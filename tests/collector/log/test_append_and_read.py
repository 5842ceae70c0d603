import datetime as dt
from pathlib import Path

import msgspec
import pytest
import trio
import trio.lowlevel

from probe.collector.log import Entry, LogUnavailable
from tests.collector.log.entries import DAY, NOON, entry, everything, names, opened, over_days


def without_position(one: Entry) -> Entry:
    return msgspec.structs.replace(one, position=0)


async def test_what_was_appended_is_read_as_it_was(tmp_path: Path) -> None:
    sent = [entry(number) for number in range(5)]
    async with opened(tmp_path) as log:
        positions = [await log.append(one) for one in sent]
        found = await everything(log)
    assert [one.position for one in found] == positions == [1, 2, 3, 4, 5]
    assert [without_position(one) for one in found] == sent


async def test_reading_goes_on_behind_a_position_and_ends_with_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await over_days(log, 3, 4)
        assert [one.position for one in await log.read(2, 3)] == [3, 4, 5]
        assert [one.position for one in await log.read(7, 100)] == [8, 9, 10, 11, 12]
        assert await log.read(12, 100) == []


async def test_positions_go_on_over_days_and_restarts(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await over_days(log, 2, 2)
    async with opened(tmp_path) as log:
        assert await log.append(entry(at=NOON + DAY)) == 5
        assert await log.append(entry(at=NOON + 3 * DAY)) == 6
        assert [one.position for one in await everything(log)] == [1, 2, 3, 4, 5, 6]
    assert len(names(tmp_path, "*.live.sqlite")) == 3


async def test_a_clock_that_goes_back_does_not_mix_up_the_order(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        positions = [await log.append(entry(at=NOON + shift * DAY)) for shift in (1, 0, 1, 2, -5)]
        assert [one.position for one in await everything(log)] == positions == [1, 2, 3, 4, 5]


async def test_a_repeat_gets_the_position_that_it_has_also_days_later_and_from_a_new_process(tmp_path: Path) -> None:
    first = entry(1)
    async with opened(tmp_path) as log:
        position = await log.append(first)
        assert await log.append(first) == position
        later = msgspec.structs.replace(first, received_at=NOON + 20 * DAY)
        assert await log.append(entry(2, NOON + 20 * DAY)) == position + 1
        assert await log.append(later) == position
    async with opened(tmp_path) as log:
        assert await log.append(later) == position
        assert len(await everything(log)) == 2


async def test_the_same_report_id_of_another_probe_is_another_report(tmp_path: Path) -> None:
    one = entry(1)
    async with opened(tmp_path) as log:
        assert await log.append(one) != await log.append(msgspec.structs.replace(one, probe="another"))


async def test_many_that_wait_share_a_transaction(tmp_path: Path) -> None:
    transactions: list[int] = []
    async with opened(tmp_path, observe=lambda entries, _: transactions.append(entries)) as log:
        await log.append(entry())
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(log.append, entry(number))
    assert sum(transactions) == 101
    assert len(transactions) < 10


async def test_a_repeat_within_one_transaction_counts_once(tmp_path: Path) -> None:
    one = entry()
    async with opened(tmp_path) as log, trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(log.append, one)
    async with opened(tmp_path, writable=False) as log:
        assert len(await everything(log)) == 1


async def test_others_read_while_one_writes_and_only_one_may_write(tmp_path: Path) -> None:
    async with opened(tmp_path) as log, opened(tmp_path, writable=False) as reader:
        assert await reader.read(0, 10) == []
        await log.append(entry())
        assert len(await reader.read(0, 10)) == 1
        with pytest.raises(LogUnavailable, match="another process writes"):
            await opened(tmp_path).__aenter__()
        with pytest.raises(LogUnavailable, match="reading only"):
            await reader.append(entry())


async def test_a_reader_is_told_where_it_was_whatever_process_it_is_in(tmp_path: Path) -> None:
    async with opened(tmp_path) as log, opened(tmp_path, writable=False) as reader:
        assert await reader.remembered("views") == 0
        await reader.remember("views", 7)
        await reader.remember("views", 9)
        await reader.remember("other", 3)
        assert await log.remembered("views") == 9


async def test_no_position_is_given_twice_where_the_end_of_the_log_was_lost(tmp_path: Path) -> None:
    """Else a reader would take the next reports for ones that it has."""
    async with opened(tmp_path) as log:
        await log.append(entry())
        await log.remember("views", 500)
    async with opened(tmp_path) as log:
        assert await log.append(entry(at=NOON + dt.timedelta(hours=1))) == 501


async def test_what_was_handed_over_before_the_end_is_on_the_disk(tmp_path: Path) -> None:
    async with opened(tmp_path) as log, trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(log.append, entry(number))
        await trio.lowlevel.checkpoint()
        await trio.testing.wait_all_tasks_blocked()
        await log.aclose()
        with pytest.raises(LogUnavailable, match="closed"):
            await log.append(entry())
    async with opened(tmp_path, writable=False) as log:
        assert len(await everything(log)) == 50
