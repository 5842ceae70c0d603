"""The log of reports: the truth that every view is computed from.

Ingest appends and acknowledges once the bytes are durable. Everything else reads from a position, remembers how far it
came, and can be thrown away and made again. `SqliteLog` is in `probe.collector.log.sqlite`.
"""

from probe.collector.log.entry import Entry, LogDamaged, LogUnavailable, Origin, packed
from probe.collector.log.protocol import Log

__all__ = ["Entry", "Log", "LogDamaged", "LogUnavailable", "Origin", "packed"]
