"""Keeping the daemon's parts going: one that fails is started again, and the others do not notice."""

import logging
from collections.abc import Awaitable, Callable

from probe.clock import Clock
from probe.wire.addresses import scrub

_FIRST, _LONGEST = 1.0, 300.0  # seconds before a part is started again
_HEALTHY = 600.0  # seconds after which an earlier failure is forgotten
_log = logging.getLogger("probe.agent")


class Supervisor:
    """`restarts` counts them by part."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.restarts: dict[str, int] = {}

    async def keep(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        """Returns when the part does. What it raises is one line in the log, and a while later it is started again."""
        pause = _FIRST
        while True:
            began = self._clock.monotonic()
            try:
                return await part()
            except Exception as fault:
                pause = _FIRST if self._clock.monotonic() - began > _HEALTHY else pause
                _log.error("%s failed, starts again in %.0f s: %s", name, pause, told(fault))
                _log.debug("%s failed", name, exc_info=True)
            self.restarts[name] = self.restarts.get(name, 0) + 1
            await self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST)


def told(fault: BaseException) -> str:
    """What went wrong, in one line without addresses; of a group, its first."""
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    text = " ".join(scrub(str(fault)).split())
    return f"{type(fault).__name__}: {text}" if text else type(fault).__name__
