"""The processes of `probe up`, and beside them somebody who looks at what they do."""

import signal
from collections.abc import Sequence
from functools import partial
from typing import IO

import trio

from probe.cli.up_looking import Looking
from probe.cli.up_view import Shown
from probe.collector.config import CollectorConfig
from probe.collector.supervise import Role, opened, until_signal

_NAMES = ("SIGTERM", "SIGINT", "SIGHUP")  # the last one where the terminal is closed
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
_AGAIN = 1.0  # seconds between two looks


async def run_all(
    collector: CollectorConfig,
    roles: Sequence[Role],
    looking: Looking,
    view: Shown,
    *,
    options: Sequence[str],
    log: IO[bytes] | None,
) -> None:
    """Until a signal. Raises ConfigError where a port cannot be opened, Stopped where a process cannot run."""
    with opened(collector, options=options, more=roles, log=log) as children:
        await until_signal(children, _SIGNALS, partial(_watch, looking, view))


async def _watch(looking: Looking, view: Shown) -> None:
    is_ready = False
    while True:
        if not is_ready and await looking.ready():
            is_ready = True
            view.ready(has_page=await looking.has_page())
        view.look(await looking.state())
        await trio.sleep(_AGAIN)
