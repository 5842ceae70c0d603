"""The documents say what the code does: every word of the vocabularies, every command, every option."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from probe.cli.commands import COMMANDS, overview
from probe.cli.group import cli
from probe.wire.vocabulary import Outcome, Technique

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def commands(command: click.Command, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield names, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), name)
            assert inner is not None
            yield from commands(inner, *names, name)


@pytest.mark.parametrize("word", [*Outcome, *Technique])
def test_every_outcome_and_technique_has_a_row(word: str) -> None:
    assert re.search(rf"^\| `{word}` \| .{{10}}", README, re.MULTILINE)


def test_the_techniques_stand_in_the_order_in_which_a_connection_meets_them() -> None:
    rows = [row for row in re.findall(r"^\| `([a-z-]+)` \|", README, re.MULTILINE) if row in set(Technique)]
    assert rows == list(Technique)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_help_and_in_the_readme(name: str) -> None:
    assert re.search(rf"^  {name} +\S", overview(), re.MULTILINE)
    assert f"probe {name}" in README


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_the_command_says_of_itself(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert COMMANDS[name][1].rstrip(".").casefold() in " ".join((command.help or "").split()).casefold()


def test_every_option_of_the_group_is_in_its_help() -> None:
    for parameter in cli.get_params(click.Context(cli)):
        assert parameter.opts[0] in overview()


def test_every_option_of_measure_is_in_the_readme() -> None:
    command = cli.get_command(click.Context(cli), "measure")
    assert command is not None
    undocumented = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
    assert [option for option in undocumented if f"`{option}" not in README] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps_with_an_example(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for names, _ in commands(command, name):
        result = CliRunner().invoke(cli, [*names, "--help"], prog_name="probe")
        assert result.exit_code == 0, names
        assert "Example" in result.output, names


def test_help_needs_no_click() -> None:
    code = (
        "import sys, probe.cli.main as m\ntry: m.main()\nexcept SystemExit: print(sorted(sys.modules), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    assert result.stdout == overview()
    assert "'click'" not in result.stderr
    assert "'probe.cli.main'" in result.stderr


def test_the_changelog_has_an_unreleased_section() -> None:
    assert re.search(r"^## \[Unreleased\]$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
