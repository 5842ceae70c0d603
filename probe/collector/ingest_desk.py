"""What lies ready for probes in the ingest process: documents and re-tests, as other processes last changed them."""

import logging

import trio

from probe.clock import Clock
from probe.collector.complaints import Complaints
from probe.collector.documents import KINDS, Document, Documents, DocumentsFault, Kind
from probe.wire.reports import Retest

_LOOK = 0.25  # seconds between two looks at whether anything changed: one integer out of shared memory
_TIDY = 3600.0  # seconds between two removals of what has passed
_LOGGER = logging.getLogger(__name__)


class Desk:
    def __init__(self, documents: Documents, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock
        self._current: dict[Kind, Document | None] = {}
        self._retests: dict[str, tuple[Retest, ...]] = {}
        self._changed = trio.Event()
        self._seen = -1

    def document(self, kind: Kind) -> Document | None:
        return self._current.get(kind)

    def version(self, kind: Kind) -> str | None:
        document = self._current.get(kind)
        return document.version if document else None

    def retests(self, probe: str) -> tuple[Retest, ...]:
        wanted = self._retests.get(probe)
        if not wanted:
            return ()
        now = self._clock.now()
        return tuple(retest for retest in wanted if retest.until > now)

    async def changed(self) -> None:
        """Return once anything on the desk is another than now."""
        await self._changed.wait()

    def look(self) -> None:
        """Raises DocumentsFault."""
        seen = self._documents.changes()
        if seen != self._seen:
            self._current = {kind: self._documents.current(kind) for kind in KINDS}
            self._retests = self._documents.retests(self._clock.now())
            self._seen = seen
            self._changed.set()
            self._changed = trio.Event()

    async def keep_looking(self) -> None:
        complaints = Complaints(_LOGGER, "the documents can be read again")
        tidy_at = self._clock.monotonic() + _TIDY
        while True:
            try:
                self.look()
                if self._clock.monotonic() >= tidy_at:
                    tidy_at += _TIDY
                    await trio.to_thread.run_sync(self._documents.forget_passed, self._clock.now())
            except DocumentsFault as fault:
                complaints.begin(str(fault))
            else:
                complaints.end()
            await trio.sleep(_LOOK)
