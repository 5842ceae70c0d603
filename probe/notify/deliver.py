"""Channels side by side: each retries on its own, none waits for another."""

import logging
from collections.abc import Callable, Sequence

import trio

from probe.clock import Clock
from probe.notify.alertmanager import REPEAT, tell
from probe.notify.channels import Channel
from probe.notify.delivered import Undelivered
from probe.notify.notice import Notice
from probe.notify.outbox import GIVE_UP, Outbox, Waiting
from probe.notify.send import send

_LOG = logging.getLogger(__name__)

Counted = Callable[[str, bool], None]  # a channel's name, and whether the attempt succeeded


class Delivery:
    """`wake` after every post to the outbox. `counted` hears of each attempt, for the metrics."""

    def __init__(self, outbox: Outbox, channels: Sequence[Channel], clock: Clock, counted: Counted) -> None:
        self._outbox, self._channels, self._clock, self._counted = outbox, tuple(channels), clock, counted
        self._posted = trio.Event()

    def wake(self) -> None:
        self._posted.set()
        self._posted = trio.Event()

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for channel in self._channels:
                nursery.start_soon(self._serve, channel)
                if channel.type == "alertmanager":
                    nursery.start_soon(self._repeat, channel)

    async def _serve(self, channel: Channel) -> None:
        while True:
            posted = self._posted
            waiting = self._outbox.head(channel.name)
            if waiting is None:
                await posted.wait()
            elif (left := waiting.due - self._clock.now().timestamp()) > 0:
                await self._clock.sleep(left)
            else:
                await self._attempt(channel, waiting)

    async def _attempt(self, channel: Channel, waiting: Waiting) -> None:
        now = self._clock.now()
        try:
            await send(channel, waiting.notice, now)
        except Undelivered as exc:
            self._counted(channel.name, False)
            self._again(channel, waiting, exc)
        else:
            self._counted(channel.name, True)
            self._outbox.delivered(waiting.notice.id, channel.name, self._clock.now())

    def _again(self, channel: Channel, waiting: Waiting, why: Undelivered) -> None:
        now = self._clock.now()
        self._outbox.failed(waiting, channel.name, now, why.retry_after)
        if waiting.attempts == 0:
            _LOG.warning("channel %s does not take notice %s, tried again: %s", channel.name, waiting.notice.id, why)
        if self._outbox.age(waiting.notice.id, channel.name, now) > GIVE_UP:
            self._outbox.abandoned(waiting.notice.id, channel.name, now)
            _LOG.error("channel %s never took notice %s, given up: %s", channel.name, waiting.notice.id, why)

    async def _repeat(self, channel: Channel) -> None:
        """By the machine's time, since it is Alertmanager's patience that counts."""
        while True:
            lasting = self._outbox.lasting(channel.name)
            if lasting:
                await self._tell_again(channel, lasting)
            await trio.sleep(REPEAT)

    async def _tell_again(self, channel: Channel, lasting: Sequence[Notice]) -> None:
        try:
            await tell(channel.url, lasting)
        except Undelivered as exc:
            self._counted(channel.name, False)
            _LOG.info("channel %s is away: %s", channel.name, exc)
