"""The compose file calls the command line as it is: read here, since nothing is built."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from ruamel.yaml import YAML

from probe.cli.group import cli

FILE = Path(__file__).parents[2] / "configs" / "compose.yaml"
TEXT = FILE.read_text("utf-8")
COMPOSE: dict[str, Any] = YAML(typ="safe").load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SHOWN = [shlex.split(line) for line in re.findall(r"^#   docker compose -f configs/compose.yaml (.+)$", TEXT, re.M)]
RUN = [words[3:] for words in SHOWN if words[:2] == ["run", "--rm"]]
EXEC = [words[3:] for words in SHOWN if words[0] == "exec"]


@pytest.mark.parametrize("command", [*(service["command"] for service in SERVICES.values()), *RUN, *EXEC])
def test_every_command_is_one_that_the_program_has(command: list[str]) -> None:
    found: click.Command = cli
    words = list(command)
    while isinstance(found, click.Group):
        inner = found.get_command(click.Context(found), words[0])
        assert inner is not None, words[0]
        found, words = inner, words[1:]
    found.make_context("probe", words)


def test_the_lines_to_type_name_services_of_the_file() -> None:
    assert len(RUN) == 2
    assert len(EXEC) == 1
    assert {words[2] for words in SHOWN if words[:2] == ["run", "--rm"]} <= SERVICES.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_writes_only_into_volumes_that_are_there_and_belong_to_its_user(name: str) -> None:
    mounted = dict(volume.split(":") for volume in SERVICES[name]["volumes"])
    assert mounted.keys() <= COMPOSE["volumes"].keys()
    made = re.search(r"install -d -m 0700 -o probe -g probe (.+)", (FILE.parents[1] / "Dockerfile").read_text("utf-8"))
    assert made is not None
    assert set(mounted.values()) <= set(made[1].split())
    assert SERVICES[name]["read_only"]


def test_what_is_offered_at_run_time_is_the_network_of_the_machine_itself() -> None:
    assert {SERVICES[name]["network_mode"] for name in ("collector", "probe")} == {"host"}
    assert SERVICES["keys"]["network_mode"] == "none"
