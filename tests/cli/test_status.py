"""What `probe status` says of a running probe, and of one that does not run."""

import datetime as dt
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from probe.agent.state import (
    AgentState,
    BudgetState,
    DocumentState,
    PlatformState,
    RoundState,
    ServiceState,
    SpoolState,
    UplinkState,
)
from probe.wire.measurement import Network
from probe.wire.vocabulary import Outcome, Technique

from .owner import Done, at_terminal, run

NOW = dt.datetime(2020, 2, 27, 21, 0, tzinfo=dt.UTC)
SINCE = NOW - dt.timedelta(minutes=30)
DROPPED = (Technique.SNI_DROP,)
STATE = AgentState(
    agent="censorship-probe/1.0",
    started_at=NOW - dt.timedelta(days=3),
    now=NOW,
    network=Network(asn=9121, name="Türk Telekom", country="TR", resolver_asn=15169),
    network_by="lease",
    services=(
        ServiceState(platform="x", service="web", outcome=Outcome.BLOCKED, techniques=DROPPED, since=SINCE),
        ServiceState(platform="signal", service="api", outcome=Outcome.OK),
    ),
    platforms=(
        PlatformState(platform="x", name="X (Twitter)", outcome=Outcome.BLOCKED, techniques=DROPPED, since=SINCE),
        PlatformState(platform="signal", name="Signal", outcome=Outcome.OK),
    ),
    round=RoundState(
        number=9,
        ended_at=NOW - dt.timedelta(seconds=40),
        ended="ok",
        duration=12.0,
        next_at=NOW + dt.timedelta(minutes=4),
    ),
    spool=SpoolState(measurements=12, bytes=34_000, dropped=3),
    budget=BudgetState(limit=100_000_000, used=42_000_000),
    uplink=UplinkState(
        state="waiting", collector="https://c.example", failure="its name cannot be resolved", failed_at=SINCE
    ),
    catalogue=DocumentState(version="abc", source="downloaded", made_at=SINCE),
    expectations=DocumentState(version="e1", source="downloaded", made_at=NOW - dt.timedelta(days=2), stale=True),
    notes=("a newer version is wanted",),
)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """Who listens where a probe would."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/status" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def asked(folder: Path, body: bytes, *arguments: str, status: int = 200) -> Done:
    with answering(status, body) as listen:
        return await run(folder, "status", "--listen", listen, *arguments)


async def test_piped_it_is_a_line_a_fact(tmp_path: Path) -> None:
    done = await asked(tmp_path, msgspec.json.encode(STATE))
    assert done.status == 0
    assert done.stdout.splitlines() == [
        "x web blocked sni-drop",
        "signal api ok",
        "network: AS9121 Türk Telekom TR, by the collector; resolver in AS15169",
        "round: number 9 ok 40 s ago, took 12 s, the next in 4 min",
        "collector: https://c.example: waiting; its name cannot be resolved (30 min ago)",
        "waiting: 12 measurements, 34.0 kB; 3 dropped for lack of room",
        "data: 42.0 MB in 24 hours of 100.0 MB",
        "catalogue: version abc, downloaded, made 30 min ago",
        "expectations: version e1, downloaded, made 2 days ago (stale)",
        "note: a newer version is wanted",
        "probe: censorship-probe/1.0, probe, running for 3 days",
    ]


async def test_a_probe_that_has_just_begun_claims_nothing(tmp_path: Path) -> None:
    state = AgentState(agent="a", started_at=NOW, now=NOW, round=RoundState(number=1, measured=3, planned=9))
    done = await asked(tmp_path, msgspec.json.encode(state))
    assert "round: number 1, 3 of 9 endpoints so far" in done.stdout
    assert "network: not known" in done.stdout


async def test_a_terminal_gets_a_table(tmp_path: Path) -> None:
    with answering(200, msgspec.json.encode(STATE)) as listen:
        done = await at_terminal(tmp_path, [], "status", "--listen", listen)
    assert done.status == 0
    assert "X (Twitter)" in done.stdout
    assert "\x1b[" in done.stdout


async def test_as_json_it_is_the_whole_state(tmp_path: Path) -> None:
    done = await asked(tmp_path, msgspec.json.encode(STATE), "--format", "json")
    assert msgspec.convert(json.loads(done.stdout), AgentState) == STATE


@pytest.mark.parametrize(("body", "status"), [(b"hello", 200), (b"{}", 200), (b"", 404), (b"{", 200)])
async def test_another_program_at_that_port_is_told_from_a_probe(body: bytes, status: int, tmp_path: Path) -> None:
    done = await asked(tmp_path, body, status=status)
    assert (done.status, done.stdout) == (1, "")
    assert "is no probe" in done.stderr
    assert done.stderr.count("\n") == 1


async def test_a_probe_that_does_not_run_is_one_line_that_says_how_to_start_it(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
        (tmp_path / "probe.yaml").write_text(f"metrics: {{listen: '{listen}'}}\n")
        done = await run(tmp_path, "status", "--config", tmp_path / "probe.yaml")
    assert (done.status, done.stdout) == (1, "")
    assert f"no probe answers at {listen}" in done.stderr
    assert "probe run" in done.stderr
    assert done.stderr.count("\n") == 1


async def test_a_probe_that_shows_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "probe.yaml").write_text("metrics: {listen: ''}\n")
    done = await run(tmp_path, "status", "--config", tmp_path / "probe.yaml")
    assert done.status == 2
    assert "metrics.listen is empty" in done.stderr


async def test_watching_is_for_terminals(tmp_path: Path) -> None:
    done = await run(tmp_path, "status", "--watch")
    assert (done.status, "--watch is for terminals" in done.stderr) == (2, True)
