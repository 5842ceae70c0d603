"""`probe incidents` against a real API on loopback: tables for people, lines for scripts, one line a fault."""

import functools
import json
import os
import pty
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from probe.collector.analyse.journal import JOURNAL
from probe.collector.compose.shown import JournalIncidents
from tests.cli.running import PROBE
from tests.collector.compose.fleet import WORDING
from tests.collector.compose.replaying import entries, live
from tests.collector.web.conftest import Served, serving
from tests.collector.web.test_incidents import _logged


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("incidents")
    live(folder, entries())
    trio.run(_logged, folder)
    return folder


@pytest.fixture
async def served(state: Path) -> AsyncIterator[Served]:
    async with serving(state, incidents=JournalIncidents(state / JOURNAL, WORDING)) as made:
        yield made


@pytest.fixture
async def closed(state: Path) -> AsyncIterator[Served]:
    async with serving(state, public=False, incidents=JournalIncidents(state / JOURNAL, WORDING)) as made:
        yield made


def base(served: Served) -> str:
    return str(served.client.base_url).rstrip("/")


async def run(served: Served | None, *arguments: str, token: str | None = "reader") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **({"PROBE_COLLECTOR": base(served)} if served else {})}
    env |= {"PROBE_TOKEN": token} if token else {}
    command = [*PROBE, "incidents", *arguments]
    running = functools.partial(subprocess.run, command, capture_output=True, text=True, check=False, env=env)
    return await trio.to_thread.run_sync(running)


async def test_the_list_when_piped_is_a_line_an_incident(served: Served) -> None:
    found = await run(served, "list", "--country", "tr")
    (line,) = found.stdout.splitlines()
    name, kind, country, state, onset, ended, platforms, asns, techniques = line.split("\t")
    assert (kind, country, state, platforms, techniques) == ("restriction", "TR", "ended", "x", "sni-reset")
    assert "AS9121" in asns
    assert onset < ended
    assert name.startswith("tr-restriction-")
    assert (await run(served, "list", "--active")).stdout == ""
    assert (await run(served, "list", "--country", "DE")).stdout == ""


async def test_json_is_one_object_a_line_as_the_api_gives_it(served: Served) -> None:
    (row,) = map(json.loads, (await run(served, "list", "--format", "json")).stdout.splitlines())
    answer = await served.client.get("/api/v1/incidents", headers={"Authorization": "Bearer reader"})
    assert row == answer.json()["items"][0]
    (one,) = map(json.loads, (await run(served, "show", row["id"], "--format", "json")).stdout.splitlines())
    assert one["history"]
    assert one["id"] == row["id"]


async def test_one_incident_in_words(served: Served) -> None:
    (row,) = map(json.loads, (await run(served, "list", "--format", "json")).stdout.splitlines())
    found = await run(served, "show", row["id"][:18])
    assert found.returncode == 0, found.stderr
    text = found.stdout
    assert text.startswith("Over after ")
    for words in ("local time", "Türk Telekom (AS9121)", "not affected: facebook (web)", "sni-reset", "confirmed"):
        assert words in text, words
    assert "\x1b" not in text


async def test_a_terminal_gets_colour(served: Served) -> None:
    shown = await trio.to_thread.run_sync(_on_terminal, base(served), "list")
    assert "\x1b[" in shown
    assert "restriction" in shown


def _on_terminal(collector: str, *arguments: str) -> str:
    ours, theirs = pty.openpty()
    env = {
        **os.environ,
        "PROBE_COLLECTOR": collector,
        "PROBE_TOKEN": "reader",
        "TERM": "xterm-256color",
        "COLUMNS": "110",
    }
    env.pop("NO_COLOR", None)
    process = subprocess.Popen([*PROBE, "incidents", *arguments], stdout=theirs, env=env)
    os.close(theirs)
    found = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        found += part
    assert process.wait() == 0
    os.close(ours)
    return found.decode()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("list", "--collector", "ftp://a"), 2, "no address of a collector"),
        (("list", "--collector", "http://127.0.0.1:9"), 1, "no collector answers"),
        (("list", "--since", "soon"), 2, "--since 'soon': no time"),
        (("list", "--since", "2026-11-22", "--until", "2026-11-21"), 2, "must lie before"),
        (("list", "--country", "Turkey"), 2, "country"),
        (("show", "nothing"), 2, "no incident 'nothing'"),
        (("show", "../measurements"), 2, "no incident"),
        (("show", "a\nb"), 2, "no incident"),
    ],
)
async def test_faults_are_one_line(served: Served, arguments: tuple[str, ...], status: int, says: str) -> None:
    found = await run(served, *arguments)
    assert (found.returncode, found.stdout) == (status, ""), found.stderr
    (line,) = [line for line in found.stderr.splitlines() if line.startswith("Error: ")]
    assert says in line
    assert "Traceback" not in found.stderr


async def test_a_closed_collector_wants_a_token(closed: Served) -> None:
    refused = await run(closed, "list", token=None)
    assert refused.returncode == 2
    assert "PROBE_TOKEN" in refused.stderr
    assert (await run(closed, "list", token="unknown")).returncode == 2
    assert (await run(closed, "list")).stdout.startswith("tr-restriction-")


def test_help_is_told_without_the_network() -> None:
    found = subprocess.run([*PROBE, "incidents", "list", "--help"], capture_output=True, text=True, check=True)
    assert "Example:" in found.stdout
