"""Pace bounds what is busy, not what waits. No I/O: the clock jumps."""

# ruff: noqa: ARG001 (the clock jumps for whoever asks for it)

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from probe.measure.pace import PATIENCE, Beat, Pace

PIECES = 12


class Watch:
    """Work that keeps count of itself; `seconds` of it with a sign of life each `step`."""

    def __init__(self, seconds: float, step: float | None = 0.1) -> None:
        self.seconds, self.step = seconds, step
        self.running = self.most = self.done = 0

    async def __call__(self, beat: Beat) -> int:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            end = trio.current_time() + self.seconds
            while trio.current_time() < end - 1e-9:
                await trio.sleep(self.step or self.seconds)
                beat()
        finally:
            self.running -= 1
        self.done += 1
        return self.done


async def all_of(pace: Pace, work: Callable[[Beat], Awaitable[object]], pieces: int = PIECES) -> float:
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(pieces):
            nursery.start_soon(pace.run, work)
    return trio.current_time() - began


async def slots(pace: Pace) -> int:
    """How many pieces of busy work run side by side now."""
    watch = Watch(PATIENCE)
    await all_of(pace, watch)
    return watch.most


async def test_busy_work_is_bounded(autojump_clock: MockClock) -> None:
    watch = Watch(1.0)
    seconds = await all_of(Pace(3), watch)
    assert (watch.most, watch.done) == (3, PIECES)
    assert seconds == pytest.approx(PIECES / 3)


async def test_work_that_waits_gives_its_slot_back(autojump_clock: MockClock) -> None:
    watch = Watch(8.0, step=None)
    seconds = await all_of(Pace(3), watch)
    assert watch.most == PIECES
    assert seconds == pytest.approx(8.0 + (PIECES / 3 - 1) * PATIENCE)


async def test_slots_are_whole_again_after_all_kinds_of_ends(autojump_clock: MockClock) -> None:
    pace = Pace(3)
    await all_of(pace, Watch(8.0, step=None))
    await all_of(pace, Watch(PATIENCE, step=None), 5)  # ends at the moment in which the slot is given back
    await all_of(pace, Watch(0), 5)
    assert await slots(pace) == 3


@pytest.mark.parametrize("after", [0.0, 0.4, PATIENCE, 3.0])
async def test_cancelled_work_gives_its_slot_back_once(after: float, autojump_clock: MockClock) -> None:
    pace = Pace(2)
    with trio.move_on_after(after):
        await all_of(pace, Watch(8.0, step=None))
    assert await slots(pace) == 2


async def test_work_that_fails_gives_its_slot_back_and_says_so(autojump_clock: MockClock) -> None:
    async def fail(_: Beat) -> None:
        await trio.sleep(0.1)
        raise ValueError("why")

    pace = Pace(1)
    with pytest.raises(BaseExceptionGroup) as raised:
        await pace.run(fail)
    assert [type(error) for error in raised.value.exceptions] == [ValueError]
    assert await slots(pace) == 1


async def test_the_result_comes_back_at_once(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    assert await Pace(1).run(Watch(0.2)) == 1
    assert trio.current_time() - began == pytest.approx(0.2)
