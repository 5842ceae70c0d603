"""`probe measure` and `probe judge` as people and scripts run them, at the vantage point of one lab."""

import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from fcntl import ioctl
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from probe.lab.lab import Lab
from probe.lab.processes import environment

from .running import ESCAPE, PROBE, Run, at_vantage, ended, run_in, started
from .world import FILTERED, HEALTHY, HOSTILE

ENDPOINT_FIELDS = [
    *("kind", "platform", "service", "endpoint", "outcome", "technique", "techniques", "injected", "confidence"),
    *("evidence", "started_at", "duration", "network", "steps"),
]
NOISY_RESOLVER = """\
import os, socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    query, peer = sock.recvfrom(4096)
    for noise in (os.urandom(500), query, query[:2] + os.urandom(40), query[:2] + b"\\x81\\x80" + b"\\xc0" * 99, b""):
        sock.sendto(noise, peer)
"""


class Waiting(NamedTuple):
    """Rounds that mostly wait, so they go on beside the other tests."""

    hostile: Future[Run]
    nonsense: Future[Run]
    blocked: Future[Run]
    unblocked: Future[Run]


@pytest.fixture(scope="module", autouse=True)
def waiting(lab: Lab) -> Iterator[Waiting]:
    urls = [f"https://{name}.example.net/" for name in HOSTILE]
    common = ["--timeout", "2", "--format", "json"]
    server = started(
        ["ip", "netns", "exec", lab.vantage, sys.executable, "-c", NOISY_RESOLVER], environment(lab.folder)
    )
    with ThreadPoolExecutor() as pool:
        hostile = pool.submit(run_in, lab, "measure", *urls, *common)
        nonsense = pool.submit(run_in, lab, "measure", HEALTHY, *common, "--resolver", "127.0.0.1")
        strict = [pool.submit(run_in, lab, "measure", url, "--fail-on-blocked", *common) for url in (FILTERED, HEALTHY)]
        yield Waiting(hostile, nonsense, *strict)
    server.process.kill()
    ended(server)


@pytest.fixture(scope="module")
def shop(lab: Lab) -> Run:
    """One round of the platform, and of a site, in JSON."""
    return run_in(lab, "measure", "shop", *("--catalogue", lab.folder / "shop.yaml"), "--format", "json")


def judged(run: Run) -> dict[str, tuple[Any, ...]]:
    keys = ("outcome", "techniques", "injected")
    return {
        line.get("endpoint") or line["input"]: tuple(map(str, (line[key] for key in keys)))
        for line in run.objects
        if line["kind"] in {"endpoint", "verdict"}
    }


# --- formats ---


def test_json_has_endpoints_then_services_then_platforms(shop: Run) -> None:
    lines = shop.objects
    assert [line["kind"] for line in lines] == ["endpoint", "endpoint", "service", "service", "platform"]
    assert [[key for key in line if key in ENDPOINT_FIELDS] for line in lines[:2]] == [ENDPOINT_FIELDS] * 2
    assert all(line.items() >= {"platform": "shop"}.items() for line in lines)
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:]+(\.\d+)?Z", line["started_at"]) for line in lines[:2])
    tallies = {line.get("service"): (line["outcome"], line["technique"], line["endpoints"]) for line in lines[2:]}
    assert tallies == {
        "web": ("ok", None, {"ok": 1}),
        "media": ("blocked", "sni-reset", {"blocked": 1}),
        None: ("partial", "sni-reset", {"ok": 1, "blocked": 1}),
    }


def test_json_of_a_blocked_endpoint_says_how_and_why(shop: Run) -> None:
    line = shop.endpoints[FILTERED]
    assert (line["outcome"], line["technique"], line["techniques"], line["injected"]) == (
        "blocked",
        "sni-reset",
        ["sni-reset"],
        False,
    )
    assert 0.5 < line["confidence"] <= 1
    assert all(set(evidence) == {"rule", "text"} for evidence in line["evidence"])
    assert {step["step"] for step in line["steps"]} == {"dns", "tcp", "tls"}
    assert all(0 <= step["t0"] <= step["t"] <= line["duration"] for step in line["steps"])
    assert line["network"] == {"vpn": False}  # with no table of networks nothing else is known


def test_a_piped_table_is_plain_lines(lab: Lab) -> None:
    shop: list[str | Path] = ["shop", HEALTHY.replace("healthy", "chain"), "--catalogue", lab.folder / "shop.yaml"]
    run = run_in(lab, "measure", *shop, env={"TERM": "xterm-256color"})
    assert (run.status, run.faults) == (0, [])
    assert ESCAPE not in run.stdout + run.stderr
    lines = run.stdout.splitlines()
    assert lines[:2] == ["shop web ok", "shop media blocked sni-reset"]
    assert "Shop media is blocked: connections are reset once the site's name is sent." in lines
    assert any(line.startswith("✓ https://chain.example.net/: reachable") for line in lines)


def test_ooni_lines_come_back_with_the_same_outcomes(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "ooni.jsonl"
    run = run_in(lab, "measure", HEALTHY, FILTERED, "--format", "ooni", "--output", file)
    assert (run.status, run.stdout) == (0, ""), run.stderr
    documents = [json.loads(line) for line in file.read_text().splitlines()]
    assert {document["input"] for document in documents} == {HEALTHY, FILTERED}
    for document in documents:
        assert (document["probe_ip"], document["data_format_version"]) == ("127.0.0.1", "0.2.0")
        assert document["test_name"] == "web_connectivity"
        assert document["test_keys"].keys() >= {
            "queries",
            "tcp_connect",
            "tls_handshakes",
            "requests",
            "network_events",
        }
    again = run_in(lab, "judge", file, "--format", "json")
    assert again.status == 0
    said = {document["input"]: document["annotations"]["outcome"] for document in documents}
    assert said == {line["input"]: line["outcome"] for line in again.objects}
    assert said[HEALTHY] == "ok"


# --- what scripts rely on ---


def test_something_blocked_is_status_3_only_where_that_is_asked_for(waiting: Waiting, shop: Run) -> None:
    blocked, unblocked = waiting.blocked.result(), waiting.unblocked.result()
    assert (blocked.status, blocked.endpoints[FILTERED]["outcome"]) == (3, "blocked")
    assert (unblocked.status, unblocked.endpoints[HEALTHY]["outcome"]) == (0, "ok")
    assert (shop.status, shop.endpoints[FILTERED]["outcome"]) == (0, "blocked")


def test_saved_measurements_are_judged_as_they_were(lab: Lab, tmp_path: Path) -> None:
    """With a control's expectations and without: what was saved by one command is input to the others."""
    expected, saved = tmp_path / "expected.json", tmp_path / "saved.jsonl"
    control = ["ip", "netns", "exec", lab.layout.control, *PROBE, "measure", HEALTHY, FILTERED]
    made = ended(
        started(
            [*control, "--ca-file", str(lab.ca_file), "--save-expectations", str(expected), "--format", "json"],
            environment(lab.folder),
        )
    )
    assert {line["outcome"] for line in made.objects} == {"ok"}
    assert json.loads(expected.read_text())["endpoints"].keys() == made.endpoints.keys() == {HEALTHY, FILTERED}
    run = run_in(lab, "measure", HEALTHY, FILTERED, "--expectations", expected, "--output", saved, "--format", "json")
    assert (run.status, run.stdout) == (0, ""), run.stderr
    measured = Run(0, saved.read_text(), "", 0, 0)
    again = run_in(lab, "judge", saved, "--expectations", expected, "--format", "json", "--fail-on-blocked")
    assert again.status == 3
    assert judged(measured) == judged(again)
    assert measured.endpoints[FILTERED]["technique"] == "sni-reset"


def test_a_platform_s_measurements_are_judged_as_they_were(lab: Lab, shop: Run, tmp_path: Path) -> None:
    saved = tmp_path / "saved.jsonl"
    saved.write_text(shop.stdout)
    again = run_in(lab, "judge", saved, "--catalogue", lab.folder / "shop.yaml", "--format", "json")
    assert judged(shop) == judged(again)


def test_a_light_round_puts_no_request_on_a_connection(lab: Lab) -> None:
    run = run_in(lab, "measure", HEALTHY, "--light", "--format", "json")
    line = run.endpoints[HEALTHY]
    assert (line["outcome"], line["mode"]) == ("ok", "light")
    assert [step["step"] for step in line["steps"]] == ["dns", "dns", "tcp", "tls"]


# --- ends in the middle ---


def test_a_reader_that_takes_one_line_ends_it_quietly(lab: Lab) -> None:
    reading, writing = os.pipe()
    running = started(
        at_vantage(lab, ["measure", HEALTHY, FILTERED, "--format", "json"]), environment(lab.folder), writing
    )
    os.close(writing)
    with os.fdopen(reading, "rb") as lines:
        assert json.loads(lines.readline())["endpoint"] == HEALTHY
    run = ended(running)
    assert (run.status, run.faults) == (141, [])


def test_an_interrupt_shows_what_was_measured_so_far(lab: Lab) -> None:
    """The filtered site takes seconds more than the healthy one."""
    reading, writing = os.pipe()
    asked: list[str | Path] = [
        "measure",
        "shop",
        "--catalogue",
        lab.folder / "shop.yaml",
        "https://silent.example.net/",
        "--format",
        "json",
    ]
    running = started(at_vantage(lab, asked), environment(lab.folder), writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as lines:
        first = lines.readline()
        running.process.send_signal(signal.SIGINT)
        rest = lines.read()
    run = ended(running)
    assert (run.status, run.faults) == (130, [])
    assert run.seconds < 15
    shown = Run(0, (first + rest).decode(), "", 0, 0)
    assert HEALTHY in shown.endpoints
    assert "https://silent.example.net/" not in shown.endpoints
    assert [line["kind"] for line in shown.objects][-1] == "platform"


# --- a terminal ---


def in_terminal(lab: Lab, *arguments: str | Path, interrupt: bool = False) -> tuple[int, str]:
    """The status, and everything that was drawn."""
    pid, terminal = pty.fork()
    if pid == 0:
        command = at_vantage(lab, ["measure", *arguments])
        os.execvpe(command[0], command, environment(lab.folder) | {"TERM": "xterm-256color", "COLUMNS": "100"})
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    drawn, late = b"", time.monotonic() + 60
    while time.monotonic() < late:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # EIO: nobody holds the other end any more
            break
        if not piece:
            break
        drawn += piece
        if interrupt and b"1/2" in drawn:
            os.write(terminal, b"\x03")
            interrupt = False
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), drawn.decode()


def without_escapes(drawn: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)


def test_a_terminal_shows_progress_then_a_table_and_its_cursor_again(lab: Lab) -> None:
    status, drawn = in_terminal(lab, "shop", "--catalogue", lab.folder / "shop.yaml")
    shown = without_escapes(drawn)
    assert status == 0
    assert "Traceback" not in shown
    assert "measuring" in shown
    assert "1/2" in shown
    assert drawn.rfind("\x1b[?25h") > drawn.rfind("\x1b[?25l") > 0
    assert "\x1b[1;31m" in drawn or "\x1b[31m" in drawn
    final = shown.rpartition("platform ")[2]
    assert re.search(r"Shop +partly blocked +sni-reset +web media", final)
    assert "1 platform: 1 partly blocked." in final


def test_an_interrupt_in_a_terminal_gives_the_cursor_back(lab: Lab) -> None:
    status, drawn = in_terminal(lab, HEALTHY, "https://silent.example.net/", interrupt=True)
    assert status == 130
    assert "Traceback" not in drawn
    assert "https://healthy.example.net/: reachable" in without_escapes(drawn)
    assert drawn.rfind("\x1b[?25h") > drawn.rfind("\x1b[?25l") > 0


# --- servers that mean no good ---


@pytest.fixture(scope="module")
def hostile(waiting: Waiting) -> Run:
    return waiting.hostile.result()


def test_hostile_servers_cost_bounded_time_and_memory(hostile: Run) -> None:
    assert (hostile.status, hostile.faults) == (0, [])
    assert hostile.seconds < 45
    assert hostile.peak < 120
    assert len(hostile.endpoints) == len(HOSTILE)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("big", "ok"), ("chain", "ok"), ("lure", "ok"), ("slow", None), ("noise", None), ("silent", None)],
)
def test_each_hostile_server_is_recorded_for_what_it_did(hostile: Run, name: str, outcome: str | None) -> None:
    line = hostile.endpoints[f"https://{name}.example.net/"]
    failures = [step.get("failure") for step in line["steps"] if step["step"] in {"tls", "http"}]
    if outcome is None:
        assert line["outcome"] in {"inconclusive", "blocked", "down"}
        assert any(failures)
    else:
        assert (line["outcome"], set(failures)) == (outcome, {None})


def test_of_a_page_without_end_only_the_beginning_is_read(hostile: Run) -> None:
    (page,) = [step for step in hostile.endpoints["https://big.example.net/"]["steps"] if step["step"] == "http"]
    assert page["body_truncated"]
    assert 65536 <= page["bytes_read"] < 1 << 20


def test_a_private_redirect_target_is_never_contacted(hostile: Run) -> None:
    steps = hostile.endpoints["https://lure.example.net/"]["steps"]
    assert [step["location"] for step in steps if step["step"] == "http"] == ["http://10.0.0.1/"]
    assert {step["address"] for step in steps if step["step"] == "tcp"} == {"151.101.200.9"}


def test_a_resolver_that_talks_nonsense_is_recorded_not_believed(waiting: Waiting) -> None:
    run = waiting.nonsense.result()
    assert run.status == 0
    line = run.endpoints[HEALTHY]
    asked = [step for step in line["steps"] if step["step"] == "dns" and step["resolver"] == "127.0.0.1"]
    assert asked
    assert all(step["failure"] and not step.get("answers") for step in asked)
    assert all(step["replies"] for step in asked)
    assert line["outcome"] != "ok"


def test_no_address_of_the_probe_is_in_what_it_says(lab: Lab, shop: Run, hostile: Run) -> None:
    (client,) = lab.network.clients
    assert client.address not in shop.stdout + hostile.stdout
