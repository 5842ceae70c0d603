"""A vantage point's probe: an ordinary `probe run`, enrolled with the scenario's collector by an invitation."""

import json
from pathlib import Path
from typing import Any

from probe.lab.scenario.backstage import Backstage, Running
from probe.lab.scenario.history import Said, Word, words_of
from probe.lab.scenario.inside import get
from probe.lab.scenario.model import Scenario
from probe.lab.scenario.population import Vantage

_EXPORTER = ("127.0.0.1", 9640)
_TIMEOUT = 3.0  # seconds a connection may take: the lab's world is milliseconds away; `speed` changes nothing about it
_CONCURRENCY = 8
_SELDOM = 1000  # rounds


class Agent:
    def __init__(self, vantage: Vantage, backstage: Backstage, scenario: Scenario, catalogue: Path) -> None:
        self.vantage = vantage
        self._backstage = backstage
        self._name = f"{'control' if vantage.control else 'probe'}-as{vantage.asn}-{vantage.number}"
        self._state = backstage.folder / self._name
        self._config = backstage.folder / f"{self._name}.yaml"
        self._config.write_text(json.dumps(self._form(scenario, catalogue)))
        self._running: Running | None = None

    @property
    def role(self) -> str:
        return "control" if self.vantage.control else "probe"

    @property
    def steward(self) -> str:
        """Each has an owner of its own."""
        return f"owner of {self._name}"

    def enrol(self, invitation: str, elsewhere: str) -> None:
        """Whoever has trouble at home enrolled before that, in the namespace `elsewhere`. Raises CommandFailed."""
        files = ["--config", str(self._config), "--state", str(self._state)]
        arguments = ["setup", "--accept-risks", "--no-service", "--invitation", invitation, *files]
        self._backstage.command(elsewhere if self.vantage.trouble else self.vantage.namespace, arguments)

    @property
    def process(self) -> int | None:
        """While it runs."""
        return self._running.process if self._running is not None else None

    def start(self) -> None:
        arguments = ["run", "--config", str(self._config)]
        self._running = self._backstage.start(self.vantage.namespace, self._name, arguments)

    def said(self) -> Said:
        """What it makes of every service now. Raises LabError where it has ended."""
        if self._running is not None:
            self._running.check()
        try:
            state: dict[str, Any] = json.loads(get(self.vantage.namespace, *_EXPORTER, "/status"))
        except (OSError, ValueError) as error:
            return Said(vantage=self.vantage, fault=str(error))
        words = words_of([*state.get("services", ()), *state.get("platforms", ())])
        if state["round"].get("void"):  # what it knows is from before
            words = dict.fromkeys(words, Word(outcome="void"))
        return Said(vantage=self.vantage, words=words)

    def end(self) -> None:
        if self._running is not None:
            self._running.end()

    def _form(self, scenario: Scenario, catalogue: Path) -> dict[str, object]:
        """JSON is YAML too."""
        return {
            "state": str(self._state),
            "role": self.role,
            "catalogue": str(catalogue),
            "interval": scenario.interval,
            "budget": 0,
            "concurrency": _CONCURRENCY,
            "page_every": _SELDOM if scenario.light else 1,
            "timeout": _TIMEOUT,
            "metrics": {"listen": "{}:{}".format(*_EXPORTER)},
        }
