"""Detection beside analysis: the composer for ticks, the channels for what it decides, its incidents for the web."""

import datetime as dt
import hashlib
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial

import trio

from probe.clock import Clock
from probe.collector.analyse.analysis import Analysis
from probe.collector.analyse.crowds import Names
from probe.collector.analyse.journal import JOURNAL, Journal
from probe.collector.analyse.rules import published_rules
from probe.collector.compose.api_form import members_of
from probe.collector.compose.composer import Ask, Composer
from probe.collector.compose.notices import Wording
from probe.collector.compose.present import Present
from probe.collector.compose.shown import JournalIncidents
from probe.collector.config_form import CollectorConfig
from probe.collector.documents import Documents, DocumentsFault
from probe.collector.web.application import names_file
from probe.detect.records import Retest as Wanted
from probe.detect.settings import Settings
from probe.notify.deliver import Delivery
from probe.notify.notice import Notice, Phase
from probe.notify.outbox import Outbox
from probe.wire.reports import Retest

_LOOK = 1.0  # seconds between two looks for notices, which another thread may have posted
_BUSY = 30.0  # seconds that a write waits for the other writer of the file
_HOLDS = dt.timedelta(minutes=10)  # a re-test that came later would be the next round's
_EVIDENCE = -1  # no day: what a steward is called in evidence does not change
_LOG = logging.getLogger(__name__)


def maker(config: CollectorConfig, documents: Documents, clock: Clock) -> Callable[[Analysis, Journal], Composer]:
    """Makes the composer in the process that analyses, which has `documents` to itself. Raises CatalogueError."""
    wording, settings = wording_of(config, documents), settings_of(config)
    names = Names.kept(names_file(config))

    def make(_: Analysis, journal: Journal) -> Composer:
        ask = asking(documents, clock)
        veil = partial(names.of_day, day=_EVIDENCE)
        return Composer(journal.connection, settings, wording, config.notify, ask, veil=veil)

    return make


def settings_of(config: CollectorConfig) -> Settings:
    return Settings(false_alarms_per_year=config.detect.false_alarms_per_year)


def wording_of(config: CollectorConfig, documents: Documents) -> Wording:
    """Raises CatalogueError."""
    rules = published_rules(config, documents)
    platforms = {platform.id: platform.name for platform in rules.catalogue.platforms}
    return Wording(platforms=platforms, networks=rules.tables.networks, zones=rules.tables.zones, url=config.url)


def asking(documents: Documents, clock: Clock) -> Ask:
    """Puts a re-test on the desk. A desk that cannot be written to is no reason not to raise an alarm."""

    def ask(wanted: Wanted) -> None:
        try:
            documents.ask(_retest(wanted, clock.now()), wanted.probes)
        except DocumentsFault as fault:
            _LOG.warning("a re-test was not handed out: %s", fault)

    return ask


async def deliver(config: CollectorConfig, clock: Clock) -> None:
    """Until cancelled. Raises CatalogueError, DocumentsFault."""
    wording = await trio.to_thread.run_sync(_opened_wording, config)
    database = sqlite3.connect(config.state / JOURNAL, isolation_level=None, timeout=_BUSY, check_same_thread=False)
    try:
        delivery = Delivery(Outbox(database), config.notify, clock, lambda: lasting(database, wording))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(delivery.run)
            while True:
                await trio.sleep(_LOOK)
                delivery.wake()
    finally:
        database.close()


def lasting(database: sqlite3.Connection, wording: Wording) -> list[Notice]:
    """Of each incident that is confirmed and lasts, as it stands now. None where nothing was ever composed."""
    if not database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'restrictions'").fetchone():
        return []
    present = Present(database)
    return [
        wording.notice(one, Phase.FIRING, members_of(one, present.restriction), id=one.id) for one in present.lasting()
    ]


def shown(config: CollectorConfig) -> JournalIncidents:
    """Raises CatalogueError, DocumentsFault."""
    return JournalIncidents(config.state / JOURNAL, _opened_wording(config))


def _opened_wording(config: CollectorConfig) -> Wording:
    with closing(Documents.open(config.documents_file)) as documents:
        return wording_of(config, documents)


def _retest(wanted: Wanted, now: dt.datetime) -> Retest:
    """Asked once for the same doubt: its name is that of the cell and of the failure that raised it."""
    cell = wanted.cell
    doubt = f"{cell.country}/{cell.asn}/{cell.platform}/{cell.service}/{wanted.since}"
    name = hashlib.sha256(doubt.encode()).hexdigest()[:32]
    return Retest(id=name, platform=cell.platform, service=cell.service, until=now + _HOLDS)
