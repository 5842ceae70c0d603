"""A lab with one exporter, blackbox_exporter and Prometheus at its vantage point, some distance from the world."""

import contextlib
import json
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.lab.interference import NameFilter
from probe.lab.internet import internet
from probe.lab.lab import Lab
from probe.lab.model import Page, Redirects, Site
from probe.lab.processes import environment

from .exporter_distance import RULE
from .exporter_running import Reply
from .lab_asking import Asking

EACH_WAY = 0.08  # seconds
LISTEN, BLACKBOX, PROMETHEUS = "127.0.0.1:9640", "127.0.0.1:9115", "127.0.0.1:9090"
PAGE, PLAIN, MOVED = "https://page.example.net/", "http://plain.example.net/", "https://moved.example.net/"
FORBIDDEN, CLOSED, SILENT = (f"https://{name}.example.net/" for name in ("forbidden", "closed", "silent"))
FILTERED, NOWHERE = "https://filtered.example.net/", "https://nowhere.example.net/"
SECURE, CHAT, NAME = "tls://page.example.net:443", "tcp://page.example.net:80", "dns:page.example.net"
URLS = (PAGE, PLAIN, MOVED, FORBIDDEN, CLOSED, SILENT, FILTERED, NOWHERE, SECURE, CHAT, NAME)
_SLOW = 40_000.0  # bytes a second

SITES = (
    Site(name="page.example.net", addresses=("151.101.200.1",), content=Page(size=40_000), rate=_SLOW),
    Site(name="plain.example.net", addresses=("151.101.200.2", "151.101.200.3"), content=Page(size=20_000), rate=_SLOW),
    Site(name="moved.example.net", addresses=("151.101.200.4",), content=Redirects(hops=2, page=Page(size=9000))),
    Site(name="forbidden.example.net", addresses=("151.101.200.5",), content=Page(status=403)),
    Site(name="closed.example.net", addresses=("151.101.200.6",), ports={}),
    Site(name="silent.example.net", addresses=("151.101.200.7",), ports={443: "silent"}),
    Site(name="filtered.example.net", addresses=("151.101.200.8",)),
)
_BLACKBOX_CONFIG = """\
modules:
  http_2xx:
    prober: http
    timeout: 20s
    http: {{preferred_ip_protocol: ip4, tls_config: {{ca_file: {ca_file}}}}}
"""
_WAIT = """\
import socket, sys, time
while socket.socket().connect_ex((sys.argv[1], int(sys.argv[2]))):
    time.sleep(0.1)
"""


class World:
    """The lab and what runs at its vantage point."""

    def __init__(self, lab: Lab, stack: contextlib.ExitStack) -> None:
        self.lab = lab
        self._stack = stack
        self._asking = stack.enter_context(Asking(lab.vantage))

    def start(self, *command: str, ready: str | None = None, namespace: str | None = None) -> None:
        """Until the lab ends. `ready`: what it says when it is."""
        entered = ["ip", "netns", "exec", namespace or self.lab.vantage, *command]
        log = self._stack.enter_context((self.lab.folder / f"{Path(command[0]).name}.log").open("wb"))
        out = subprocess.PIPE if ready else log
        process = subprocess.Popen(entered, stdout=out, stderr=log, env=environment(self.lab.folder))
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        if ready:
            assert process.stdout is not None
            self._stack.callback(process.stdout.close)
            assert process.stdout.readline().decode().strip() == ready, Path(log.name).read_text()

    def wait_for(self, address: str) -> None:
        host, _, port = address.partition(":")
        self.lab.run(self.lab.vantage, [sys.executable, "-c", _WAIT, host, port], timeout=30)

    def fetch(self, url: str, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        status, body = self._asking.answer(url, headers=named)
        return Reply(status, {}, body.decode())

    def probe(self, url: str, module: str = "http_2xx", *, of: str = LISTEN, **headers: str) -> Reply:
        query = urllib.parse.urlencode({"target": url, "module": module})
        return self.fetch(f"http://{of}/probe?{query}", **headers)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers: the series, each with its value."""
        query = urllib.parse.urlencode({"query": expression})
        answer = json.loads(self.fetch(f"http://{PROMETHEUS}/api/v1/query?{query}").text)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


def write_catalogue(path: Path) -> None:
    endpoints = "".join(f"      - {{url: {json.dumps(url)}, source: made up, conf: M}}\n" for url in URLS)
    head = "id: shop\nname: Shop\ndomains: [example.net]\nservices:\n  web:\n    endpoints:\n"
    path.write_text(head + endpoints)


@contextlib.contextmanager
def lab_world() -> Iterator[World]:
    """Raises LabError where this machine cannot build a lab."""
    catalogue = load_catalogue(default_catalogue_path())
    censor = (NameFilter(names=("filtered.example.net",), action="reset"),)
    with Lab(internet(catalogue, SITES, platforms=()), censor) as lab, contextlib.ExitStack() as stack:
        made = World(lab, stack)
        made.start(
            *(sys.executable, "-m", "tests.agent.exporter_distance", str(EACH_WAY)),
            ready="ready",
            namespace=lab.network.router,
        )
        lab.run(lab.network.router, RULE)
        write_catalogue(lab.folder / "shop.yaml")
        files = (str(lab.folder / "shop.yaml"), str(lab.ca_file))
        made.start(sys.executable, "-m", "tests.agent.exporter_process", *files, LISTEN, ready="ready")
        yield made


def start_blackbox(made: World) -> None:
    config = made.lab.folder / "blackbox.yml"
    config.write_text(_BLACKBOX_CONFIG.format(ca_file=made.lab.ca_file))
    made.start("prometheus-blackbox-exporter", f"--config.file={config}", f"--web.listen-address={BLACKBOX}")
    made.wait_for(BLACKBOX)
