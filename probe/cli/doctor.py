"""`probe doctor`: what a probe needs, and what to do where it is missing."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from probe.cli.faults import FAILED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from probe.agent.config import AgentConfig
    from probe.agent.doctor_finding import Finding


@click.command(epilog="Example: probe doctor --format json | jq 'select(.state == \"trouble\")'")
@click.option("--config", "file", type=click.Path(path_type=Path), help="The probe's configuration.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def doctor(ctx: click.Context, file: Path | None, form: str) -> None:
    """Check what a probe needs, and say what to do.

    Consent, disk, network, resolver, clock, IPv6, VPN, collector, catalogue. Exit status 1 where something is wrong.
    Contacts only what you agreed to; before that, nothing.
    """
    import trio

    from probe.agent.config import AgentConfig, default_config_path, load_config
    from probe.cli.owner_faults import owner_faults

    path = file or default_config_path()
    with owner_faults():
        config = load_config(path) if file is not None or path.exists() else AgentConfig()
        tell = _as_json if form == "json" else _as_lines()
        with _folded(tell) if form == "table" else nullcontext(tell) as told:
            wrong = trio.run(_told, config, path, told)
    if wrong:
        ctx.exit(FAILED)


async def _told(config: AgentConfig, path: Path, tell: Callable[[Finding], None]) -> int:
    """How many things are wrong."""
    import os

    from probe.agent.doctor import examine
    from probe.clock import clock_from

    wrong = 0
    async for finding in examine(config, path, clock_from(os.environ.get("PROBE_CLOCK"))):
        tell(finding)
        wrong += finding.state == "trouble"
    return wrong


@contextmanager
def _folded(tell: Callable[[Finding], None]) -> Iterator[Callable[[Finding], None]]:
    """Checks that are left out for the same reason are told together."""
    import msgspec

    left: list[Finding] = []

    def end() -> None:
        if left:
            tell(msgspec.structs.replace(left[0], check=", ".join(one.check for one in left)))
            left.clear()

    def told(finding: Finding) -> None:
        if left and (left[0].seen, left[0].todo) != (finding.seen, finding.todo):
            end()
        if finding.state == "skipped":
            left.append(finding)
        else:
            tell(finding)

    yield told
    end()


def _as_json(finding: Finding) -> None:
    import msgspec

    click.echo(msgspec.json.encode({"kind": "check", **msgspec.to_builtins(finding)}).decode())


def _as_lines() -> Callable[[Finding], None]:
    """A line for what was seen, and one below it for what to do."""
    from rich.padding import Padding
    from rich.text import Text

    from probe.cli.display import Screen

    screen = Screen(sys.stdout)
    signs = {"fine": ("✓", "green"), "note": ("!", "yellow"), "trouble": ("✗", "bold red"), "skipped": ("–", "dim")}
    plain = {"fine": "ok", "note": "note", "trouble": "WRONG", "skipped": "skipped"}

    def tell(finding: Finding) -> None:
        if not screen.is_terminal:
            todo = f" -> {finding.todo}" if finding.todo else ""
            screen.print(f"{plain[finding.state]:<8}{finding.check}: {finding.seen}{todo}", soft_wrap=True)
            return
        sign, colour = signs[finding.state]
        screen.print(Text.assemble((f"{sign} ", colour), (f"{finding.check}: ", "bold"), finding.seen))
        if finding.todo:
            screen.print(Padding(Text(f"→ {finding.todo}", "cyan"), (0, 0, 0, 2)))

    return tell
