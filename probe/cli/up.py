"""`probe up`: everything on this machine, in one command."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from pathlib import Path

import click

_PATH = click.Path(path_type=Path)


@click.command(epilog="Examples: probe up, or in a script: probe up --accept-risks --format json")
@click.option("--state", type=_PATH, help="Folder for all that is kept: both configurations, keys, results.")
@click.option("--accept-risks", is_flag=True, help="Agree to what `probe setup --read` shows: for scripts.")
@click.option("--platform", "platforms", metavar="ID", multiple=True, help="Test only this one; may be repeated.")
@click.option("--geo", type=_PATH, multiple=True, help="Table of networks and countries (.mmdb); may be repeated.")
@click.option(
    "--ask-strangers", is_flag=True, help="Let it ask which network this is, by a shortened address, if no table knows."
)
@click.option("--ca-file", type=_PATH, envvar="PROBE_CA_FILE", help="Authorities in place of the public ones (PEM).")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def up(
    *,
    state: Path | None,
    accept_risks: bool,
    platforms: tuple[str, ...],
    geo: tuple[Path, ...],
    ask_strangers: bool,
    ca_file: Path | None,
    form: str,
) -> None:
    """Everything on this machine: a collector, and a probe that reports to it.

    Nothing is sent before you agreed. Pages and metrics are on loopback only, all state is in one folder, and the first
    results show within a minute. Ctrl-C ends it; started again it goes on where it was. What you give here is written
    to the configuration in that folder, and holds from then on.
    """
    from probe.cli.collector_faults import collector_faults
    from probe.cli.owner_faults import owner_faults
    from probe.cli.up_flow import Wanted, run

    wanted = Wanted(
        state=state,
        accept_risks=accept_risks,
        platforms=platforms,
        geo=geo,
        ask_strangers=ask_strangers,
        ca_file=ca_file,
        form=form,
    )
    with owner_faults(), collector_faults():
        run(wanted)
