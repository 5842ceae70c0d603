"""The daemon on a volunteer's machine: starts, obeys signals, and runs its parts under the configuration of the day.

What is wrong at the start ends it with one line; what goes wrong later does not end it.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import trio

from probe.agent.client_faults import UnusableSetting
from probe.agent.config_model import AgentConfig, ConfigError
from probe.agent.consent import ConsentError, require_consent
from probe.agent.daemon_lasting import Lasting
from probe.agent.daemon_lock import locked
from probe.agent.daemon_memory import keep_small, settle_down
from probe.agent.daemon_parts import Parts
from probe.agent.daemon_ready import Ready, made_ready
from probe.agent.durable import StateError
from probe.agent.exporter.exporter import CannotListen
from probe.agent.signals import obey, stop_with_parent
from probe.catalogue.model import CatalogueError
from probe.clock import Clock

LAST_WORDS = 2.0  # seconds for writing down what is still to be written
_WRONG = (ConfigError, ConsentError, CatalogueError, UnusableSetting, CannotListen, StateError)
_log = logging.getLogger("probe.agent")


class Daemon:
    """`load` gives the configuration of a file, checked."""

    def __init__(self, path: Path, load: Callable[[Path], AgentConfig], clock: Clock) -> None:
        self._path, self._load, self._clock = path, load, clock
        self._stopping = False
        self._reload = trio.Event()
        self._next: Ready | None = None
        self._generation: trio.CancelScope | None = None

    async def run(self) -> None:
        """Until a signal ends it. Raises ConfigError, ConsentError, StateError, CatalogueError, UnusableSetting,
        CannotListen, SpoolUnavailable for what is wrong at the start."""
        keep_small()
        config = self._load(self._path)
        require_consent(config.state)
        with locked(config.state):
            lasting = Lasting(config, self._clock)
            try:
                ready = await made_ready(config, self._clock, lasting.budget.add)
                settle_down()
                await self._obeying(ready, lasting)
            finally:
                lasting.close()

    async def _obeying(self, ready: Ready, lasting: Lasting) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(obey, self._stop, self._read_again)
            nursery.start_soon(stop_with_parent, self._stop)
            nursery.start_soon(lasting.notifier.keep_alive)
            nursery.start_soon(lasting.lag.run)
            nursery.start_soon(self._reloads, lasting)
            await self._generations(ready, lasting)
            nursery.cancel_scope.cancel()
        lasting.notifier.stopping()

    async def _generations(self, ready: Ready, lasting: Lasting) -> None:
        """One configuration after the other."""
        while not self._stopping:
            self._next = None
            await self._generation_of(ready, lasting)
            if self._next is not None:
                ready = self._next
                await trio.to_thread.run_sync(lasting.adopt, ready.config)

    async def _generation_of(self, ready: Ready, lasting: Lasting) -> None:
        parts = Parts(ready, lasting)
        try:
            with trio.CancelScope() as self._generation:
                async with trio.open_nursery() as nursery:
                    await nursery.start(parts.run)
                    lasting.notifier.ready()
        finally:
            self._generation = None
            with trio.CancelScope(shield=True, deadline=trio.current_time() + LAST_WORDS):
                await parts.last_words()
                await lasting.remember()
                await ready.aclose()

    def _stop(self) -> None:
        self._stopping = True
        if self._generation is not None:
            self._generation.cancel()

    def _read_again(self) -> None:
        self._reload.set()

    async def _reloads(self, lasting: Lasting) -> None:
        while True:
            await self._reload.wait()
            self._reload = trio.Event()
            lasting.notifier.reloading()
            try:
                self._next = await self._reread(lasting)
            except _WRONG as fault:
                _log.error("the configuration stays as it was: %s", fault)
                lasting.notifier.ready()
            else:
                _log.warning("the configuration was read again")
                if self._generation is not None:
                    self._generation.cancel()

    async def _reread(self, lasting: Lasting) -> Ready:
        config = await trio.to_thread.run_sync(self._load, self._path)
        if config.state.resolve() != lasting.state.resolve():
            raise ConfigError(f"{self._path}: state: another folder needs a restart")
        require_consent(config.state)
        return await made_ready(config, self._clock, lasting.budget.add, listen=False)
