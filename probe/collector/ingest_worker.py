"""The process that decodes: tasks on standard input, answers on standard output, in order, until the input ends."""

import gc
import os
import resource
import sys
from typing import BinaryIO

import msgspec

from probe.collector.ingest_decoding import LENGTH, Decoded, Refused, Task, decoded, refused
from probe.collector.ingest_refusals import Refusal

_MOST_MEMORY = 1 << 30  # bytes: a report of 8 MiB takes a tenth of it at worst
_COLLECT = (50_000, 20, 100)  # a report is some thousand objects that go at once
_TASKS = msgspec.msgpack.Decoder(Task)
_ENCODER = msgspec.msgpack.Encoder()


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    try:
        work(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:  # whoever waited is gone
        os._exit(0)


def work(tasks: BinaryIO, answers: BinaryIO) -> None:
    while task := _task(tasks):
        raw = _ENCODER.encode(_answer(task))
        answers.write(LENGTH.pack(len(raw)) + raw)
        answers.flush()


def _task(tasks: BinaryIO) -> Task | None:
    """None at the end, also where that comes in the middle of a task: its sender was killed."""
    head = tasks.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size,) = LENGTH.unpack(head)
    raw = tasks.read(size)
    return _TASKS.decode(raw) if len(raw) == size else None


def _answer(task: Task) -> Decoded | Refused:
    try:
        return decoded(task.encoding, task.body)
    except Refusal as refusal:
        return refused(refusal)
    except MemoryError:
        return Refused(413, "too-large", "this report takes too much memory", None)


if __name__ == "__main__":
    main()
