"""`probe collector publish|backup|restore`."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import click

from probe.cli.collector_accounts import CONFIG
from probe.cli.collector_faults import collector_faults
from probe.cli.faults import read_file

_PATH = click.Path(path_type=Path)


@click.command()
@CONFIG
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_PATH)
def publish(path: Path, files: tuple[Path, ...]) -> None:
    """Publish what was signed with the catalogue key elsewhere: a catalogue, or a key document.

    \b
    Example:
      probe collector publish --config collector.yaml catalogue.signed.json
    """
    raws = [(file, read_file(file, "a signed document")) for file in files]
    with collector_faults():
        from probe.clock import clock_from
        from probe.collector.config import load_config
        from probe.collector.documents import Documents
        from probe.collector.keys import publish_signed

        config = load_config(path)
        with closing(Documents.open(config.documents_file)) as documents:
            for file, raw in raws:
                kind = publish_signed(documents, raw, str(file), clock_from(os.environ.get("PROBE_CLOCK")).now())
                click.echo(f"{file}: published as {kind}")


@click.command()
@CONFIG
@click.argument("target", type=_PATH)
def backup(path: Path, target: Path) -> None:
    """Copy log, accounts, documents and the online key into the new folder TARGET, while the collector runs.

    Views are not in it: after `probe collector restore`, `probe collector replay` makes them again.

    \b
    Example:
      probe collector backup --config collector.yaml /backup/2026-11-22
    """
    with collector_faults():
        from probe.collector.backup import back_up
        from probe.collector.config import load_config

        manifest = back_up(load_config(path), target)
    click.echo(f"{target}: {len(manifest.files)} files, the log up to position {manifest.last_position}")


@click.command()
@CONFIG
@click.argument("source", type=_PATH)
def restore(path: Path, source: Path) -> None:
    """Copy a backup into the configured state folder, which must hold no collector yet.

    Then `probe collector replay` makes the views, which no backup holds.

    \b
    Example:
      probe collector restore --config collector.yaml /backup/2026-11-22
    """
    with collector_faults():
        from probe.collector.backup import restore as restored
        from probe.collector.config import load_config

        config = load_config(path)
        manifest = restored(config, source)
    click.echo(f"{config.state}: restored, the log up to position {manifest.last_position}")
    click.echo(f"Next: probe collector replay --config {path}   (makes the views)")
    click.echo(f"      probe collector serve --config {path}")
