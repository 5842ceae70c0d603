import json
import os
import signal
import subprocess
import sys
import time

import pytest

from probe.lab import namespaces
from probe.lab.cases import CASES

LAB = [sys.executable, "-m", "probe", "lab"]


def lab(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LAB, *arguments], check=False, capture_output=True, text=True)


def test_the_list_names_every_case_and_what_must_be_said() -> None:
    lines = lab("cases", "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(CASES)
    assert "blocked dns-forged sni-reset" in next(line for line in lines if line.startswith("dns-and-sni"))


def test_a_case_that_nobody_knows_is_wrong_usage_in_one_line() -> None:
    done = lab("cases", "sni-drpo")
    assert (done.returncode, done.stdout) == (2, "")
    said = "Error: no case 'sni-drpo': did you mean 'sni-drop'? `probe lab cases --list` shows them all"
    assert done.stderr.strip() == said


@pytest.mark.parametrize(("arguments", "controls"), [((), [True, False]), (("--without",), [False])])
def test_a_case_is_run_with_a_control_and_without(arguments: tuple[str, ...], controls: list[bool]) -> None:
    done = lab("cases", "healthy-http", "--format", "json", *arguments)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(result["name"], result["with_expectations"]) for result in results] == [
        ("healthy-http", control) for control in controls
    ], done.stderr
    assert done.returncode == (1 if any(result["wrong"] for result in results) else 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_lab_behind(number: signal.Signals) -> None:
    with subprocess.Popen(
        [*LAB, "cases", "server-silent"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        mine = f"pl{run.pid}n"
        until = time.monotonic() + 20
        while not list(namespaces.STATE.glob(f"{mine}*")) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(run.pid, number)
        run.wait(15)
    assert list(namespaces.STATE.glob(f"{mine}*")) == []
    assert mine not in subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
