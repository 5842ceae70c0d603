"""`probe up` as a process at the vantage point of a lab, or in a network that leads nowhere."""

import contextlib
import datetime as dt
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from probe.clock import set_scenario
from probe.lab.lab import Lab
from probe.lab.processes import environment
from probe.lab.scenario.inside import get

UP = [sys.executable, "-m", "probe", "up"]
PLATFORMS = ("bluesky", "x")
INTERVAL = 60  # seconds of the scenario's time
SPEED = 15.0
PATIENCE = 90.0  # seconds for what is waited for
COLLECTOR = ("127.0.0.1", 8640)
PROBE = ("127.0.0.1", 9640)


def waited(until: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    end = time.monotonic() + seconds
    while not (found := until()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return found


class Up:
    """One state folder in a lab, whose processes keep a clock that runs `SPEED` times as fast."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.lab, self.folder = lab, lab.folder / name
        self.clock = lab.folder / "clock.json"
        if not self.clock.exists():
            set_scenario(self.clock, dt.datetime.now(dt.UTC), SPEED)
        self.out, self.err = lab.folder / f"{name}.out", lab.folder / f"{name}.err"
        self.process: subprocess.Popen[bytes] | None = None

    def arguments(self, *more: str) -> list[str]:
        chosen = [word for platform in PLATFORMS for word in ("--platform", platform)]
        files = ["--state", str(self.folder), "--geo", str(self.lab.geo_file), "--ca-file", str(self.lab.ca_file)]
        return [*UP, *files, *chosen, *more]

    def environment(self) -> dict[str, str]:
        return environment(self.lab.folder) | {"PROBE_CLOCK": str(self.clock)}

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        command = ["ip", "netns", "exec", self.lab.vantage, *self.arguments("--format", "json", *more)]
        with self.out.open("wb") as out, self.err.open("ab") as err:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=self.environment(), cwd=self.lab.folder
            )
        return self.process

    @contextlib.contextmanager
    def running(self, *more: str) -> Iterator["Up"]:
        process = self.start(*more)
        try:
            yield self
        finally:
            self.stop(process)

    def stop(self, process: subprocess.Popen[bytes]) -> int:
        process.send_signal(signal.SIGINT)
        try:
            return process.wait(30)
        finally:
            process.kill()
            process.wait()

    # --- what it says ---

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The last one may be half written."""
        whole, _, _ = self.out.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def said(self, kind: str) -> list[dict[str, Any]]:
        assert self.process is None or self.process.poll() is None, self.err.read_text()
        return [line for line in self.lines if line["kind"] == kind]

    def rounds(self) -> int:
        return max((line["number"] for line in self.said("round")), default=0)

    def status(self, part: str) -> dict[str, Any]:
        """Of what the probe says of itself; empty while it does not answer."""
        with contextlib.suppress(OSError):
            found: dict[str, Any] = json.loads(get(self.lab.vantage, *PROBE, "/status"))[part]
            return found
        return {}

    def ratios(self) -> dict[tuple[str, str, str], float]:
        """What /metrics says, by country, ASN and `platform.service`."""
        with contextlib.suppress(OSError):
            lines = get(self.lab.vantage, *COLLECTOR, "/metrics").decode().splitlines()
            return dict(_ratio(line) for line in lines if line.startswith("reachability_ratio{"))
        return {}

    def api(self, path: str) -> Any:
        return json.loads(get(self.lab.vantage, *COLLECTOR, path, {"Accept": "application/json"}))

    # --- its processes ---

    def pid_of(self, *words: str) -> int | None:
        """The process of this folder whose command has these words, one after the other."""
        for pid in processes(self.lab):
            with contextlib.suppress(FileNotFoundError):
                command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                pieces = [tuple(command[at : at + len(words)]) for at in range(len(command))]
                if words in pieces and str(self.folder) in " ".join(command):
                    return pid
        return None


def _ratio(line: str) -> tuple[tuple[str, str, str], float]:
    head, _, value = line.rpartition(" ")
    labels = dict(pair.split("=", 1) for pair in head.partition("{")[2].rstrip("}").split(","))
    known = {key: text.strip('"') for key, text in labels.items()}
    return (known["country"], known["asn"], f"{known['platform']}.{known['service']}"), float(value)


def processes(lab: Lab) -> list[int]:
    """Those at the vantage point."""
    listed = subprocess.run(["ip", "netns", "pids", lab.vantage], check=True, capture_output=True, text=True)
    return [int(pid) for pid in listed.stdout.split()]


def nowhere(*arguments: str, home: Path, within: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """In a network that has a loopback and nothing else; `within`: words of a command that runs it."""
    entered = ["unshare", "--net", *(() if os.geteuid() == 0 else ("--map-root-user",))]
    if shutil.which("unshare") is None or subprocess.run([*entered, "true"], check=False).returncode:
        pytest.skip("needs network namespaces: run as root on Linux")
    command = [*entered, "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *within, *UP, *arguments]
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
    )


def at_terminal(up: Up, answers: Sequence[tuple[str, str]], until: str) -> tuple[int, str]:
    """With somebody who types the second word of each pair where they read the first, and Ctrl-C once they have read
    `until`. The exit status, and all that was on the screen."""
    here, there = pty.openpty()
    env = up.environment() | {"TERM": "xterm", "COLUMNS": "110", "LINES": "40"}
    command = ["ip", "netns", "exec", up.lab.vantage, "setsid", "--ctty", "--wait", *up.arguments()]
    process = subprocess.Popen(command, stdin=there, stdout=there, stderr=there, env=env, start_new_session=True)
    os.close(there)
    screen, waiting, heard, late = "", [*answers, (until, "\x03")], 0, time.monotonic() + PATIENCE
    try:
        while time.monotonic() < late:
            try:
                piece = os.read(here, 65536) if select.select([here], [], [], 0.5)[0] else b"\0"
            except OSError:  # nobody has the other end any more
                break
            screen += piece.decode("utf-8", "replace").replace("\0", "")
            if waiting and waiting[0][0] in screen[heard:]:
                heard = len(screen)
                word = waiting.pop(0)[1]
                os.write(here, (word if word == "\x03" else f"{word}\n").encode())
        assert not waiting, f"never read {waiting[0][0]!r}: {screen[-3000:]}"
        return process.wait(10), screen
    finally:
        process.kill()
        process.wait()
        os.close(here)
