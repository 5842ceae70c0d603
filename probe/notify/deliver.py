"""Channels side by side: each retries on its own, none waits for another."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import trio

from probe.clock import Clock
from probe.notify.alertmanager import REPEAT, tell
from probe.notify.channels import Channel
from probe.notify.delivered import Undelivered
from probe.notify.notice import Notice
from probe.notify.outbox import GIVE_UP, MOST_POLITE, Outbox, Waiting
from probe.notify.send import send

_LOG = logging.getLogger(__name__)
T = TypeVar("T")

Counted = Callable[[str, bool], None]  # a channel's name, and whether the attempt succeeded


class Delivery:
    """`wake` after every post to the outbox. `counted` hears of each attempt, for the metrics. The outbox is asked in
    threads, one at a time: whoever decides may hold its file for a while."""

    def __init__(self, outbox: Outbox, channels: Sequence[Channel], clock: Clock, counted: Counted) -> None:
        self._outbox, self._channels, self._clock, self._counted = outbox, tuple(channels), clock, counted
        self._posted = trio.Event()
        self._one = trio.CapacityLimiter(1)
        self._turns = {channel.name: trio.Lock() for channel in self._channels}

    def wake(self) -> None:
        self._posted.set()
        self._posted = trio.Event()

    async def run(self) -> None:
        names = [channel.name for channel in self._channels]
        await self._asked(lambda: self._outbox.only(names))
        async with trio.open_nursery() as nursery:
            for channel in self._channels:
                nursery.start_soon(self._serve, channel)
                if channel.type == "alertmanager":
                    nursery.start_soon(self._repeat, channel)

    async def _asked(self, question: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(question, limiter=self._one)

    async def _serve(self, channel: Channel) -> None:
        while True:
            posted = self._posted
            waiting = await self._asked(lambda: self._outbox.head(channel.name))
            if waiting is None:
                await posted.wait()
            elif 0 < (left := waiting.due - self._clock.now().timestamp()) <= MOST_POLITE:
                await self._until(posted, left)
            else:  # due, or the clock was set back
                async with self._turns[channel.name]:
                    await self._attempt(channel, waiting)

    async def _until(self, posted: trio.Event, seconds: float) -> None:
        """That long, or until something was posted, which may be due before."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end, posted, nursery.cancel_scope)
            await self._clock.sleep(seconds)
            nursery.cancel_scope.cancel()

    async def _end(self, posted: trio.Event, scope: trio.CancelScope) -> None:
        await posted.wait()
        scope.cancel()

    async def _attempt(self, channel: Channel, waiting: Waiting) -> None:
        now = self._clock.now()
        try:
            await send(channel, waiting.notice, now)
        except Undelivered as exc:
            self._counted(channel.name, False)
            await self._again(channel, waiting, exc)
        else:
            self._counted(channel.name, True)
            with trio.CancelScope(shield=True):  # it arrived: that must be noted
                await self._asked(lambda: self._outbox.delivered(waiting.notice.id, channel.name, self._clock.now()))

    async def _again(self, channel: Channel, waiting: Waiting, why: Undelivered) -> None:
        now, notice = self._clock.now(), waiting.notice.id
        await self._asked(lambda: self._outbox.failed(waiting, channel.name, now, why.retry_after))
        if waiting.attempts == 0:
            _LOG.warning("channel %s does not take notice %s, tried again: %s", channel.name, notice, why)
        if await self._asked(lambda: self._outbox.age(notice, channel.name, now)) > GIVE_UP:
            await self._asked(lambda: self._outbox.abandoned(notice, channel.name, now))
            _LOG.error("channel %s never took notice %s, given up: %s", channel.name, notice, why)

    async def _repeat(self, channel: Channel) -> None:
        """By the machine's time, since it is Alertmanager's patience that counts."""
        while True:
            async with self._turns[channel.name]:  # or what was over by now would be told to last
                lasting = await self._asked(lambda: self._outbox.lasting(channel.name))
                if lasting:
                    await self._tell_again(channel, lasting)
            await trio.sleep(REPEAT)

    async def _tell_again(self, channel: Channel, lasting: Sequence[Notice]) -> None:
        try:
            await tell(channel.url, lasting)
        except Undelivered as exc:
            self._counted(channel.name, False)
            _LOG.info("channel %s is away: %s", channel.name, exc)
