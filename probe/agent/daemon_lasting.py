"""What goes on through a change of configuration, and most of it through a restart: what was learnt, spent and kept."""

import hashlib
import logging
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec
import trio

from probe.agent.budget import Budget, read_kept
from probe.agent.budget_costs import Costs
from probe.agent.config_model import AgentConfig
from probe.agent.durable import StateError, write_durably
from probe.agent.rounds_votes import Wording
from probe.agent.schedule_memory import Memory
from probe.agent.sdnotify import Notifier
from probe.agent.spool import Spool
from probe.agent.supervise import Supervisor
from probe.agent.watch import LoopLag
from probe.clock import Clock, SystemClock

_SPOOL, _BUDGET, _MEMORY = "spool.db", "budget.json", "memory.json"
BOOT = Path("/proc/sys/kernel/random/boot_id")  # of Linux, where the machine's monotonic clock outlives a process
_log = logging.getLogger("probe.agent")


def session_of(clock: Clock) -> str:
    """Names the run of the monotonic clock: the same for two processes that may compare its values, which are those
    between two starts of one machine."""
    if isinstance(clock, SystemClock):
        try:
            return hashlib.sha256(BOOT.read_bytes()).hexdigest()[:16]
        except OSError:
            pass
    return secrets.token_hex(8)


class Lasting:
    """Blocks while it is made. Raises SpoolUnavailable."""

    def __init__(self, config: AgentConfig, clock: Clock) -> None:
        self.clock, self.state = clock, config.state
        self.spool_thread = trio.CapacityLimiter(1)
        self._session = session_of(clock)
        self.spool = self._opened(config)
        self.budget = Budget(config.budget, clock, config.state / _BUDGET)
        self.memory = read_kept(config.state / _MEMORY, Memory) or Memory()
        self.costs, self.wording = Costs(), Wording()
        self.lag, self.supervisor, self.notifier = LoopLag(), Supervisor(clock), Notifier()
        self._limits = (config.spool, config.budget)
        self._unsaved: str | None = None

    def adopt(self, config: AgentConfig) -> None:
        """Other limits. Blocks; raises SpoolUnavailable."""
        if config.spool != self._limits[0]:
            self.spool.close()
            self.spool = self._opened(config)
        if config.budget != self._limits[1]:
            self.budget.resize(config.budget)
        self._limits = (config.spool, config.budget)

    async def remember(self, ahead: float = 0.0) -> None:
        """Writes down what a restart must not forget; `ahead` in bytes is as good as spent. A disk that does not take
        it is told once."""
        memory = msgspec.json.encode(self.memory)
        parts: tuple[Callable[[], None], ...] = (
            lambda: self.budget.save(ahead),
            lambda: write_durably(self.state / _MEMORY, memory),
        )
        try:
            for part in parts:
                await trio.to_thread.run_sync(part)
        except StateError as fault:
            if self._unsaved is None:
                _log.error("what was learnt is not written down: %s", fault)
            self._unsaved = str(fault)
        else:
            self._unsaved = None

    def close(self) -> None:
        self.spool.close()

    def _opened(self, config: AgentConfig) -> Spool:
        return Spool.open(config.state / _SPOOL, config.spool, session=self._session)
