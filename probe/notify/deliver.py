"""Channels side by side: each retries on its own, none waits for another."""

import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
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

Lasting = Callable[[], Sequence[Notice]]  # a notice of each incident that is confirmed and lasts


class Delivery:
    """`wake` after every post to the outbox. The outbox and `lasting` are asked in threads, one at a time: whoever
    decides may hold their file for a while."""

    def __init__(self, outbox: Outbox, channels: Sequence[Channel], clock: Clock, lasting: Lasting) -> None:
        self._outbox, self._channels, self._clock, self._lasting = outbox, tuple(channels), clock, lasting
        self._posted = trio.Event()
        self._one = trio.CapacityLimiter(1)
        self._surprises: set[tuple[str, type[Exception]]] = set()
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
        failed = await self._tried(channel, send(channel, waiting.notice, self._clock.now()))
        if failed is not None:
            await self._again(channel, waiting, failed)
        else:
            with trio.CancelScope(shield=True):  # it arrived: that must be noted
                await self._asked(lambda: self._outbox.delivered(waiting.notice.id, channel.name, self._clock.now()))

    async def _tried(self, channel: Channel, telling: Awaitable[None]) -> Undelivered | None:
        """None where it arrived. Whatever else goes wrong with one channel keeps neither the others nor the analysis
        of the same process from going on."""
        try:
            await telling
        except Undelivered as exc:
            return exc
        except Exception as exc:
            new = (channel.name, type(exc)) not in self._surprises
            self._surprises.add((channel.name, type(exc)))
            _LOG.error("channel %s failed in a way that was not foreseen", channel.name, exc_info=exc if new else None)
            return Undelivered(f"{type(exc).__name__}: {exc}")
        return None

    async def _again(self, channel: Channel, waiting: Waiting, why: Undelivered) -> None:
        now, notice = self._clock.now(), waiting.notice.id
        await self._asked(lambda: self._outbox.failed(waiting, channel.name, now, why.retry_after))
        if waiting.attempts == 0:
            _LOG.warning("channel %s does not take notice %s, tried again: %s", channel.name, notice, why)
        if await self._asked(lambda: self._outbox.age(notice, channel.name, now)) > GIVE_UP:
            await self._asked(lambda: self._outbox.abandoned(notice, channel.name, now))
            _LOG.error("channel %s never took notice %s, given up: %s", channel.name, notice, why)

    async def _repeat(self, channel: Channel) -> None:
        """By the machine's time, since it is Alertmanager's patience that counts. Told is what lasts, not what this
        channel took: Alertmanager knows an alert by its labels, also under another channel's name, or after it lost
        its memory."""
        while True:
            try:
                async with self._turns[channel.name]:  # or what was over by now would be told to last
                    await self._tell_again(channel)
            except sqlite3.OperationalError as exc:  # a disk that is full: the next minute tries again
                _LOG.warning(
                    "channel %s: what lasts was not repeated, or that it failed not counted: %s", channel.name, exc
                )
            await trio.sleep(REPEAT)

    async def _tell_again(self, channel: Channel) -> None:
        lasting = [notice for notice in await self._asked(self._lasting) if channel.wants(notice)]
        failed = await self._tried(channel, tell(channel.url, lasting)) if lasting else None
        if failed is not None:
            _LOG.info("channel %s is away: %s", channel.name, failed)
            await self._asked(lambda: self._outbox.unrepeated(channel.name))
