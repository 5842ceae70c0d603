"""`probe leave`: the end of a probe."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from probe.cli.faults import Failed

if TYPE_CHECKING:
    from probe.agent.config import AgentConfig

_PATH = click.Path(path_type=Path)


@click.command(epilog="Example: probe leave --wipe")
@click.option("--config", "file", type=_PATH, help="The probe's configuration, where it is not in the usual place.")
@click.option("--state", type=_PATH, help="Its state folder, where no configuration can be read.")
@click.option("--wipe", is_flag=True, help="Remove everything that the probe keeps on this machine.")
@click.option("--force", is_flag=True, help="With --wipe: the token too, where the collector cannot be asked.")
def leave(file: Path | None, state: Path | None, *, wipe: bool, force: bool) -> None:
    """End this machine's probe, and have the collector forget it.

    The daemon is stopped, your consent withdrawn, and the collector asked to erase what it holds of this probe: it
    is gone from its views at once, from its log within two hours. While it cannot be reached the token is kept, so that
    it can be asked again later.
    """
    from probe.cli.owner_faults import owner_faults

    with owner_faults():
        config, written = _config(file, state)
        _stop(config)
        reason = _erase(config)
        if not wipe and config.state.is_dir():
            click.echo(f"What the probe kept in {config.state} is still there: --wipe removes it.")
        if wipe:
            _wipe(config, written, keep_token=reason is not None and not force)
    if reason is not None and not (wipe and force):
        raise Failed(
            f"the collector was not asked to erase: {reason}; the token is kept: run `probe leave` again later"
        )


def _config(file: Path | None, state: Path | None) -> tuple[AgentConfig, Path | None]:
    """The configuration, and its file where there is one."""
    from probe.agent.config import AgentConfig, default_config_path, load_config

    path = file or default_config_path()
    if state is not None and file is None:
        return AgentConfig(state=state), None
    if file is None and not path.exists():
        return AgentConfig(), None
    return load_config(path), path


def _stop(config: AgentConfig) -> None:
    from probe.agent.consent import withdraw_consent
    from probe.agent.leaving import stop_daemon
    from probe.agent.service import SYSTEM_STATE, service_here

    service = service_here()
    ours = service if service and (not service.system or config.state == SYSTEM_STATE) else None
    stopped = stop_daemon(config.state, ours)
    withdraw_consent(config.state)
    click.echo(f"Stopped {stopped}." if stopped else "No probe was running.")


def _erase(config: AgentConfig) -> str | None:
    """Why the collector could not be asked, in one line; None where nothing is left to ask."""
    import trio

    from probe.agent.client_faults import CollectorFault
    from probe.agent.credentials import forget_credentials, load_credentials
    from probe.agent.enrolment import erase

    credentials = load_credentials(config.state)
    if credentials is None:
        click.echo("It was enrolled with no collector.")
        return None
    try:
        trio.run(erase, config.collectors or credentials.collectors, credentials.token, config)
    except CollectorFault as fault:
        return str(fault)
    forget_credentials(config.state)
    click.echo(
        f"{credentials.collector} erases what it holds of this probe: from its views at once, from its log within two"
        " hours. What it published cannot be called back."
    )
    return None


def _wipe(config: AgentConfig, written: Path | None, *, keep_token: bool) -> None:
    from probe.agent.credentials import FILE
    from probe.agent.leaving import wipe

    left = wipe(config.state, but=frozenset({FILE}) if keep_token else frozenset())
    if written is not None and not keep_token:
        written.unlink(missing_ok=True)
        click.echo(f"Removed {written}.")
    others = [name for name in left if name != FILE]
    click.echo(f"Removed what the probe kept in {config.state}" + (f"; left: {', '.join(others)}." if others else "."))
