"""A process inside the lab lives no longer than its starter: their pipe ends with it, killed or not."""

import os
import sys
from collections.abc import Callable

import trio


def _deaf(line: bytes) -> None:
    del line


async def until_abandoned(hear: Callable[[bytes], None] = _deaf) -> None:
    """Says `ready` on standard output, again after each line on standard input that it has heard, and returns once
    standard input has closed."""
    print("ready", flush=True)
    rest = b""
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as starter:
        while data := await starter.receive_some(1 << 16):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                hear(line)
                print("ready", flush=True)
