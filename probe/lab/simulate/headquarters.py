"""A collector of our own for one scenario: an ordinary `probe collector serve` on loopback, in a folder that goes away.

It takes this machine for its reverse proxy and has a table of the scenario's networks, so that it finds virtual probes
where they say they are, by the same lookup as in earnest.
"""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import msgspec

from probe.catalogue.model import Catalogue
from probe.lab.geo import write_mmdb
from probe.lab.model import CommandFailed, LabError, Origin
from probe.lab.processes import environment
from probe.lab.scenario.model import Scenario
from probe.lab.scenario.subset import write_catalogue

_READY = 60.0  # seconds
_LOOK = 0.1
_COMMANDS = 120.0
_PATIENCE = 10.0
_STOP = 10.0
_ONE_AFTER_ANOTHER = (
    "import json, sys; from probe.cli.main import run; sys.exit(any([run(a) for a in json.load(sys.stdin)]))"
)
_NO_LIMIT = 1_000_000  # a minute: a standing clock would never let anybody in again
_LEASE = 4  # rounds at least


class Wanted(msgspec.Struct, frozen=True):
    """Invitations: so many of a role, all of one steward."""

    role: str
    steward: str
    count: int = 1


class Headquarters:
    """A context. `port` 0: any that is free."""

    def __init__(self, folder: Path, scenario: Scenario, catalogue: Catalogue, port: int = 0) -> None:
        self._folder = folder
        self.clock_file = folder / "clock.json"
        self.url = f"http://127.0.0.1:{port or free_port()}"
        self._scenario, self._catalogue = scenario, catalogue
        self._config = folder / "collector.yaml"
        self._running: subprocess.Popen[bytes] | None = None

    def prepare(self, origins: tuple[Origin, ...], wanted: Sequence[Wanted]) -> list[list[str]]:
        """The codes of the invitations for each. Needs the clock to be set. Raises LabError."""
        geo = write_mmdb(origins, self._folder / "networks.mmdb")
        catalogue = write_catalogue(self._catalogue, self._folder / "catalogue")
        self._config.write_text(json.dumps(self._form(geo, catalogue)))
        key = str(self._folder / "catalogue-key.pem")
        commands = [["init", str(self._config), "--catalogue-key", key]]
        commands += [["invite", "--config", str(self._config), "--format", "json", *_options(one)] for one in wanted]
        said = self._commands(commands)
        codes = iter([code_of(json.loads(line)["url"]) for line in said.splitlines() if line.startswith("{")])
        return [[next(codes) for _ in range(one.count)] for one in wanted]

    def open(self) -> None:
        """Returns at once; `wait` for it. Its log stays in the folder."""
        log = self._folder / "collector.log"
        command = [sys.executable, "-m", "probe", "collector", "serve", "--config", str(self._config)]
        with log.open("ab") as out:
            self._running = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self._environment(), cwd=self._folder
            )

    def wait(self) -> None:
        """Raises LabError where it does not get ready."""
        late = time.monotonic() + _READY
        while not self._ready():
            self.check()
            if time.monotonic() > late:
                raise LabError(f"the collector does not get ready within {_READY:g} s: {self._last_words()}")
            time.sleep(_LOOK)

    def check(self) -> None:
        """Raises LabError where it has ended."""
        if self._running is not None and self._running.poll() is not None:
            raise LabError(f"the collector ended with {self._running.returncode}: {self._last_words()}")

    def close(self) -> None:
        if self._running is None:
            return
        self._running.terminate()
        try:
            self._running.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()

    def __enter__(self) -> "Headquarters":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _form(self, geo: Path, catalogue: Path) -> dict[str, object]:
        limits = ("reports_per_minute", "requests_per_minute", "enrolments_per_minute")
        return {
            "state": str(self._folder / "collector"),
            "name": f"a simulation of {self._scenario.name}",
            "listen": self.url.removeprefix("http://"),
            "url": self.url,
            "geo": [str(geo)],
            "trusted_proxies": ["127.0.0.1"],
            "catalogue": str(catalogue),
            "lease": max(3600.0, _LEASE * self._scenario.interval),
            "limits": dict.fromkeys(limits, _NO_LIMIT),
            "web": {"agreed": sorted({isp.asn for isp in self._scenario.isps})},
        }

    def _commands(self, commands: Sequence[Sequence[str]]) -> str:
        """What they printed, all in one interpreter: to start it is what takes the time."""
        try:
            done = subprocess.run(
                [sys.executable, "-c", _ONE_AFTER_ANOTHER],
                input=json.dumps([["collector", *command] for command in commands]),
                check=False,
                capture_output=True,
                text=True,
                timeout=_COMMANDS,
                env=self._environment(),
                cwd=self._folder,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(f"setting up a collector took longer than {_COMMANDS:g} s") from error
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["it said nothing"]
            raise CommandFailed(f"a collector cannot be set up: {said[-1]}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return environment(self._folder) | {"PROBE_CLOCK": str(self.clock_file)}

    def _ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/readyz", timeout=_PATIENCE, trust_env=False).is_success
        return False

    def _last_words(self) -> str:
        said = (self._folder / "collector.log").read_text(errors="replace").strip().splitlines()
        return said[-1] if said else "it said nothing"


def _options(wanted: Wanted) -> list[str]:
    return ["--role", wanted.role, "--steward", wanted.steward, "--count", str(wanted.count)]


def code_of(invitation: str) -> str:
    """The part of an invitation that enrols. Raises LabError where it is none."""
    code = invitation.partition("#")[2].partition(".")[0]
    if not code:
        raise LabError(
            f"{invitation[:80]!r} is no invitation: they look like https://collector.example/invite#CODE.KEY"
        )
    return code


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
