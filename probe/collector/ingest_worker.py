"""The process that decodes: tasks on standard input, answers on standard output, in order, until the input ends."""

import gc
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
    work(sys.stdin.buffer, sys.stdout.buffer)


def work(tasks: BinaryIO, answers: BinaryIO) -> None:
    while head := tasks.read(LENGTH.size):
        raw = _ENCODER.encode(_answer(_TASKS.decode(tasks.read(LENGTH.unpack(head)[0]))))
        answers.write(LENGTH.pack(len(raw)) + raw)
        answers.flush()


def _answer(task: Task) -> Decoded | Refused:
    try:
        return decoded(task.encoding, task.body)
    except Refusal as refusal:
        return refused(refusal)
    except MemoryError:
        return Refused(413, "too-large", "this report takes too much memory", None)


if __name__ == "__main__":
    main()
