"""`probe collector export`: measurements for researchers."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from __future__ import annotations

import os
import sys
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from probe.cli.collector_accounts import CONFIG
from probe.cli.collector_faults import collector_faults
from probe.cli.countries import country_code
from probe.cli.faults import Failed, Fault

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from probe.collector.config import CollectorConfig
    from probe.collector.export import Selecting, Selection

_PATH = click.Path(path_type=Path)
_TIME = click.DateTime(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"])
_OUTCOMES = ("ok", "blocked", "degraded", "down", "inconclusive", "void")


@click.command()
@CONFIG
@click.option("--format", "form", type=click.Choice(["ooni", "parquet", "csv"]), required=True)
@click.option("--output", type=_PATH, help="A file, or a folder with --archive; else standard output.")
@click.option("--archive", is_flag=True, help="Parquet with the whole record of each, a file a day and country.")
@click.option("--from", "since", type=_TIME, metavar="TIME", help="UTC: 2026-11-22 or 2026-11-22T06:00:00Z.")
@click.option("--to", "until", type=_TIME, metavar="TIME", help="UTC; that moment is not in it.")
@click.option("--country", metavar="XX", callback=country_code, help="Two letters, such as TR.")
@click.option("--asn", type=click.IntRange(1, 4294967295))
@click.option("--platform")
@click.option("--service")
@click.option("--outcome", type=click.Choice(_OUTCOMES))
@click.option("--public", is_flag=True, help="Only what may be given to everybody: see above.")
def export(*, path: Path, form: str, output: Path | None, archive: bool, public: bool, **filters: Any) -> None:
    """Write measurements for researchers: in OONI's format, as Parquet or as CSV.

    Probes have another name every day. With --public the last 24 hours, networks with fewer than three probes and the
    addresses of the probes' own resolvers are left out as well.

    \b
    Example:
      probe collector export --config collector.yaml --format ooni --country TR --output turkey.jsonl
      probe collector export --config collector.yaml --format parquet --archive --public --output archive/
    """
    if archive and (form != "parquet" or output is None):
        raise Fault("--archive goes with --format parquet and a folder as --output")
    if form == "parquet":
        _needs_pyarrow()
    with collector_faults():
        from probe.collector.analyse.schema import ViewsError
        from probe.collector.config import load_config

        config = load_config(path)
        try:
            count = _exported(config, form, output, archive=archive, selection=_selection(config, filters, public))
        except ViewsError as error:
            raise Failed(str(error)) from None
    click.echo(f"{count} measurement{'' if count == 1 else 's'} exported", err=True)


def _needs_pyarrow() -> None:
    try:
        import pyarrow  # type: ignore[import-untyped]  # noqa: F401
    except ImportError:
        raise Fault(
            "--format parquet needs pyarrow, which is missing: in the project's folder, "
            "`.venv/bin/pip install '.[archive]'`"
        ) from None


def _selection(config: CollectorConfig, filters: dict[str, Any], public: bool) -> Selection:
    from probe.collector.accounts import Accounts
    from probe.collector.export import Selection

    since, until = _milliseconds(filters.pop("since")), _milliseconds(filters.pop("until"))
    with closing(Accounts.open(config.accounts_file)) as accounts:
        erased = accounts.erased_probes()
    agreed = frozenset(config.web.agreed)
    return Selection(**filters, since=since, until=until, public=public, agreed=agreed, erased=erased)


def _milliseconds(moment: dt.datetime | None) -> int | None:
    import datetime as dt

    return None if moment is None else round(moment.replace(tzinfo=dt.UTC).timestamp() * 1000)


def _exported(config: CollectorConfig, form: str, output: Path | None, *, archive: bool, selection: Selection) -> int:
    from probe.clock import clock_from
    from probe.collector.analyse.crowds import Names
    from probe.collector.analyse.event_time import milliseconds
    from probe.collector.analyse.schema import current_views, read_views
    from probe.collector.export import Selecting
    from probe.collector.web.application import names_file

    now = milliseconds(clock_from(os.environ.get("PROBE_CLOCK")).now())
    with closing(read_views(current_views(config.state))) as views:
        views.execute("BEGIN")  # one moment's views, however long it takes
        selecting = Selecting(views, selection, Names.kept(names_file(config)), now)
        if archive and output is not None:
            return _archived(config, selecting, output, public=selection.public)
        with _out(output) as out:
            if form == "ooni":
                return _ooni(config, selecting, out, public=selection.public)
            return _table(form, selecting, out)


def _table(form: str, selecting: Selecting, out: BinaryIO) -> int:
    import io

    from probe.collector.export_csv import write_csv

    if form == "parquet":
        from probe.collector.export_table import write_parquet

        return write_parquet(selecting.rows(), out)
    text = io.TextIOWrapper(out, encoding="utf-8", newline="")
    try:
        return write_csv(selecting.rows(), text)
    finally:
        text.flush()
        text.detach()


def _archived(config: CollectorConfig, selecting: Selecting, folder: Path, *, public: bool) -> int:
    import trio

    from probe.collector.archive import archived
    from probe.collector.log.sqlite import SqliteLog

    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)

    async def run() -> int:
        async with AsyncExitStack() as stack:
            log = await SqliteLog.open(config.log_folder, writable=False)
            stack.push_async_callback(log.aclose)
            return await archived(selecting.exported(log), folder, public=public)

    return trio.run(run)


def _ooni(config: CollectorConfig, selecting: Selecting, out: BinaryIO, *, public: bool) -> int:
    import trio

    from probe.collector.export_ooni import ooni_lines
    from probe.collector.log.sqlite import SqliteLog

    async def run() -> int:
        count = 0
        async with AsyncExitStack() as stack:
            log = await SqliteLog.open(config.log_folder, writable=False)
            stack.push_async_callback(log.aclose)
            async for report in selecting.exported(log):
                for line in ooni_lines(report, selecting.expectations, public=public):
                    out.write(line + b"\n")
                count += len(report)
        return count

    return trio.run(run)


@contextmanager
def _out(output: Path | None) -> Iterator[BinaryIO]:
    """A file appears under its name once it is whole."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    draft = output.with_name(f".{output.name}.new")
    with _writing(output):
        file = draft.open("wb")
    try:
        with file:
            yield file
        with _writing(output):
            draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failed(f"{output}: cannot write the export: {error.strerror or error}") from None
