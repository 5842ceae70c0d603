"""`probe run`: the volunteer's daemon."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from probe.cli.faults import Failed, Fault

if TYPE_CHECKING:
    from probe.agent.config_model import AgentConfig


@click.command(epilog="Example: probe run --config /etc/probe/probe.yaml")
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help="The configuration, written by `probe setup`; its usual place where none is named.",
)
def run(path: Path | None) -> None:
    """Measure in rounds, for as long as it runs, and report to the collector where there is one.

    Needs the consent that `probe setup` records. SIGTERM ends it within seconds, SIGHUP has it read its configuration
    again. What it sees: `probe status`.
    """
    import os  # noqa: PLC0415 (`--help` stays fast)
    import sys  # noqa: PLC0415

    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # its command line: 4.5 MiB for nobody
    import trio  # noqa: PLC0415

    from probe.agent.client_faults import UnusableSetting  # noqa: PLC0415
    from probe.agent.config import ConfigError, default_config_path  # noqa: PLC0415
    from probe.agent.consent import ConsentError  # noqa: PLC0415
    from probe.agent.daemon import Daemon  # noqa: PLC0415
    from probe.agent.durable import StateError  # noqa: PLC0415
    from probe.agent.exporter.exporter import CannotListen  # noqa: PLC0415
    from probe.agent.spool_file import SpoolUnavailable  # noqa: PLC0415
    from probe.catalogue.model import CatalogueError  # noqa: PLC0415
    from probe.clock import clock_from  # noqa: PLC0415

    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs the address of every request
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    file = path or default_config_path()
    daemon = Daemon(file, _loaded, clock_from(os.environ.get("PROBE_CLOCK")))
    wrong = (ConfigError, ConsentError, UnusableSetting, CatalogueError)
    failed = (StateError, SpoolUnavailable, CannotListen)
    try:
        trio.run(daemon.run)
    except (*wrong, *failed, BaseExceptionGroup) as raised:
        fault = _only(raised)
        if not isinstance(fault, (*wrong, *failed)):
            raise
        where = f" under metrics.listen in {file}" if isinstance(fault, CannotListen) else ""
        raise (Fault if isinstance(fault, wrong) else Failed)(f"{fault}{where}") from raised


def _only(raised: BaseException) -> BaseException:
    """What a group holds, where that is one thing."""
    while isinstance(raised, BaseExceptionGroup) and len(raised.exceptions) == 1:
        raised = raised.exceptions[0]
    return raised


def _loaded(path: Path) -> "AgentConfig":
    """The configuration, with the files that it names and nobody else would look at before the first round. The
    environment's authorities hold where it names none."""
    import os  # noqa: PLC0415

    import msgspec  # noqa: PLC0415

    from probe.agent.config import ConfigError, load_config  # noqa: PLC0415
    from probe.net.tls import Roots, RootsError  # noqa: PLC0415

    config = load_config(path)
    if config.ca_file is None and (named := os.environ.get("PROBE_CA_FILE")):
        config = msgspec.structs.replace(config, ca_file=Path(named))
    try:
        Roots.load(config.ca_file)
    except RootsError as error:
        raise ConfigError(f"{path}: ca_file: {error}") from None
    return config
