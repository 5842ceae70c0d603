"""The scenario's collector: an ordinary `probe collector serve` in the world, at an address that probes can reach."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from probe.lab.lab import Lab
from probe.lab.model import LabError, Origin, Site
from probe.lab.scenario.backstage import Backstage, Running
from probe.lab.scenario.inside import get

ADDRESS, PORT = "49.12.20.20", 8640
URL = f"http://{ADDRESS}:{PORT}"
SITE = Site(name="collector.example", addresses=(ADDRESS,), ports={})  # the address alone: the collector serves it
ORIGIN = Origin(prefix="49.12.0.0/16", asn=24940, country="DE", name="Hetzner")
_READY = 60.0  # seconds
_LOOK = 0.1
_PAGE = 1000  # incidents


class Headquarters:
    def __init__(
        self, lab: Lab, backstage: Backstage, catalogue: Path, asns: Sequence[int], more: Mapping[str, object]
    ) -> None:
        """`more`: further keys of its configuration."""
        self._namespace, self._backstage = lab.layout.world, backstage
        self._config = backstage.folder / "collector.yaml"
        state = backstage.folder / "collector"
        form = {
            "state": str(state),
            "name": "the lab",
            "listen": f"{ADDRESS}:{PORT}",
            "url": URL,
            "geo": [str(lab.geo_file)],
            "catalogue": str(catalogue),
            "web": {"agreed": list(asns)},  # nobody here minds being seen alone
            **more,
        }
        self._config.write_text(json.dumps(form))
        self._running: Running | None = None

    def open(self) -> None:
        """Returns when it answers. Raises LabError."""
        key = str(self._backstage.folder / "catalogue-key.pem")
        self._command("init", str(self._config), "--catalogue-key", key)
        arguments = ["collector", "serve", "--config", str(self._config)]
        self._running = self._backstage.start(self._namespace, "collector", arguments)
        late = time.monotonic() + _READY
        while not self._ready():
            self._running.check()
            if time.monotonic() > late:
                raise LabError(f"the collector does not get ready within {_READY:g} s")
            time.sleep(_LOOK)

    def invite(self, role: str, steward: str) -> str:
        arguments = ["--config", str(self._config), "--role", role, "--steward", steward, "--format", "json"]
        said = self._command("invite", *arguments)
        return str(json.loads(said.splitlines()[0])["url"])

    def incidents(self) -> list[dict[str, Any]]:
        """As the API gives them, each in full. Raises LabError."""
        return [self._get(f"/incidents/{listed['id']}") for listed in self._get(f"/incidents?limit={_PAGE}")["items"]]

    def _get(self, path: str) -> dict[str, Any]:
        try:
            body = get(self._namespace, ADDRESS, PORT, f"/api/v1{path}", {"Accept": "application/json"})
        except OSError as error:
            raise LabError(f"the collector does not tell its incidents: {error}") from error
        found: dict[str, Any] = json.loads(body)
        return found

    def end(self) -> None:
        if self._running is not None:
            self._running.end()

    def _command(self, *arguments: str) -> str:
        return self._backstage.command(self._namespace, ["collector", *arguments])

    def _ready(self) -> bool:
        try:
            get(self._namespace, ADDRESS, PORT, "/readyz")
        except OSError:
            return False
        return True
