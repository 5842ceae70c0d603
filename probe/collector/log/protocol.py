"""The log as its users see it. Two implementations: SQLite, embedded; NATS JetStream, for a cluster."""

from typing import Protocol

from probe.collector.log.entry import Entry


class Log(Protocol):
    """Append only. Positions grow by the order of arrival and never start anew; some may be missing (what was erased).

    A report may be in it twice (a cluster forgets ids after a while): readers count one (probe, report_id) once.
    """

    async def append(self, entry: Entry) -> int:
        """Durable on return. The position given, or the one that this report of this probe has already.

        Raises LogUnavailable where nothing was kept."""
        ...

    async def read(self, after: int, limit: int) -> list[Entry]:
        """At most `limit` entries behind the position `after`, in order; fewer where they are large; none at the end.

        Raises LogDamaged where the stored bytes are broken."""
        ...

    async def remember(self, reader: str, position: int) -> None:
        """Keep how far this reader came. Durable on return."""
        ...

    async def remembered(self, reader: str) -> int:
        """Where to read on: 0 for a reader that never remembered anything."""
        ...

    async def aclose(self) -> None:
        """Whatever was appended is durable by then."""
        ...
