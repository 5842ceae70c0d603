"""What the collector asks to be tested at once: within the catalogue, the owner's platforms, the budget and reason."""

import logging
from collections import deque
from collections.abc import Callable

import msgspec
import trio

from probe.agent.schedule import Planner
from probe.agent.schedule_layout import Visit
from probe.clock import Clock
from probe.wire.reports import Retest

MOST_AN_HOUR = 60
_HOUR = 3600.0
_IDS_KEPT = 1000
_log = logging.getLogger("probe.agent")


class Retests:
    """Each wish once; what cannot be granted is forgotten: the collector asks others, too."""

    def __init__(
        self,
        clock: Clock,
        wishes: trio.MemoryReceiveChannel[Retest],
        planner: Callable[[], Planner],
        want: Callable[[Visit], bool],
    ) -> None:
        self._clock, self._wishes, self._planner, self._want = clock, wishes, planner, want
        self._seen: dict[str, None] = {}
        self._granted: deque[float] = deque()

    async def run(self) -> None:
        async for wish in self._wishes:
            refusal = self._grant(wish)
            if refusal is not None:
                _log.info("a re-test of %s.%s is not made: %s", wish.platform, wish.service, refusal)

    def _grant(self, wish: Retest) -> str | None:
        if wish.id in self._seen:
            return "it was asked for before"
        self._seen[wish.id] = None
        while len(self._seen) > _IDS_KEPT:
            del self._seen[next(iter(self._seen))]
        visit = self._planner().whole(f"{wish.platform}.{wish.service}", wish.id)
        if visit is None:
            return "it is not among what this probe tests"
        if wish.until < self._clock.now():
            return "it comes too late"
        if not self._may_now():
            return f"there were {MOST_AN_HOUR} within an hour"
        return None if self._want(msgspec.structs.replace(visit, until=wish.until)) else "too much waits already"

    def _may_now(self) -> bool:
        now = self._clock.monotonic()
        while self._granted and now - self._granted[0] > _HOUR:
            self._granted.popleft()
        if len(self._granted) >= MOST_AN_HOUR:
            return False
        self._granted.append(now)
        return True
