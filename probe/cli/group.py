"""The click group `probe`: finds its commands by name and imports only the one that is run."""

from importlib import import_module

import click

from probe import __version__
from probe.cli.commands import COMMANDS, overview


class LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def get_help(self, ctx: click.Context) -> str:  # noqa: ARG002
        return overview().rstrip("\n")


@click.group(cls=LazyGroup)
@click.version_option(__version__, prog_name="probe", message="%(prog)s %(version)s")
@click.option("--log-format", type=click.Choice(["console", "json"]), default="console")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="warning")
def cli(log_format: str, log_level: str) -> None:
    """Tells which social platforms this network blocks, and how."""
    from probe.cli.logs import configure  # noqa: PLC0415 - only a command that runs logs

    configure(log_format, log_level)
