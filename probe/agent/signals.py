"""SIGTERM and SIGINT end the daemon, SIGHUP has it read its configuration again. Where a parent process runs it, it
ends with that."""

import os
import signal
import sys
from collections.abc import Callable

import trio

_NAMES = ("SIGTERM", "SIGINT", "SIGHUP")  # SIGHUP is not everywhere
SUPERVISED = "PROBE_SUPERVISED"  # set by a parent process that holds this one's standard input open
SIGNALS = {getattr(signal, name): name for name in _NAMES if hasattr(signal, name)}


async def obey(
    stop: Callable[[], None],
    reload: Callable[[], None],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Started once the handlers are in place; goes on after a reload, and until it is cancelled after a stop."""
    with trio.open_signal_receiver(*SIGNALS) as received:
        task_status.started()
        async for number in received:
            if SIGNALS[signal.Signals(number)] == "SIGHUP":
                reload()
            else:
                stop()


async def stop_with_parent(stop: Callable[[], None]) -> None:
    """Where there is such a parent: killed or not, it lets go of the standard input when it ends."""
    if os.environ.get(SUPERVISED) and sys.platform != "win32":
        await trio.lowlevel.wait_readable(0)
        stop()
