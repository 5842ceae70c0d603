"""What the pages and the API are made of, opened and closed by whoever runs the process."""

from collections.abc import Awaitable, Callable

import msgspec

from probe.clock import Clock
from probe.collector.analyse.crowds import Names
from probe.collector.analyse.event_time import milliseconds
from probe.collector.analyse.knowledge import Rules
from probe.collector.log.protocol import Log
from probe.collector.web.access import Access
from probe.collector.web.incidents import Incidents, NoIncidents
from probe.collector.web.reading import Reading

IngestText = Callable[[str], Awaitable[bytes]]  # the ingest process's metrics, for an Accept header


async def _no_text(accept: str) -> bytes:  # noqa: ARG001
    return b""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """`agreed` are the ASNs whose volunteers agreed to be seen though they are few."""

    reading: Reading
    access: Access
    log: Log
    rules: Rules
    names: Names
    clock: Clock
    agreed: frozenset[int] = frozenset()
    incidents: Incidents = NoIncidents()
    ingest: IngestText = _no_text

    def now(self) -> int:
        return milliseconds(self.clock.now())
