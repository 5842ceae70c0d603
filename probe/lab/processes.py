"""Processes inside the lab's namespaces."""

import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

import probe
from probe.lab.model import CommandFailed, LabError

_START = 20.0
_STOP = 5.0
_PACKAGE = Path(probe.__file__).parent.parent


def environment(home: Path) -> dict[str, str]:
    """Nothing of the machine's own settings: no proxies, no certificates, no configuration."""
    path = os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    return {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", "PYTHONPATH": str(_PACKAGE), "PYTHONUNBUFFERED": "1"}


def run_inside(
    namespace: str, command: list[str], home: Path, timeout: float, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Waits for it. Raises CommandFailed where it takes longer than `timeout` seconds."""
    entered = ["ip", "netns", "exec", namespace, *command]
    env = environment(home) | dict(more or {})
    try:
        return subprocess.run(entered, check=False, capture_output=True, text=True, timeout=timeout, env=env, cwd=home)
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"`{' '.join(command)}` took longer than {timeout:g} s in {namespace}") from error


class Server:
    """A Python module that serves inside a namespace until it is stopped, or until its starter dies."""

    def __init__(self, namespace: str, module: str, spec: Path, home: Path) -> None:
        self._module = module
        self._log = home / f"{spec.stem}.log"
        command = ["ip", "netns", "exec", namespace, sys.executable, "-m", module, str(spec)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment(home), cwd=home
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Raises LabError with what it said where it does not get there."""
        stdout = self._process.stdout
        assert stdout is not None
        ready, _, _ = select.select([stdout], [], [], _START)
        if not ready or stdout.readline() != b"ready\n":
            raise LabError(f"{self._module} did not start: {self._last_words()}")

    def _last_words(self) -> str:
        said = self._log.read_text(errors="replace").strip().splitlines()
        return said[-1] if said else "it said nothing"

    def tell(self, message: object) -> None:
        """One line of JSON, in effect on return. Raises LabError where the process no longer listens."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(msgspec.json.encode(message) + b"\n")
            stdin.flush()
        except OSError as error:
            raise LabError(f"{self._module} ended before its time: {self._last_words()}") from error
        self.wait_until_ready()

    def stop(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.terminate()
        try:
            self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
