"""The thread that writes: whatever waits when it comes round shares one transaction and so one fsync.

A request waits for about one fsync and a half however many there are; the more there are, the more share one. Two
transactions begin at least `GATHER` apart, so that a fast disk does not make one of every single request.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable

import trio

from probe.collector.complaints import Complaints
from probe.collector.log.appender import Appender
from probe.collector.log.entry import Entry, LogDamaged, LogUnavailable

MOST_WAITING_BYTES = 64 << 20
GATHER = 0.01  # seconds
_MOST_TOGETHER = 512  # entries in one transaction
_LOGGER = logging.getLogger(__name__)


class _Waiting:
    """An entry on its way to the disk, and who waits for it."""

    __slots__ = ("done", "entry", "fault", "position")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.position = 0
        self.fault: LogUnavailable | LogDamaged | None = None
        self.done = trio.Event()


class Writer:
    """`observe` is called after each transaction, in the event loop, with how many entries it had and its seconds."""

    def __init__(self, appender: Appender, observe: Callable[[int, float], None] | None = None) -> None:
        self._appender = appender
        self._observe = observe
        self._jobs: queue.SimpleQueue[_Waiting | Callable[[], None] | None] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._closed = False
        self._complaints = Complaints(_LOGGER, "the log takes reports again")
        self._began = 0.0  # of the last transaction, by perf_counter
        self._token = trio.lowlevel.current_trio_token()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def waiting_bytes(self) -> int:
        return self._waiting_bytes

    async def append(self, entry: Entry) -> int:
        if self._closed:
            raise LogUnavailable("the log is being closed")
        if self._waiting_bytes > MOST_WAITING_BYTES:
            raise LogUnavailable("the disk does not keep up with the reports")
        waiting = _Waiting(entry)
        self._waiting_bytes += len(entry.body)
        self._jobs.put(waiting)
        await waiting.done.wait()
        if waiting.fault is not None:
            raise waiting.fault
        return waiting.position

    def between(self, job: Callable[[], None]) -> None:
        """Do this in the writing thread, between two transactions. What it raises is logged."""
        self._jobs.put(job)

    async def aclose(self) -> None:
        """Everything that was handed over is written first."""
        self._closed = True
        self._jobs.put(None)
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._thread.join)

    # --- in the thread ---

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        finally:
            self._appender.close()

    def _turn(self) -> bool:
        """One batch, and whatever else came with it. False at the end."""
        job = self._jobs.get()
        time.sleep(max(0.0, self._began + GATHER - time.perf_counter()))
        batch: list[_Waiting] = []
        others: list[Callable[[], None] | None] = []
        while True:
            batch.append(job) if isinstance(job, _Waiting) else others.append(job)
            if others or len(batch) >= _MOST_TOGETHER:
                break
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
        self._write(batch)
        return all(self._do(other) for other in others)

    def _do(self, job: Callable[[], None] | None) -> bool:
        if job is None:
            return False
        try:
            job()
        except (LogUnavailable, LogDamaged, OSError) as fault:
            _LOGGER.warning("%s", fault)
        return True

    def _write(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        began = self._began = time.perf_counter()
        try:
            positions = self._appender.append([waiting.entry for waiting in batch])
        except (LogUnavailable, LogDamaged, OSError) as fault:
            self._fail(batch, fault)
        else:
            for waiting, position in zip(batch, positions, strict=True):
                waiting.position = position
            self._complaints.end()
        self._token.run_sync_soon(self._settle, batch, time.perf_counter() - began)

    def _fail(self, batch: list[_Waiting], fault: Exception) -> None:
        self._complaints.begin(f"nothing can be written to the log, and probes are told to come again: {fault}")
        named = fault if isinstance(fault, LogUnavailable | LogDamaged) else LogUnavailable(str(fault))
        for waiting in batch:
            waiting.fault = named

    # --- in the event loop ---

    def _settle(self, batch: list[_Waiting], seconds: float) -> None:
        for waiting in batch:
            self._waiting_bytes -= len(waiting.entry.body)
            waiting.done.set()
        if self._observe is not None:
            self._observe(len(batch), seconds)
