"""The click group `probe`: finds its commands by name and imports only the one that is run."""

from difflib import get_close_matches
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = get_close_matches(args[0], COMMANDS, 1)
            ctx.fail(f"No such command {args[0]!r}.{f' Did you mean {near[0]!r}?' if near else ''}")
        return super().resolve_command(ctx, args)

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
