"""`probe status`: what the running probe sees."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from probe.cli.faults import Failed, Fault

if TYPE_CHECKING:
    from probe.agent.state import AgentState

_LARGEST = 4 << 20  # bytes of an answer
_PATIENCE = 5.0  # seconds
_AGAIN = 2.0  # seconds between two looks


@click.command(epilog="Example: probe status --format json | jq .platforms")
@click.option("--config", "file", type=click.Path(path_type=Path), help="The running probe's configuration.")
@click.option("--listen", metavar="ADDRESS:PORT", help="Where it listens, in place of what the configuration says.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--watch", is_flag=True, help="Look again every two seconds, until Ctrl-C.")
def status(file: Path | None, listen: str | None, form: str, *, watch: bool) -> None:
    """What the running probe sees now.

    Per platform what is reachable and how the rest is stopped; the round, what waits to be uploaded, the day's data,
    the network it is in.
    """
    if watch and (form == "json" or not sys.stdout.isatty()):
        raise Fault("--watch is for terminals: leave it out, or ask again in a loop")
    where = listen or _configured(file)
    if watch:
        _watched(where)
        return
    raw = _asked(where)
    if form == "json":
        import msgspec

        click.echo(msgspec.json.encode(msgspec.to_builtins(_state(raw, where))).decode())
    else:
        from probe.cli.status_view import show

        show(_state(raw, where))


def _configured(file: Path | None) -> str:
    from probe.agent.config import AgentConfig, default_config_path, load_config
    from probe.cli.owner_faults import owner_faults

    path = file or default_config_path()
    with owner_faults():
        config = load_config(path) if file is not None or path.exists() else AgentConfig()
    if not config.metrics.listen:
        raise Fault(f"{path}: metrics.listen is empty, so the probe shows nothing: write 127.0.0.1:9640 there")
    return config.metrics.listen


def _asked(listen: str) -> bytes:
    """The answer of whoever listens there. From the machine itself, whatever addresses it listens at."""
    import http.client

    host, _, port = listen.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))
    if not host or not port.isdigit():
        raise Fault(f"--listen {listen!r}: write ADDRESS:PORT, such as 127.0.0.1:9640")
    connection = http.client.HTTPConnection(host, int(port), timeout=_PATIENCE)
    try:
        connection.request("GET", "/status")
        answer = connection.getresponse()
        raw = answer.read(_LARGEST)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Failed(f"no probe answers at {listen} ({reason}): start it with `probe run`, or as a service") from None
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise Failed(f"what answers at {listen} is no probe: status {answer.status} for /status")
    return raw


def _state(raw: bytes, listen: str) -> AgentState:
    import msgspec

    from probe.agent.state import AgentState

    try:
        return msgspec.json.decode(raw, type=AgentState)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Failed(f"what answers at {listen} is no probe, or one of another version") from None


def _watched(listen: str) -> None:
    import time

    from rich.live import Live

    from probe.cli.display import Screen
    from probe.cli.status_view import view

    screen = Screen(sys.stdout)
    with Live(console=screen, screen=True, auto_refresh=False) as live:
        while True:
            live.update(view(_state(_asked(listen), listen), screen), refresh=True)
            time.sleep(_AGAIN)
