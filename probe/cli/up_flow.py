"""The steps of `probe up`: each finds out whether it was done before, and nothing runs before all of them are."""

import logging
import os
import socket
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import click
import msgspec
import trio

from probe.agent.config import AgentConfig
from probe.agent.config_file import Value
from probe.agent.daemon_lock import locked
from probe.agent.exporter.server import address_of
from probe.cli.collector_control import controls
from probe.cli.faults import Failed, Fault
from probe.cli.up_accounts import enrolled, published
from probe.cli.up_consent import agree
from probe.cli.up_home import Home, home_in
from probe.cli.up_looking import Looking
from probe.cli.up_running import run_all
from probe.cli.up_view import Links, Shown, view_of
from probe.clock import clock_from
from probe.collector.config import CollectorConfig
from probe.collector.supervise import Role, Stopped

_STEWARD = "the owner of this machine"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What was given on the command line."""

    state: Path | None = None
    accept_risks: bool = False
    platforms: tuple[str, ...] = ()
    geo: tuple[Path, ...] = ()
    ask_strangers: bool = False
    ca_file: Path | None = None
    form: str = "table"


def run(wanted: Wanted) -> None:
    """Until a signal ends it."""
    if os.name != "posix":
        raise Fault("`probe up` needs Linux or macOS: elsewhere use `probe setup` and `probe run`")
    home = home_in(wanted.state)
    home.make()
    with locked(home.folder, "probe up"):
        config, collector, roles = _prepared(home, wanted)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request
        view = view_of(wanted.form, _links(home, config, collector), home.log)
        try:
            _run(home, config, collector, roles, view)
        finally:
            view.end()
    click.echo(f"Stopped. Everything is kept in {home.folder}; `probe up` goes on there.", err=True)


def _prepared(home: Home, wanted: Wanted) -> tuple[AgentConfig, CollectorConfig, tuple[Role, ...]]:
    clock = clock_from(os.environ.get("PROBE_CLOCK"))
    planned, collector = home.probe(_changes(wanted)), home.collector()
    config = planned.config
    _check_ports(home, config, collector)
    agree(config, collector, accept_risks=wanted.accept_risks, clock=clock)
    click.echo("Starting; the first results come within a minute.", err=True)
    planned.write()
    now = clock.now()
    if published(collector, home.catalogue_key, now):
        click.echo(_KEY.format(key=home.catalogue_key), err=True)
    enrolled(collector, config.state, "probe", _STEWARD, now)
    probe = Role(name="probe", arguments=("run", "--config", str(home.probe_file)), serves=False)
    return config, collector, (probe, *controls(collector, now, platforms=config.platforms, ca_file=config.ca_file))


_KEY = (
    "New keys: {key} says what probes may be asked to contact. On this machine alone it may stay there; before you "
    "invite others, keep it offline, with a copy in another place."
)


def _changes(wanted: Wanted) -> dict[str, Value]:
    changes: dict[str, Value] = {
        "platforms": list(wanted.platforms) or None,
        "geo": [str(path.absolute()) for path in wanted.geo] or None,
        "ask_strangers": wanted.ask_strangers or None,
        "ca_file": str(wanted.ca_file.absolute()) if wanted.ca_file else None,
    }
    return {key: value for key, value in changes.items() if value is not None}


def _check_ports(home: Home, config: AgentConfig, collector: CollectorConfig) -> None:
    """Before anything is asked or made."""
    for listen in collector.listen:
        if listen.path is None:
            _check_port(home.collector_file, "listen", listen.host, listen.port)
    _check_port(home.probe_file, "metrics.listen", *address_of(config.metrics.listen))


def _check_port(file: Path, key: str, host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
            tried.listen()
        except OSError as error:
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            raise Fault(
                f"{where} cannot be opened: {error.strerror or error}: end what listens there (another `probe up`, a "
                f"probe, a collector?), or write another port under {key} in {file}"
            ) from None


def _links(home: Home, config: AgentConfig, collector: CollectorConfig) -> Links:
    return Links(collector=collector.url, probe=f"http://{config.metrics.listen}", folder=str(home.folder))


def _run(home: Home, config: AgentConfig, collector: CollectorConfig, roles: tuple[Role, ...], view: Shown) -> None:
    looking = Looking(collector, config.metrics.listen)
    with home.log.open("wb") if view.takes_the_screen else nullcontext() as aside:
        if aside is not None:
            _log_to(home.log)
        try:
            trio.run(partial(run_all, collector, roles, looking, view, options=_logging_options(), log=aside))
        except Stopped as stopped:
            view.end()
            said = home.log.read_text("utf-8", "replace").strip() if aside else ""
            sys.stderr.write(f"{said}\n" if said else "")
            raise (Fault if stopped.status == Fault.exit_code else Failed)(str(stopped)) from None


def _log_to(path: Path) -> None:
    """What this process has to say would go across the table."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(path.open("a", encoding="utf-8"))


def _logging_options() -> list[str]:
    """As this command was called with, for the processes that it starts."""
    context = click.get_current_context().find_root()
    form, level = (context.params.get(name) for name in ("log_format", "log_level"))
    return ["--log-format", form or "console", "--log-level", level or "warning"]
