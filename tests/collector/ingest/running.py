"""A collector's process on this machine: set up, started, asked, stopped or killed."""

import atexit
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Self

import httpx

from probe.clock import SystemClock
from probe.collector.accounts import Accounts
from probe.collector.config import CollectorConfig, load_config, parse_config
from probe.collector.keys import found
from probe.wire.reports import Role

_PATIENCE = 30.0  # seconds


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def configured(folder: Path, text: str = "") -> CollectorConfig:
    """Keys, documents and a configuration with a free port, in the folder."""
    file = folder / "collector.yaml"
    file.write_text(f"state: state\nlisten: 127.0.0.1:{free_port()}\n{text}")
    config = load_config(file)
    shutil.copytree(_founded(), folder, dirs_exist_ok=True)
    return config


@cache
def _founded() -> Path:
    """Keys and signed documents, to be copied: packing the catalogue takes its time."""
    folder = Path(tempfile.mkdtemp(prefix="founded-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    found(parse_config("state: state\n", folder / "collector.yaml"), folder / "catalogue.pem", SystemClock().now())
    return folder


def base(config: CollectorConfig) -> str:
    return f"http://{config.listen[0]}"


def tokens(config: CollectorConfig, count: int, role: Role = "probe") -> list[str]:
    with closing(Accounts.open(config.accounts_file)) as accounts:
        return [accounts.create(role, f"steward {n}", SystemClock().now())[1] for n in range(count)]


class Running:
    def __init__(self, config: CollectorConfig, *arguments: str) -> None:
        self.config = config
        serve = ["collector", "serve", "--config", str(config.file), *arguments]
        environment = {**os.environ, "PROBE_CLOCK": ""}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "probe", *serve], stderr=subprocess.PIPE, text=True, env=environment
        )
        self.said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until_up(self, address: str | None = None, verify: ssl.SSLContext | bool = True) -> None:
        """Its own answer, whatever it is."""
        url = f"{address or base(self.config)}/api/v1/checkin"
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the collector ended: {self.process.communicate()[1]}")
            try:
                httpx.get(url, verify=verify, trust_env=False)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the collector does not answer")

    def stop(self) -> int:
        """Its exit status, after SIGTERM."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self._listen()
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self._listen()

    def _listen(self) -> None:
        """To the end of what it says."""
        if self.process.stderr is not None and not self.process.stderr.closed:
            self.said = self.process.communicate(timeout=_PATIENCE)[1]


@contextmanager
def running(config: CollectorConfig, *arguments: str) -> Iterator[Running]:
    with Running(config, *(arguments or ("--role", "ingest"))) as collector:
        collector.wait_until_up()
        yield collector


def children(process: int) -> dict[int, list[str]]:
    """The command lines of the processes that this one started, by number."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == process and fields[0] != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text().split("\0")
    return found
