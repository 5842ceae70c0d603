"""Programs of ours that run while a scenario is played, on the scenario's clock."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from probe.lab.model import CommandFailed, LabError
from probe.lab.processes import environment, run_inside

_PATIENCE = 120.0  # seconds for a command: many of them start at the same time


class Backstage:
    """Where they run: the lab's folder, and what they find in their environment."""

    def __init__(self, folder: Path, ca_file: Path) -> None:
        self.folder = folder
        self.clock_file = folder / "clock.json"
        self._more = {"PROBE_CLOCK": str(self.clock_file), "PROBE_CA_FILE": str(ca_file)}

    def command(self, namespace: str, arguments: Sequence[str]) -> str:
        """What it printed. Raises CommandFailed with its last words."""
        command = [sys.executable, "-m", "probe", *arguments]
        done = run_inside(namespace, command, self.folder, _PATIENCE, self._more)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["it said nothing"]
            raise CommandFailed(f"`probe {' '.join(arguments[:2])}` ended with {done.returncode}: {said[-1]}")
        return done.stdout

    def start(self, namespace: str, name: str, arguments: Sequence[str]) -> "Running":
        log = self.folder / f"{name}.log"
        return Running(namespace, arguments, log, environment(self.folder) | self._more)


class Running:
    """One of them, until it is ended. Its log stays in the lab's folder as long as the lab."""

    def __init__(self, namespace: str, arguments: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        self._log = log
        command = ["ip", "netns", "exec", namespace, sys.executable, "-m", "probe", "--log-level", "info", *arguments]
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=dict(env), cwd=log.parent
            )

    @property
    def process(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raises LabError where it has ended."""
        if self._process.poll() is not None:
            said = self._log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            raise LabError(f"{self._log.stem} ended with {self._process.returncode}: {said[-1]}")

    def end(self) -> None:
        """At once: what it keeps goes with the lab."""
        self._process.kill()
        self._process.wait()
