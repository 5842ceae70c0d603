"""A round: the surroundings, then every endpoint in random order, each result handed on as soon as it is there."""

import dataclasses
import gc
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from probe.measure.context import Context
from probe.measure.endpoint import Judged, measure_endpoint
from probe.measure.surroundings import look_around
from probe.measure.task import Task

SMALL_ROUND = 16  # endpoints

# TLS and HTTP/2 connections are cycles, of some hundred kB with what OpenSSL holds outside Python's sight. Left to the
# collector's own pace a round of 320 endpoints took 82 MiB at its peak; swept this often it took 65.
TIDY_EVERY = 16


@asynccontextmanager
async def measuring(tasks: Sequence[Task], context: Context) -> AsyncIterator[trio.MemoryReceiveChannel[Judged]]:
    """A channel of results, in the order in which they come. Results are not kept: memory stays flat."""
    small = len(tasks) <= SMALL_ROUND
    context = dataclasses.replace(context, surroundings=await look_around(context), small=small)
    send, receive = trio.open_memory_channel[Judged](0)
    shuffled = random.sample(tasks, len(tasks))

    async def one(number: int, task: Task, out: trio.MemorySendChannel[Judged]) -> None:
        async with out:
            judged = await context.pace.run(lambda beat: measure_endpoint(task, context, beat))
            if number % TIDY_EVERY == 0:
                gc.collect()
            await out.send(judged)

    async with trio.open_nursery() as nursery:
        async with send:
            for number, task in enumerate(shuffled):
                nursery.start_soon(one, number, task, send.clone())
        yield receive
        nursery.cancel_scope.cancel()
