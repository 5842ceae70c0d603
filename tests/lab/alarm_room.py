"""Who hears of a scenario's incidents: Debian's Prometheus and Alertmanager with the shipped configurations, and two
receivers of webhooks, all of them beside the collector."""

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec
import pytest

from probe.lab.lab import Lab
from probe.lab.processes import environment
from probe.lab.scenario.headquarters import ADDRESS, PORT
from probe.lab.scenario.inside import get
from probe.lab.scenario.run import Company

CONFIGS = Path(__file__).parents[2] / "configs"
RECEIVER = Path(__file__).with_name("hook_receiver.py")
PROMETHEUS, ALERTMANAGER = 9090, 9093
DESK, ON_CALL = 9098, 9099  # the second is where the shipped configuration of Alertmanager sends
SECRET = "signs each notice"
LOOK = 0.25  # seconds
PATIENCE = 150.0  # seconds: Alertmanager gathers for a minute before it tells that something is over
NOTIFY = [
    {"name": "alerts", "type": "alertmanager", "url": f"http://127.0.0.1:{ALERTMANAGER}"},
    {"name": "desk", "type": "webhook", "url": f"http://127.0.0.1:{DESK}/hook", "secret": SECRET},
]


class Hook(msgspec.Struct, frozen=True):
    """A webhook that came, at a time of the machine's clock."""

    at: float
    headers: dict[str, str]
    body: str

    @property
    def content(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told


class AlarmRoom:
    """`confirmed`, `alerted`, `ruled`: when the collector's API, Alertmanager and Prometheus first showed each
    incident, by the machine's clock. What was posted is kept when the lab is gone."""

    def __init__(self) -> None:
        self.confirmed: dict[str, float] = {}
        self.alerted: dict[str, float] = {}
        self.ruled: dict[str, float] = {}
        self.desk: list[Hook] = []
        self.on_call: list[Hook] = []
        self._left = Event()

    @property
    def company(self) -> Company:
        return Company(collector={"notify": NOTIFY}, beside=self.manned)

    @contextlib.contextmanager
    def manned(self, lab: Lab) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            world = _World(lab, stack)
            watch = Thread(target=self._watch, args=(world,))
            watch.start()
            try:
                yield
                _waited(lambda: not world.alerts() and any(_resolved(hook) for hook in world.hooks(ON_CALL)))
            finally:
                self.desk, self.on_call = world.hooks(DESK), world.hooks(ON_CALL)
                self._left.set()
                watch.join()

    def _watch(self, world: "_World") -> None:
        while not self._left.wait(LOOK):
            now = time.time()
            for incident in world.confirmed():
                self.confirmed.setdefault(incident, now)
            for incident in world.alerts():
                self.alerted.setdefault(incident, now)
            for incident in world.ruled():
                self.ruled.setdefault(incident, now)


class _World:
    """The programs, in the world's namespace until the stack is left."""

    def __init__(self, lab: Lab, stack: contextlib.ExitStack) -> None:
        self._lab, self._stack = lab, stack
        self._namespace, self._folder = lab.layout.world, lab.folder / "alarms"
        self._folder.mkdir()
        for port in (DESK, ON_CALL):
            self._start(f"hooks-{port}", sys.executable, str(RECEIVER), str(port), str(self._file(port)))
        configs = shutil.copytree(CONFIGS / "prometheus", self._folder / "prometheus")
        config = configs / "prometheus.yml"
        config.write_text(_here(config.read_text()))
        self._start(
            "alertmanager",
            _installed("prometheus-alertmanager"),
            f"--config.file={CONFIGS / 'alertmanager' / 'alertmanager.yml'}",
            f"--storage.path={self._folder / 'alertmanager-data'}",
            f"--web.listen-address=127.0.0.1:{ALERTMANAGER}",
            "--cluster.listen-address=",
        )
        self._start(
            "prometheus",
            _installed("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'prometheus-data'}",
            f"--web.listen-address=127.0.0.1:{PROMETHEUS}",
        )

    def confirmed(self) -> set[str]:
        listed = self._get(ADDRESS, PORT, "/api/v1/incidents")
        return {incident["id"] for incident in (listed or {"items": []})["items"] if incident.get("confirmed_at")}

    def alerts(self) -> set[str]:
        """The incidents of those that fire: told by the collector, or by Prometheus's rules."""
        listed = self._get("127.0.0.1", ALERTMANAGER, "/api/v2/alerts?filter=incident!=")
        return {alert["labels"]["incident"] for alert in listed or ()}

    def ruled(self) -> set[str]:
        listed = self._get("127.0.0.1", PROMETHEUS, "/api/v1/alerts")
        labels = [alert["labels"] for alert in (listed or {"data": {"alerts": []}})["data"]["alerts"]]
        return {label["incident"] for label in labels if "incident" in label}

    def hooks(self, port: int) -> list[Hook]:
        file = self._file(port)
        whole = file.read_text().rpartition("\n")[0] if file.exists() else ""
        return [msgspec.json.decode(line, type=Hook) for line in whole.splitlines()]

    def _file(self, port: int) -> Path:
        return self._folder / f"{port}.jsonl"

    def _get(self, address: str, port: int, path: str) -> Any:
        """None while it does not answer."""
        with contextlib.suppress(OSError):
            return json.loads(get(self._namespace, address, port, path, {"Accept": "application/json"}))
        return None

    def _start(self, name: str, *command: str) -> None:
        log = self._stack.enter_context((self._folder / f"{name}.log").open("wb"))
        entered = ["ip", "netns", "exec", self._namespace, *command]
        process = subprocess.Popen(entered, stdout=log, stderr=log, env=environment(self._folder))
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)


def _here(config: str) -> str:
    """The collector is elsewhere, and scraped more often; of the two ways to Alertmanager the collector's is taken."""
    for shipped, here in (("127.0.0.1:8640", f"{ADDRESS}:{PORT}"), ("l: 30s", "l: 2s"), ('["127.0.0.1:9093"]', "[]")):
        assert config.count(shipped) == 1, shipped
        config = config.replace(shipped, here)
    return config


def _resolved(hook: Hook) -> bool:
    return bool(hook.content["status"] == "resolved")


def _installed(program: str) -> str:
    return shutil.which(program) or pytest.skip(f"{program} is not installed: apt-get install {program}")


def _waited(until: Callable[[], Any]) -> None:
    late = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < late, "the alert is not resolved"
        time.sleep(LOOK)
