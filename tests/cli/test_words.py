"""Sentences that lead on: what was meant, which file, which key of it; and nothing said twice."""

import os
import sys
from pathlib import Path

import msgspec
import pytest

from probe.agent.consent import record_consent
from probe.agent.state import AgentState, RoundState, SpoolState
from probe.cli.status_view import facts
from probe.clock import SystemClock

from .running import PROBE, assert_one_fault, ended, nowhere, run_nowhere, started
from .test_status import STATE

_HOLDING = (
    "import socket, subprocess, sys; held = socket.create_server(('0.0.0.0', 9640)); "
    "sys.exit(subprocess.call(sys.argv[1:]))"
)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [(("simulat", "healthy"), "simulate"), (("lab", "cases", "sni-dropp", "--list"), "sni-drop")],
)
def test_a_misspelt_word_is_answered_with_the_nearest(arguments: tuple[str, ...], meant: str) -> None:
    run = run_nowhere(*arguments)
    assert run.status == 2
    assert f"'{meant}'" in run.stderr


def test_files_of_a_catalogue_are_named_with_their_folder(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text("id: shop\nnam: Shop\n")
    run = run_nowhere("catalogue", "check", tmp_path)
    assert_one_fault(run, 2, f"Error: {tmp_path}/shop.yaml: unknown key 'nam'")


def test_a_port_in_use_is_named_with_the_key_and_the_file(tmp_path: Path) -> None:
    state, file = tmp_path / "state", tmp_path / "probe.yaml"
    state.mkdir()
    record_consent(state, SystemClock().now(), "terminal", ())
    file.write_text(f"state: {state}\nmetrics: {{listen: '0.0.0.0:9640'}}\n")
    held = [sys.executable, "-c", _HOLDING, *PROBE, "run", "--config", str(file)]
    run = ended(started([*nowhere(), *held], os.environ))
    assert_one_fault(run, 1, "cannot listen on 0.0.0.0:9640: ", f"under metrics.listen in {file}$")


def facts_of(**changed: object) -> dict[str, str]:
    now: AgentState = msgspec.structs.replace(STATE, **changed)
    return {name: value for name, value, _ in facts(now)}


def test_nothing_waiting_has_no_size_and_no_round_no_number() -> None:
    assert facts_of(spool=SpoolState())["waiting"] == "0 measurements"
    assert facts_of(spool=SpoolState(measurements=2, bytes=3000))["waiting"] == "2 measurements, 3.0 kB"
    assert facts_of(round=RoundState())["round"] == "none yet"
