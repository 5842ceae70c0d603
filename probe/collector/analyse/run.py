"""The analysis process: follows the log, publishes expectations, forgets what is to be forgotten."""

import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import trio

from probe.catalogue.model import CatalogueError
from probe.clock import Clock
from probe.collector.accounts import Accounts, AccountsFault
from probe.collector.analyse.analysis import Analysis
from probe.collector.analyse.event_time import milliseconds
from probe.collector.analyse.follower import Follower
from probe.collector.analyse.handover import Detector, Handover
from probe.collector.analyse.journal import JOURNAL, Journal
from probe.collector.analyse.publishing import Publisher
from probe.collector.analyse.rules import lease_opener, published_rules
from probe.collector.analyse.schema import ViewsError, current_views
from probe.collector.analyse.whereabouts import Locator
from probe.collector.complaints import Complaints
from probe.collector.config_form import CollectorConfig
from probe.collector.documents import Documents, DocumentsFault
from probe.collector.keys import online_key
from probe.collector.log import LogUnavailable
from probe.collector.log.sqlite import SqliteLog
from probe.collector.replay import READY, alone, take_up
from probe.collector.retention import Keep, erase, prune

_LOG = logging.getLogger(__name__)
_LOOK = 5.0  # seconds between two looks for what others changed
_PRUNE = 3600.0
_PAUSE = 5.0  # seconds before analysis is begun anew
_OF_FILES = (LogUnavailable, DocumentsFault, AccountsFault, ViewsError, sqlite3.OperationalError)
_OF_DISK = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY})

MakeDetector = Callable[[Analysis, Journal], Detector]


async def run(config: CollectorConfig, clock: Clock, make_detector: MakeDetector | None = None) -> None:
    """Until cancelled. Raises CatalogueError, DocumentsFault, ViewsError, LogDamaged where it cannot begin. A disk that
    is full later is waited for, and then begun anew from what is written: the pages of this process go on meanwhile."""
    complaints = Complaints(_LOG, "analysis goes on")
    began = False
    while True:
        try:
            async with _parts(config, clock, make_detector) as worker, trio.open_nursery() as nursery:
                began = True
                worker.follower.heard = lambda _: complaints.end()
                nursery.start_soon(worker.follower.run)
                nursery.start_soon(worker.look_around)
                nursery.start_soon(worker.prune)
        except (BaseExceptionGroup, *_OF_FILES) as fault:
            if not (began and _may_pass(fault)):
                raise
            complaints.begin(f"analysis waits for the disk: {_first(fault)}")
        await trio.sleep(_PAUSE)


def _may_pass(fault: BaseException) -> bool:
    if isinstance(fault, BaseExceptionGroup):
        return all(map(_may_pass, fault.exceptions))
    if isinstance(fault, sqlite3.OperationalError):
        return getattr(fault, "sqlite_errorcode", 0) & 0xFF in _OF_DISK
    return isinstance(fault, _OF_FILES)


def _first(fault: BaseException) -> BaseException:
    return _first(fault.exceptions[0]) if isinstance(fault, BaseExceptionGroup) else fault


@asynccontextmanager
async def _parts(config: CollectorConfig, clock: Clock, make_detector: MakeDetector | None) -> AsyncIterator["Worker"]:
    async with AsyncExitStack() as stack:
        if not stack.enter_context(alone(config.state)):
            raise ViewsError(f"{config.state}: another process of this collector analyses already: end it first")
        take_up(config.state)
        documents = Documents.open(config.documents_file)
        stack.callback(documents.close)
        accounts = Accounts.open(config.accounts_file)
        stack.callback(accounts.close)
        log = await SqliteLog.open(config.log_folder, writable=False)
        stack.push_async_callback(log.aclose)
        rules = await trio.to_thread.run_sync(published_rules, config, documents)
        analysis = Analysis(current_views(config.state), rules, Locator(lease_opener(documents)))
        stack.callback(analysis.close)
        handover = None
        if make_detector is not None:
            journal = Journal(config.state / JOURNAL)
            stack.callback(journal.close)
            handover = Handover(lambda: analysis.connection, journal, make_detector(analysis, journal))
        publisher = Publisher(documents, online_key(config))
        yield Worker(config, documents, accounts, publisher, Follower(log, analysis, clock, handover))


class Worker:
    """Everything that touches the views is done in the follower's thread, one thing at a time."""

    def __init__(
        self,
        config: CollectorConfig,
        documents: Documents,
        accounts: Accounts,
        publisher: Publisher,
        follower: Follower,
    ) -> None:
        self._config, self._documents, self._accounts = config, documents, accounts
        self._publisher, self.follower = publisher, follower
        self._catalogue = self._published_catalogue()

    async def look_around(self) -> None:
        """Publish, erase, take up a new catalogue. A fault of others' files is logged, and tried again."""
        while True:
            try:
                await self.look()
            except (CatalogueError, DocumentsFault, AccountsFault) as fault:
                _LOG.warning("%s", fault)
            await trio.sleep(_LOOK)

    async def look(self) -> None:
        follower = self.follower
        await follower.in_thread(lambda: self._publisher.publish(follower.analysis.connection))
        if (self._config.state / READY).exists():
            await follower.in_thread(self._take_up)
        for erasure in self._accounts.erased():
            if follower.analysis.must_erase(erasure.probe, final=erasure.done_at is not None):
                await self._erase(erasure.probe, final=erasure.done_at is not None)
        if self._published_catalogue() != self._catalogue:
            rules = await trio.to_thread.run_sync(published_rules, self._config, self._documents)
            await follower.in_thread(lambda: follower.analysis.judge_by(rules))
            self._catalogue = self._published_catalogue()

    def _take_up(self) -> None:
        """Views that were replayed meanwhile. The old ones are closed first."""
        self.follower.analysis.close()
        take_up(self._config.state)
        self.follower.analysis.reopen(current_views(self._config.state))
        _LOG.info("replayed views are taken up")

    async def _erase(self, probe: str, *, final: bool) -> None:
        analysis = self.follower.analysis
        await self._step_by_step(erase(analysis.connection, probe))
        if self.follower.handover is not None:
            await self._step_by_step(self.follower.handover.forget(probe))
        await self.follower.in_thread(lambda: analysis.erased(probe, final=final))

    async def prune(self) -> None:
        form = self._config.analyse
        keep = Keep(days=form.keep_days, size=form.keep_bytes)
        while True:
            now = milliseconds(self.follower.clock.now())
            await self._step_by_step(prune(self.follower.analysis.connection, keep, now))
            await self.follower.clock.sleep(_PRUNE)

    async def _step_by_step(self, steps: Iterator[int]) -> None:
        """The follower's batches go on in between."""
        while await self.follower.in_thread(lambda: next(steps, None)) is not None:
            pass

    def _published_catalogue(self) -> str | None:
        current = self._documents.current("catalogue")
        return current.version if current else None
