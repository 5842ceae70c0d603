"""Real receivers on loopback: one that takes webhooks, and Debian's Alertmanager."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

CONFIG = "route: {receiver: nobody, group_wait: 0s}\nreceivers: [{name: nobody}]\n"


class Receiver:
    """Keeps what was posted; answers the statuses it was given, then 204."""

    def __init__(self, *statuses: int, headers: dict[str, str] | None = None) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        statuses_left, more = list(statuses), headers or {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = statuses_left.pop(0) if statuses_left else 204
                if status < 300:
                    receiver.taken.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiving(*statuses: int, headers: dict[str, str] | None = None) -> Iterator[Receiver]:
    receiver = Receiver(*statuses, headers=headers)
    try:
        yield receiver
    finally:
        receiver.close()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def alertmanager(folder: Path, port: int) -> Iterator[str]:
    """Its base URL, once it is ready."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("prometheus-alertmanager is not installed: apt-get install prometheus-alertmanager")
    folder.mkdir(exist_ok=True)
    (folder / "config.yml").write_text(CONFIG)
    listen = [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    files = [f"--config.file={folder / 'config.yml'}", f"--storage.path={folder / 'data'}"]
    process = subprocess.Popen([program, *files, *listen], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_ready(f"http://127.0.0.1:{port}/-/ready")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def wait_ready(url: str) -> None:
    for _ in range(600):
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"{url} does not get ready")


def alerts(base: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{base}/api/v2/alerts", trust_env=False)
    listed: list[dict[str, Any]] = json.loads(answer.raise_for_status().text)
    return listed
