"""A whole collector, ingest and pages, asked by schemathesis whatever its own `/openapi.json` lets one ask."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from probe.collector.config import CollectorConfig
from probe.wire.reports import Role
from tests.collector.ingest.running import Running, base, configured, tokens

LIMITS = """
checkin_wait: 0.2
trusted_proxies: [192.0.2.1]  # so that who asks from this machine is a stranger like any other
limits: {reports_per_minute: 1000000, requests_per_minute: 1000000, enrolments_per_minute: 1000000}
"""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)
PAGES = ("measurements", "measurement", "incidents", "incident")
OF_PROBES = ("checkin", "catalogue", "expectations", "keys", "enrol")


class Asker(NamedTuple):
    """Who asks, and what. `examples`: of an operation, in each phase."""

    role: Role | None
    operations: tuple[str, ...]
    phases: str = "coverage,fuzzing"
    examples: int = 10


ASKERS = {
    "a probe with a report": Asker("probe", ("report",), "fuzzing", 5),
    "a probe": Asker("probe", OF_PROBES),
    "a reader": Asker("read", PAGES, "coverage,fuzzing,stateful"),
    "a stranger": Asker(None, ("reachability", *PAGES, *OF_PROBES, "erase"), "fuzzing"),
    "who leaves": Asker("control", ("erase",), "fuzzing"),  # the first answer is 202, and every other 401
}


@pytest.fixture(scope="module")
def collector(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorConfig]:
    """All of it on one port, with a small history and an incident in it."""
    folder = tmp_path_factory.mktemp("collector")
    config = configured(folder, LIMITS)
    shutil.copytree(state, config.state, dirs_exist_ok=True)
    with Running(config, "--role", "all") as running:
        running.wait_until_up()
        _wait_for_pages(config)
        yield config


def _wait_for_pages(config: CollectorConfig) -> None:
    deadline = time.monotonic() + 30
    while httpx.get(f"{base(config)}/readyz", trust_env=False).status_code != 200:
        assert time.monotonic() < deadline, "the pages do not come"
        time.sleep(0.1)


@pytest.mark.parametrize("who", ASKERS)
def test_no_servers_error_and_no_lie(collector: CollectorConfig, tmp_path: Path, who: str) -> None:
    asker = ASKERS[who]
    chosen = [part for name in asker.operations for part in ("--include-operation-id", name)]
    if asker.role is not None:
        (token,) = tokens(collector, 1, asker.role)
        chosen += ["--header", f"Authorization: Bearer {token}"]
    done = schemathesis(
        tmp_path, f"{base(collector)}/openapi.json", "--phases", asker.phases, *chosen, examples=asker.examples
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert f"{len(asker.operations)} selected" in done.stdout


def schemathesis(folder: Path, *arguments: str, examples: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "schemathesis.cli", "run", *arguments, "--checks", ",".join(CHECKS)]
    bounds = ["--max-examples", str(examples), "--seed", "1", "--generation-deterministic", "--no-shrink", "--no-color"]
    return subprocess.run([*command, *bounds], capture_output=True, text=True, check=False, cwd=folder, timeout=120)
