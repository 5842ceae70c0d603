"""How the command `probe` ends: with the status that scripts are told, and no traceback for a person's doing."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
import trio

from probe.cli.commands import overview
from probe.cli.group import cli
from probe.cli.logs import JsonFormatter
from probe.cli.main import INTERRUPTED, PIPE_CLOSED, run

PROBE = [sys.executable, "-m", "probe"]


def probe(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROBE, *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_help_is_the_overview_wherever_it_is_asked_for() -> None:
    assert probe("--help").stdout == probe("--log-level", "info", "--help").stdout == overview()


@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["judge"], ["measure", "--timeout", "soon"], []])
def test_wrong_usage_is_status_2_and_says_what(arguments: list[str]) -> None:
    result = probe(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    assert "Error: " in result.stderr or "Usage: " in result.stderr


def test_the_status_of_a_command_is_that_of_the_process(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    result = probe("judge", str(broken))
    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: {broken}: not JSON")


@pytest.mark.parametrize("arguments", [["--help"], ["judge", "--help"], ["catalogue", "list"]])
def test_a_reader_that_goes_away_ends_it_quietly(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        result = subprocess.run([*PROBE, *arguments], stdout=gone, stderr=subprocess.PIPE, check=False, timeout=60)
    assert (result.returncode, result.stderr) == (PIPE_CLOSED, b"")


@click.command()
@click.option("--beneath-trio", is_flag=True)
def wait(*, beneath_trio: bool) -> None:
    """Waits until it is interrupted, inside a nursery of trio's or outside."""

    async def interrupt_itself() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            os.kill(os.getpid(), signal.SIGINT)
            await trio.sleep_forever()

    if beneath_trio:
        trio.run(interrupt_itself)
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()


@pytest.mark.parametrize("arguments", [["wait"], ["wait", "--beneath-trio"]])
def test_an_interrupt_is_status_130_without_a_traceback(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(type(cli), "get_command", lambda *_: wait)
    assert run(arguments) == INTERRUPTED
    assert capfd.readouterr() == ("", "\n")


def test_a_log_line_in_json_holds_time_level_and_what_the_call_gave() -> None:
    record = logging.makeLogRecord(
        {"name": "probe.x", "levelno": logging.WARNING, "levelname": "WARNING", "msg": "%s is odd", "args": ("it",)}
    )
    record.endpoint = "https://x.com/"
    line = json.loads(JsonFormatter().format(record))
    assert (line["level"], line["logger"], line["message"], line["endpoint"]) == (
        "warning",
        "probe.x",
        "it is odd",
        "https://x.com/",
    )
    assert line["time"].endswith("+00:00")
    assert "args" not in line
