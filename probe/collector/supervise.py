"""The process that a person starts: it opens the ports, starts the others, and starts again whichever ends.

Ingest goes on whatever becomes of analysis and pages. SIGTERM and SIGINT stop all of them in order; SIGHUP reads the
configuration anew and restarts them one by one, or keeps the old one and says what is wrong with the new. Probes may be
run beside the collector: they are further processes, and what happens to them is nothing to it.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import msgspec
import trio

from probe.collector.config import CollectorConfig, ConfigError, load_config
from probe.collector.serve import GRACE, SUPERVISED
from probe.collector.serve_sockets import INGEST_SOCKET, WEB_SOCKET, handed_down, private, public

_FIRST_PAUSE = 1.0  # seconds before a process is started again; doubled each time
_LONGEST_PAUSE = 30.0
_STEADY = 60.0  # seconds after which a process is taken to run well
_WRONG_CONFIGURATION = 2
_LOGGER = logging.getLogger("probe.collector")


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of process: its name, and what `probe` is called with. `serves`: it is given the sockets. `essential`:
    where it is wrongly configured, all end."""

    name: str
    arguments: tuple[str, ...]
    serves: bool = True
    essential: bool = True


class Stopped(Exception):
    """A process cannot run at all; it has said why. `status` is its exit status."""

    def __init__(self, name: str, status: int) -> None:
        super().__init__(f"{name} ended with status {status}")
        self.status = status


def roles(config: CollectorConfig) -> tuple[Role, ...]:
    serve = ("collector", "serve", "--config", str(config.file))
    return (
        Role(name="ingest", arguments=(*serve, "--role", "ingest")),
        Role(name="views", arguments=(*serve, "--role", "analyse", "--role", "web")),
    )


async def supervise(
    config: CollectorConfig,
    *,
    options: Sequence[str] = (),
    more: Sequence[Role] = (),
    announce: Callable[[], None] = lambda: None,
) -> None:
    """Until SIGTERM or SIGINT. Raises ConfigError where a port cannot be opened, Stopped where a process cannot run.
    `options` (of logging) go to each of them; `announce` is called once the ports are open."""
    with opened(config, options=options, more=more) as children:
        announce()
        reload = partial(_reload_at_signal, config.file, children)
        await until_signal(children, (signal.SIGTERM, signal.SIGINT), reload)


@contextmanager
def opened(
    config: CollectorConfig,
    *,
    options: Sequence[str] = (),
    more: Sequence[Role] = (),
    log: IO[bytes] | None = None,
) -> Iterator[list["Child"]]:
    """The processes, not started yet, with the ports that they serve. `log` takes what they say in place of standard
    error. Raises ConfigError where a port cannot be opened."""
    sockets = {
        "public": public(config),
        "ingest": [private(config, INGEST_SOCKET)],
        "web": [private(config, WEB_SOCKET)],
    }
    try:
        yield [Child(role, sockets if role.serves else {}, options, log) for role in (*roles(config), *more)]
    finally:
        for one in (one for all_of in sockets.values() for one in all_of):
            one.close()
        for name in (INGEST_SOCKET, WEB_SOCKET):
            (config.sockets / name).unlink(missing_ok=True)


async def until_signal(
    children: Sequence["Child"], signals: Iterable[signal.Signals], beside: Callable[[], Awaitable[None]]
) -> None:
    """Keeps the processes running, with `beside` beside them, until one of the signals. Raises Stopped where one
    cannot run."""
    try:
        async with trio.open_nursery() as nursery:
            for child in children:
                nursery.start_soon(child.keep_running)
            nursery.start_soon(beside)
            with trio.open_signal_receiver(*signals) as received:
                async for _ in received:
                    break
            for child in children:
                child.stop()
            with trio.move_on_after(GRACE + 5.0):
                for child in children:
                    await child.ended.wait()
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        stopped = group.subgroup(Stopped)
        if stopped is None:
            raise
        raise _first(stopped) from None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


async def _reload_at_signal(file: Path, children: list["Child"]) -> None:
    with trio.open_signal_receiver(signal.SIGHUP) as signals:
        async for _ in signals:
            try:
                load_config(file)
            except ConfigError as fault:
                _LOGGER.error("the configuration stays as it was: %s", fault)  # noqa: TRY400 (its one line says all)
                continue
            for child in children:
                await child.restart()


class Child:
    def __init__(
        self, role: Role, sockets: Mapping[str, list[socket.socket]], options: Sequence[str], log: IO[bytes] | None
    ) -> None:
        self._role, self._log = role, log
        self._command = [sys.executable, "-m", "probe", *options, *role.arguments]
        variables, self._descriptors = handed_down(sockets)
        self._environment = {**os.environ, **variables, SUPERVISED: "1"}
        self._process: trio.Process | None = None
        self._stopping = False
        self._restarting = False
        self._told_to_stop = trio.Event()
        self._started = trio.Event()
        self.ended = trio.Event()

    async def keep_running(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping:
            began = trio.current_time()
            status = await self._run()
            if self._stopping or self._restarting:
                self._restarting = False
                continue
            if status == _WRONG_CONFIGURATION and self._role.essential:
                self.ended.set()
                raise Stopped(self._role.name, status)
            pause = _FIRST_PAUSE if trio.current_time() - began >= _STEADY else pause
            _LOGGER.error("%s ended with status %d: started again in %g s", self._role.name, status, pause)
            with trio.move_on_after(pause):
                await self._told_to_stop.wait()
            pause = min(2 * pause, _LONGEST_PAUSE)
        self.ended.set()

    def stop(self) -> None:
        self._stopping = True
        self._told_to_stop.set()
        self._terminate()

    async def restart(self) -> None:
        """Gracefully; callers wait in the queue of the port until it is back."""
        if self._process is None or self._process.returncode is not None:
            return
        self._restarting = True
        self._started = trio.Event()
        self._terminate()
        await self._started.wait()

    async def _run(self) -> int:
        """One life of the process. It is killed where it does not end in time, or where this task is cancelled."""
        process = await trio.lowlevel.open_process(
            self._command,
            stdin=subprocess.PIPE,
            stderr=self._log,
            pass_fds=self._descriptors,
            env=self._environment,
            start_new_session=True,
        )
        self._process = process
        self._started.set()
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                with trio.CancelScope(shield=True):
                    await self._end(process)

    async def _end(self, process: trio.Process) -> None:
        process.terminate()
        with trio.move_on_after(GRACE + 5.0):
            await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()

    def _terminate(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
