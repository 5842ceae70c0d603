"""The exporter as the daemon uses it: told of each measurement, it answers Prometheus and the owner."""

from collections.abc import Callable, Sequence

import trio

from probe.agent.exporter.connection import Limits
from probe.agent.exporter.guard import Guard
from probe.agent.exporter.messages import Request, Response, line
from probe.agent.exporter.metrics import Metrics
from probe.agent.exporter.prober import Prober
from probe.agent.exporter.routes import Routes
from probe.agent.exporter.server import CannotListen, Server, address_of, listening
from probe.agent.exporter.targets import Targets
from probe.agent.state import AgentState
from probe.catalogue.model import Catalogue
from probe.clock import Clock
from probe.measure.context import Context
from probe.wire.measurement import Measurement
from probe.wire.verdicts import Verdict

__all__ = ["CannotListen", "Exporter", "Limits", "listening"]


class Exporter:
    """`state` gives the agent's snapshot, `context` what `/probe` measures with (None while there is none yet).
    `allow_targets` and `allow_hosts` as in the configuration. Raises CatalogueError for a bad one of the former."""

    def __init__(
        self,
        catalogue: Catalogue,
        state: Callable[[], AgentState],
        context: Callable[[], Context | None],
        clock: Clock,
        *,
        allow_targets: Sequence[str] = (),
        allow_hosts: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> None:
        self._metrics = Metrics(catalogue, state)
        self._state, self._context, self._clock, self._limits = state, context, clock, limits
        self._allow_targets, self._allow_hosts = tuple(allow_targets), tuple(allow_hosts)
        self._targets = Targets(catalogue, self._allow_targets)

    def observe_measurement(self, measurement: Measurement, verdict: Verdict) -> None:
        """Of a round or a re-test. What `/probe` measures is the scraper's, and not counted."""
        self._metrics.observe_measurement(measurement, verdict)

    def use(self, catalogue: Catalogue) -> None:
        """From now on this is the catalogue: what it no longer has loses its series, and is measured no more."""
        self._targets = Targets(catalogue, self._allow_targets)
        self._metrics.bound(catalogue)

    async def serve(
        self,
        listen: str,
        listeners: Sequence[trio.SocketListener],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """`listeners` as `listening(listen)` gives them. Runs until it is cancelled."""
        guard = Guard(address_of(listen)[0], self._allow_hosts)
        async with trio.open_nursery() as nursery:
            prober = Prober(self._context, self._clock, nursery)
            routes = Routes(self._metrics, self._state, lambda: self._targets, prober)

            async def answer(request: Request) -> Response:
                refusal = guard.refusal(request)
                return line(403, refusal) if refusal is not None else await routes.answer(request)

            await Server(answer, self._limits).serve(listeners, task_status=task_status)
