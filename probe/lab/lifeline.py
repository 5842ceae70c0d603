"""A process inside the lab lives no longer than its starter: their pipe ends with it, killed or not."""

import os
import sys

import trio


async def until_abandoned() -> None:
    """Says `ready` on standard output and returns once standard input has closed."""
    print("ready", flush=True)
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as starter:
        while await starter.receive_some(1024):
            pass
