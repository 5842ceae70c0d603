"""The chores of the process that owns the log: erase what was asked for, seal days that are over, prune."""

import datetime as dt
import logging

import trio

from probe.clock import Clock
from probe.collector.accounts import Accounts, AccountsFault
from probe.collector.config_form import LogConfig
from probe.collector.log import LogDamaged, LogUnavailable
from probe.collector.log.sqlite import SqliteLog

_EVERY = 900.0  # seconds: a probe that asked to be erased is told of two hours (`enrol.ERASED_WITHIN`)
_SETTLED = dt.timedelta(minutes=5)  # requests that were under way when the token was revoked have ended by then
_LOGGER = logging.getLogger(__name__)


class Housekeeping:
    def __init__(self, log: SqliteLog, accounts: Accounts, clock: Clock, settings: LogConfig) -> None:
        self._log = log
        self._accounts = accounts
        self._clock = clock
        self._settings = settings

    async def run(self) -> None:
        while True:
            await self.once()
            await self._clock.sleep(_EVERY)

    async def once(self) -> None:
        """A fault is logged, and tried again the next time."""
        try:
            await self._erase()
            await self._seal()
        except (LogDamaged, LogUnavailable, AccountsFault, OSError) as fault:
            _LOGGER.warning("%s", fault)

    async def _erase(self) -> None:
        """At once, and again once nothing of it can be on its way any more."""
        now = self._clock.now()
        open_ones = [erasure for erasure in self._accounts.erased() if erasure.done_at is None]
        if not open_ones:
            return
        clean = await self._log.erase({erasure.probe for erasure in open_ones})
        for erasure in open_ones:
            if clean and now - erasure.asked_at >= _SETTLED:
                await trio.to_thread.run_sync(self._accounts.erasure_done, erasure.probe, now)

    async def _seal(self) -> None:
        now = self._clock.now()
        for day in await self._log.seal_before(now - dt.timedelta(seconds=self._settings.seal_after)):
            _LOGGER.info("%s is sealed", day)
        for day in await self._log.prune(now, self._settings.keep_days, self._settings.keep_bytes):
            _LOGGER.info("%s is removed", day)
