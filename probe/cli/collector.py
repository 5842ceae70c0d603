"""`probe collector`: set one up and run it."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from probe.cli.collector_accounts import invite, probes, revoke
from probe.cli.collector_backup import backup, publish, restore
from probe.cli.collector_export import export
from probe.cli.collector_faults import collector_faults
from probe.cli.collector_replay import replay
from probe.cli.collector_token import token

if TYPE_CHECKING:
    from probe.clock import Clock
    from probe.collector.config import CollectorConfig

_PATH = click.Path(path_type=Path)
_ROLES = ("all", "ingest", "analyse", "web")


@click.group()
def collector() -> None:
    """The collector: takes reports of probes, shows what they see.

    \b
    Example:
      probe collector init collector.yaml --catalogue-key /media/usb/catalogue.pem
      probe collector serve --config collector.yaml
    """


for _command in (invite, token, probes, revoke, publish, export, replay, backup, restore):
    collector.add_command(_command)


@collector.command()
@click.argument("config", type=_PATH)
@click.option("--catalogue-key", type=_PATH, required=True, help="Where the catalogue key is, or is to be made.")
@click.option("--state", type=_PATH, help="State folder, where the configuration is to be written first.")
@click.option("--url", help="What probes and people reach the collector by, for a configuration to be written.")
def init(config: Path, catalogue_key: Path, state: Path | None, url: str | None) -> None:
    """Make both keys and sign catalogue and key document; later: sign them again with fresh dates.

    CONFIG is written where it does not exist. The catalogue key says what probes may be asked to contact: keep it
    offline, a copy in a second place. The collector itself runs without it.

    \b
    Example:
      probe collector init collector.yaml --catalogue-key /media/usb/catalogue.pem --url https://collector.example
    """
    from probe.cli.collector_init import first_configuration, keep_the_key

    with collector_faults():
        from probe.collector.config import load_config
        from probe.collector.keys import found, has_a_place

        has_a_place(catalogue_key)
        first_configuration(config, state, url)
        loaded = load_config(config)
        is_new = not catalogue_key.exists()
        name = found(loaded, catalogue_key, _clock().now())
    click.echo(keep_the_key(catalogue_key, name, loaded, is_new=is_new))


@collector.command()
@click.option("--config", "path", type=_PATH, required=True, help="The collector's configuration.")
@click.option(
    "--role", "roles", type=click.Choice(_ROLES), multiple=True, default=("all",), help="What this process does."
)
def serve(path: Path, roles: tuple[str, ...]) -> None:
    """Run the collector until it is told to stop. SIGHUP reads the configuration anew.

    With the role all, the default, ingest runs in a process of its own, so that no page delays a report. Alone, ingest
    answers only what probes ask, and web opens the configured port itself.

    \b
    Example:
      probe collector serve --config collector.yaml
      probe collector serve --config collector.yaml --role ingest
    """
    with collector_faults():
        from probe.collector.config import load_config

        config = load_config(path)
        if "all" in roles:
            _serve_all(config)
        else:
            _serve_roles(config, frozenset(roles))


def _serve_all(config: CollectorConfig) -> None:
    import trio

    from probe.cli.collector_control import controls
    from probe.cli.faults import Failed, Fault
    from probe.collector.keys import online_key
    from probe.collector.supervise import Stopped, supervise

    online_key(config)
    _check_tables(config)
    more = controls(config, _clock().now())
    where = ", ".join(map(str, config.listen))

    def announce() -> None:
        click.echo(f"listening on {where}; reached by {config.url}", err=True)
        _warn_without_tables(config)

    try:
        trio.run(
            lambda: supervise(
                config,
                options=_logging_options(),
                more=more,
                announce=announce,
            )
        )
    except Stopped as stopped:
        raise (Fault if stopped.status == Fault.exit_code else Failed)(str(stopped)) from None


def _check_tables(config: CollectorConfig) -> None:
    """Before a port is open. Raises GeoError."""
    from probe.catalogue.geo import GeoTables

    GeoTables.open(config.geo).close()


def _warn_without_tables(config: CollectorConfig) -> None:
    if not config.geo:
        click.echo(
            f"{config.file}: no table in geo: networks are only claimed by probes, and no incident can be confirmed",
            err=True,
        )


def _serve_roles(config: CollectorConfig, roles: frozenset[str]) -> None:
    import trio

    from probe.collector.keys import online_key
    from probe.collector.serve import SUPERVISED, ingest, views

    clock, alone = _clock(), not os.environ.get(SUPERVISED)
    if "ingest" in roles and len(roles) > 1:
        from probe.cli.faults import Fault

        raise Fault("--role ingest stands alone: it is a process of its own; --role all runs everything")
    if "ingest" in roles:
        if alone:
            online_key(config)
            _check_tables(config)
            _warn_without_tables(config)
        trio.run(lambda: ingest(config, clock, relayed=not alone))
    else:
        trio.run(lambda: views(config, clock, analyse="analyse" in roles, web="web" in roles, alone=alone))


def _clock() -> Clock:
    from probe.clock import clock_from

    return clock_from(os.environ.get("PROBE_CLOCK"))


def _logging_options() -> list[str]:
    """As this command was called with, for the processes that it starts."""
    context = click.get_current_context().find_root()
    form, level = (context.params.get(name) for name in ("log_format", "log_level"))
    return ["--log-format", form or "console", "--log-level", level or "warning"]
