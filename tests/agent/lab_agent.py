"""A lab with a collector's stand-in in its world, and `probe run` as a process at its vantage point.

The probe's clock runs `SPEED` times as fast: its rounds of a minute take seconds, its time-outs stay what they are.
"""

import base64
import contextlib
import datetime as dt
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from probe.agent.consent import record_consent
from probe.agent.contacts import contacts
from probe.agent.credentials import Credentials, save_credentials
from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.clock import set_scenario
from probe.lab.internet import internet
from probe.lab.lab import Lab
from probe.lab.processes import environment
from probe.lab.scenario.subset import write_catalogue
from probe.wire.reports import Report

from .collector_stand_in import TOKEN, Seen, Trouble
from .lab_asking import Asking

SHIPPED = load_catalogue(default_catalogue_path())
PLATFORMS = ("x", "bluesky")
SPEED = 20.0
PORT = 8640
STATUS = "http://127.0.0.1:9640/status"
_ROOT = Path(__file__).parents[2]
_PATIENCE = 60.0  # seconds for what is waited for


class AgentLab:
    """Use `agent_lab`."""

    def __init__(self, lab: Lab, platforms: Sequence[str], vantage: Asking, outside: Asking) -> None:
        self.lab, self.catalogue_key = lab, ""
        self._vantage, self._outside = vantage, outside
        self.collector = f"{lab.world.sites[0].addresses[0]}:{PORT}"
        self.clock = lab.folder / "clock.json"
        set_scenario(self.clock, dt.datetime.now(dt.UTC), SPEED)
        write_catalogue(
            msgspec.structs.replace(SHIPPED, platforms=tuple(p for p in SHIPPED.platforms if p.id in platforms)),
            lab.folder / "catalogue",
        )

    def home(self, name: str, **more: object) -> "Home":
        """A state folder with consent and credentials, and a configuration."""
        return Home(self, self.lab.folder / name, more)

    def seen(self) -> Seen:
        return msgspec.json.decode(self._outside.ask(f"{self._stand_in}/seen"), type=Seen)

    def trouble(self, trouble: Trouble | None) -> None:
        self._outside.ask(f"{self._stand_in}/trouble", "PUT", msgspec.json.encode(trouble))

    def untroubled(self) -> bool:
        """Whether the trouble has befallen as many requests as it should."""
        return self._outside.ask(f"{self._stand_in}/trouble") == b"null"

    def reports(self) -> list[Report]:
        return [msgspec.json.decode(body, type=Report) for body in self.seen().bodies]

    def page(self, url: str) -> str:
        """Of the probe's own machine."""
        return self._vantage.ask(url).decode()

    @property
    def _stand_in(self) -> str:
        return f"http://{self.collector}/api/v1/stand-in"


class Home:
    """Of one probe: its files, and its process while it runs."""

    def __init__(self, world: AgentLab, folder: Path, more: dict[str, object]) -> None:
        self.world, self.folder = world, folder
        self.state, self.config = folder / "state", folder / "probe.yaml"
        self.log = folder / "log"
        folder.mkdir()
        record_consent(self.state, dt.datetime.now(dt.UTC), "accept-risks", contacts(SHIPPED.infrastructure))
        keys = (world.catalogue_key,)
        save_credentials(self.state, Credentials(token=TOKEN, role="probe", collector="stand-in", catalogue_keys=keys))
        self.configure(**more)
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, **more: object) -> None:
        lab = self.world.lab
        settings: dict[str, object] = {
            "state": "state",
            "collectors": [f"http://{self.world.collector}"],
            "interval": 60,
            "budget": 0,
            "catalogue": str(lab.folder / "catalogue"),
            "ca_file": str(lab.ca_file),
            "geo": [str(lab.geo_file)],
            "timeout": 3,
        }
        self.config.write_text(json.dumps(settings | more))

    def start(self, *, clock: Path | None = None, before: str = "", real_time: bool = False) -> subprocess.Popen[bytes]:
        """`before`: shell commands in the mount namespace that the process then has to itself. `real_time`: by the
        machine's own clock."""
        probe = [sys.executable, "-m", "probe", "--log-level", "info", "run", "--config", str(self.config)]
        shell = ["sh", "-c", f'{before or ":"}; exec "$@"', "sh", *probe]
        env = environment(self.folder)
        if not real_time:
            env["PROBE_CLOCK"] = str(clock or self.world.clock)
        with self.log.open("ab") as log:
            entered = ["ip", "netns", "exec", self.world.lab.vantage, *shell]
            self.process = subprocess.Popen(entered, env=env, stdout=log, stderr=log, cwd=self.folder)
        return self.process

    @contextlib.contextmanager
    def running(self, **how: Any) -> Iterator["Home"]:
        process = self.start(**how)
        try:
            self.wait(lambda: "round" in self.status())
            yield self
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                finally:
                    process.kill()
                    process.wait()

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def status(self) -> dict[str, Any]:
        assert self.process is None or self.process.poll() is None, f"it ended: {self.said()}"
        try:
            found: dict[str, Any] = json.loads(self.world.page(STATUS))
        except OSError:
            return {}
        return found

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def round(self) -> int:
        return int(self.status().get("round", {}).get("number", 0))

    def wait(self, until: Callable[[], object], seconds: float = _PATIENCE, *, every: float = 0.1) -> None:
        end = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < end, f"waited in vain; it said: {self.said()[-2000:]}"
            time.sleep(every)

    def wait_for_rounds(self, count: int = 2) -> None:
        now = self.round()
        self.wait(lambda: self.round() >= now + count)


@contextlib.contextmanager
def agent_lab(platforms: Sequence[str] = PLATFORMS) -> Iterator[AgentLab]:
    """`platforms`: those that the lab's world has, and its probes' catalogue."""
    with Lab(internet(SHIPPED, platforms=platforms), geo=True) as lab, contextlib.ExitStack() as stack:
        vantage = stack.enter_context(Asking(lab.vantage))
        world = AgentLab(lab, platforms, vantage, stack.enter_context(Asking(lab.layout.world)))
        command = ["ip", "netns", "exec", lab.layout.world, sys.executable, "-m", "tests.agent.lab_collector"]
        env = environment(lab.folder) | {"PYTHONPATH": str(_ROOT)}
        process = subprocess.Popen([*command, world.collector], env=env, stdout=subprocess.PIPE, cwd=_ROOT)
        stack.callback(process.wait)
        stack.callback(process.kill)
        assert process.stdout is not None
        stack.callback(process.stdout.close)
        ready, world.catalogue_key = process.stdout.readline().decode().split()
        assert ready == "ready"
        yield world


def unpacked(text: str) -> str:
    """With whatever is encoded in base64 beside it: bodies of pages, payloads that are signed."""
    words = [word for word in text.replace('"', " ").split() if len(word) > 16]
    return text + "\n".join(filter(None, map(_decoded, words)))


def _decoded(word: str) -> str:
    try:
        return base64.b64decode(word, validate=True).decode("latin-1")
    except ValueError:
        return ""
