"""`probe setup`: consent, then configuration, then the service."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from pathlib import Path

import click

_PATH = click.Path(path_type=Path)


@click.command(
    epilog="Examples: probe setup --invitation 'https://collector.example/invite#CODE.KEY', or alone: probe setup"
)
@click.option("--invitation", metavar="URL", help="Of a collector, in quotes; without one results stay here.")
@click.option("--config", "file", type=_PATH, help="Configuration to write, or to keep to where it is there.")
@click.option("--state", type=_PATH, help="Folder for consent, token and results that wait.")
@click.option("--platform", "platforms", metavar="ID", multiple=True, help="Test only this one; may be repeated.")
@click.option("--proxy", metavar="URL", help="The way to the collector: socks5://127.0.0.1:9050 is Tor's.")
@click.option("--ca-file", type=_PATH, envvar="PROBE_CA_FILE", help="Authorities in place of the public ones (PEM).")
@click.option("--country", metavar="CC", help="Where this is, in two letters, for a note on the risk; not kept.")
@click.option("--accept-risks", is_flag=True, help="Agree to the text without being asked: for scripts.")
@click.option("--read", "only_read", is_flag=True, help="Show what is to be agreed to, and do nothing.")
@click.option("--service/--no-service", default=None, help="Install the systemd unit, or leave it; asked by default.")
def setup(
    *,
    invitation: str | None,
    file: Path | None,
    state: Path | None,
    platforms: tuple[str, ...],
    proxy: str | None,
    ca_file: Path | None,
    country: str | None,
    accept_risks: bool,
    only_read: bool,
    service: bool | None,
) -> None:
    """Set up this machine's probe: what it does and risks, your consent, its configuration.

    Nothing is sent before you agreed. Run again, it keeps what is there and does what is missing; where the text has
    changed it asks anew.
    """
    from probe.cli.owner_faults import owner_faults
    from probe.cli.setup_flow import Setup, Wanted

    wanted = Wanted(
        invitation=invitation,
        file=file,
        state=state,
        platforms=platforms,
        proxy=proxy,
        ca_file=ca_file,
        country=country,
        accept_risks=accept_risks,
        service=service,
    )
    with owner_faults():
        flow = Setup(wanted)
        if only_read:
            flow.read()
        else:
            flow.run()
