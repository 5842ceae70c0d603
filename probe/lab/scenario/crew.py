"""Rounds of several vantage points side by side, ended with whoever waits for them."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from types import TracebackType
from typing import Self, TypeVar

from probe.lab.namespaces import end_clients

_SIDE_BY_SIDE = 4  # for each core: most of a round is waiting
_ENDING = 0.2  # seconds between two looks at what is still running

T = TypeVar("T")
R = TypeVar("R")


class Crew:
    """On the way out, what is still running in the lab's vantage points is ended."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_SIDE_BY_SIDE * (os.cpu_count() or 1))
        self._under_way: list[Future[object]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        while not all(future.done() for future in self._under_way):
            end_clients()
            wait(self._under_way, _ENDING)

    def each(self, does: Callable[[T], R], of: Iterable[T]) -> Iterator[R]:
        """The results as they come."""
        futures = [self._pool.submit(does, one) for one in of]
        self._under_way = list(futures)  # type: ignore[arg-type]
        for future in as_completed(futures):
            yield future.result()
