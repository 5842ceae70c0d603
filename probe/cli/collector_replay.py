"""`probe collector replay`: the views made anew from the log."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from probe.cli.collector_accounts import CONFIG
from probe.cli.collector_faults import collector_faults
from probe.cli.faults import Failed

if TYPE_CHECKING:
    from probe.collector.accounts import Accounts
    from probe.collector.config import CollectorConfig

_PATH = click.Path(path_type=Path)


@click.command()
@CONFIG
@click.option("--into", type=_PATH, help="Only write the views into this new file, and use them nowhere.")
@click.option("--compare", is_flag=True, help="Also detect anew on them, and say what the journal says otherwise.")
def replay(path: Path, into: Path | None, *, compare: bool) -> None:
    """Make all views again from the log: sealed days, then live ones.

    The collector may run meanwhile: it goes on with its present views, and takes up the new ones when they are whole.
    The journal of incidents stays as it is, and nobody is notified.

    \b
    Example:
      probe collector replay --config collector.yaml
      probe collector replay --config collector.yaml --into /tmp/again.db
    """
    with collector_faults():
        from probe.collector.analyse.schema import ViewsError
        from probe.collector.config import load_config
        from probe.collector.replay import DRAFT, READY, take_up_if_alone

        config = load_config(path)
        if into is not None and into.exists():
            raise Failed(f"{into}: exists already and is not written over: name another file")
        if into is not None and not into.absolute().parent.is_dir():
            raise Failed(f"{into}: cannot write the views: there is no folder {into.parent}")
        try:
            views = into or config.state / READY
            draft = views.with_name(DRAFT)
            count = _replayed(config, draft)
            said = _compared(config, draft) if compare else []  # before a running analysis takes it up
            draft.replace(views)
            taken_up = into is None and take_up_if_alone(config.state)
        except ViewsError as error:
            raise Failed(str(error)) from None
    where = str(into) if into else "in use now" if taken_up else "taken up by the running collector within seconds"
    click.echo(f"{count} measurements; the new views are {'in ' if into else ''}{where}")
    for line in said:
        click.echo(line)


def _replayed(config: CollectorConfig, draft: Path) -> int:
    import trio

    from probe.collector.accounts import Accounts
    from probe.collector.analyse.rules import lease_opener, published_rules
    from probe.collector.analyse.whereabouts import Locator
    from probe.collector.documents import Documents
    from probe.collector.log.sqlite import SqliteLog
    from probe.collector.replay import replayed

    async def run(documents: Documents, accounts: Accounts) -> int:
        log = await SqliteLog.open(config.log_folder, writable=False)
        try:
            locator = Locator(lease_opener(documents))
            rules = published_rules(config, documents)
            return await replayed(log, draft, rules, locator, erased=accounts.erased_probes, told=_told)
        finally:
            await log.aclose()

    with (
        closing(Documents.open(config.documents_file)) as documents,
        closing(Accounts.open(config.accounts_file)) as accounts,
    ):
        return trio.run(run, documents, accounts)


def _compared(config: CollectorConfig, views: Path) -> list[str]:
    from probe.collector.analyse.journal import JOURNAL
    from probe.collector.compose.compare import compared, sentence
    from probe.collector.compose.run import settings_of

    scratch = views.with_name(f"{views.name}.detected")
    found = compared(config.state / JOURNAL, views, scratch, settings_of(config))
    return [sentence(one) for one in found] or ["incidents: as the journal has them"]


def _told(position: int, measurements: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\rposition {position}: {measurements} measurements ")
        sys.stderr.flush()
