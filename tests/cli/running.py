"""`probe` as a process of its own: in a network that leads nowhere, or at the vantage point of a lab."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from probe.lab.lab import Lab
from probe.lab.processes import environment
from tests.memory import peak

PROBE = [sys.executable, "-m", "probe"]
ESCAPE = "\x1b"
_NOTICE = ("Contacting ", "Your provider can see that")
_PATIENCE = 60.0


@dataclass(frozen=True)
class Run:
    """One command that ended. `peak` in MiB."""

    status: int
    stdout: str
    stderr: str
    seconds: float
    peak: float

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def endpoints(self) -> dict[str, dict[str, Any]]:
        return {line["endpoint"]: line for line in self.objects if line["kind"] == "endpoint"}

    @property
    def faults(self) -> list[str]:
        """What is said beside the notice that precedes every round."""
        return [line for line in self.stderr.splitlines() if line and not line.startswith(_NOTICE)]


def nowhere() -> list[str]:
    """The words that put a command into a network without interfaces: no packet leaves it."""
    entered = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*entered, "true"], check=False).returncode:
        pytest.skip("needs network namespaces: run as root on Linux")
    return entered


def run_nowhere(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Run:
    return ended(started([*nowhere(), *PROBE, *map(str, arguments)], os.environ | dict(env or {})))


def at_vantage(lab: Lab, arguments: Sequence[str | Path]) -> list[str]:
    """`probe` at the vantage point, with the lab's authorities where it measures."""
    trusting = ["--ca-file", str(lab.ca_file)] if arguments[0] == "measure" else []
    return ["ip", "netns", "exec", lab.vantage, *PROBE, *map(str, arguments), *trusting]


def run_in(lab: Lab, *arguments: str | Path, env: Mapping[str, str] | None = None) -> Run:
    return ended(started(at_vantage(lab, arguments), environment(lab.folder) | dict(env or {})))


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[bytes]
    out: int
    err: int
    began: float


def started(command: Sequence[str], env: Mapping[str, str], stdout: int | None = None) -> Running:
    """Its output goes to files, so that no pipe fills up and holds it."""
    out, err = os.memfd_create("stdout"), os.memfd_create("stderr")
    process = subprocess.Popen(command, stdout=out if stdout is None else stdout, stderr=err, env=dict(env))
    return Running(process, out, err, time.monotonic())


def ended(running: Running) -> Run:
    """Waits for it; one that does not end is killed, and the test fails."""
    pid, late = running.process.pid, time.monotonic() + _PATIENCE
    most = 0.0
    while True:
        most = max(most, peak(pid))
        waited, status = os.waitpid(pid, os.WNOHANG)
        if waited:
            break
        if time.monotonic() > late:
            running.process.kill()
            running.process.wait()
            pytest.fail(f"still running after {_PATIENCE:g} s: {running.process.args!r}")
        time.sleep(0.02)
    running.process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - running.began
    return Run(running.process.returncode, _text(running.out), _text(running.err), seconds, most)


def _text(file: int) -> str:
    with os.fdopen(file, "rb") as content:
        content.seek(0)
        return content.read().decode(errors="replace")


def assert_one_fault(run: Run, status: int, *words: str) -> None:
    """One line says what is wrong and where; nothing else is printed."""
    assert "Traceback" not in run.stderr, run.stderr
    said = [line for line in run.stderr.splitlines() if line.startswith("Error: ")]
    assert len(said) == 1, run.stderr
    assert run.stderr.splitlines()[-1] == said[0], run.stderr
    missing = [word for word in words if not re.search(word, said[0])]
    assert not missing, said[0]
    assert (run.status, run.stdout) == (status, ""), run
