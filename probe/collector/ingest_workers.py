"""Processes that decode, and whoever waits for them. One that ends is started again; what was with it is tried anew."""

import logging
import socket
import sys
from collections import deque

import msgspec
import trio

from probe.collector.ingest_decoding import LENGTH, Decoded, Refused, Task
from probe.collector.ingest_refusals import Refusal, overloaded

_COMMAND = (sys.executable, "-m", "probe.collector.ingest_worker")
_PAUSE = 0.5  # seconds before one is started again
_GRACE = 5.0
_PIECE = 1 << 16  # bytes
_ENCODER = msgspec.msgpack.Encoder()
_ANSWERS = msgspec.msgpack.Decoder(Decoded | Refused)
_LOGGER = logging.getLogger(__name__)


class _Waiting:
    """A task that a worker has, and its answer."""

    __slots__ = ("answer", "done")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.answer: Decoded | Refused | None = None


class Workers:
    """A decoder. `run` keeps the processes; what comes before one is up is told to come again."""

    def __init__(self, count: int) -> None:
        self._workers = [_Worker() for _ in range(count)]

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            for worker in self._workers:
                await nursery.start(worker.run)
            task_status.started()

    async def decode(self, encoding: bytes, body: bytes) -> Decoded:
        return await min(self._workers, key=lambda worker: worker.load).decode(encoding, body)


class _Worker:
    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._sending = trio.Lock()
        self._waiting: deque[_Waiting] = deque()

    @property
    def load(self) -> int:
        return len(self._waiting)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        while True:
            ours, process = await _started()
            self._socket = ours
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            try:
                await self._listen(ours)
            finally:
                self._socket = None
                ours.close()
                self._give_up()
                with trio.CancelScope(shield=True):
                    await _ended(process)
            _LOGGER.error("a decoding process ended with status %s: started again", process.returncode)
            await trio.sleep(_PAUSE)

    async def decode(self, encoding: bytes, body: bytes) -> Decoded:
        """Raises Refusal."""
        waiting = _Waiting()
        raw = _ENCODER.encode(Task(encoding, body))
        await self._send(LENGTH.pack(len(raw)) + raw, waiting)
        await waiting.done.wait()
        match waiting.answer:
            case Decoded() as found:
                return found
            case Refused(status, reason, error, path):
                raise Refusal(status, reason, error, path=path)
        raise _away()

    async def _send(self, task: bytes, waiting: _Waiting) -> None:
        """Mostly it goes at once; half a task would spoil all that follow, so the rest goes whatever happens."""
        if self._sending.locked():
            async with self._sending:
                await self._send_whole(task, waiting)
        else:
            self._sending.acquire_nowait()
            try:
                await self._send_whole(task, waiting)
            finally:
                self._sending.release()

    async def _send_whole(self, task: bytes, waiting: _Waiting) -> None:
        stream = self._socket
        if stream is None:
            raise _away()
        self._waiting.append(waiting)
        left = memoryview(task)
        while left:
            try:
                left = left[stream.send(left) :]
            except BlockingIOError:
                with trio.CancelScope(shield=True):
                    await _writable(stream)
            except OSError:  # it is gone: the listener notices too, and gives up for all who wait
                return

    async def _listen(self, stream: socket.socket) -> None:
        buffer = bytearray()
        while piece := await _received(stream):
            buffer += piece
            while len(buffer) >= LENGTH.size:
                end = LENGTH.size + LENGTH.unpack_from(buffer)[0]
                if len(buffer) < end:
                    break
                self._settle(_ANSWERS.decode(bytes(buffer[LENGTH.size : end])))
                del buffer[:end]

    def _settle(self, answer: Decoded | Refused) -> None:
        waiting = self._waiting.popleft()
        waiting.answer = answer
        waiting.done.set()

    def _give_up(self) -> None:
        while self._waiting:
            self._waiting.popleft().done.set()


async def _started() -> tuple[socket.socket, trio.Process]:
    ours, theirs = socket.socketpair()
    with theirs:
        process = await trio.lowlevel.open_process(_COMMAND, stdin=theirs, stdout=theirs, start_new_session=True)
    ours.setblocking(False)
    return ours, process


async def _received(stream: socket.socket) -> bytes:
    """Nothing at the end."""
    while True:
        await trio.lowlevel.wait_readable(stream)
        try:
            return stream.recv(_PIECE)
        except BlockingIOError:
            continue
        except OSError:
            return b""


async def _writable(stream: socket.socket) -> None:
    try:
        await trio.lowlevel.wait_writable(stream)
    except trio.ClosedResourceError:
        return


async def _ended(process: trio.Process) -> None:
    """It ends when its input does."""
    with trio.move_on_after(_GRACE):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()


def _away() -> Refusal:
    return overloaded("reports cannot be read just now", 1.0)
