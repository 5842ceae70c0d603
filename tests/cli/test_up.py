"""What `probe up` refuses, in one line, before anything is sent."""

import json
import sys
from pathlib import Path

import pytest

from probe.agent.signals import SUPERVISED as OF_AGENT
from probe.collector.serve import SUPERVISED as OF_COLLECTOR

from .up_running import nowhere

BUSY = """
import socket, subprocess, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
    sys.exit(subprocess.call(sys.argv[2:]))
"""


def test_without_consent_nothing_is_started_and_the_line_says_how_to_give_it(tmp_path: Path) -> None:
    done = nowhere("--state", str(tmp_path / "up"), home=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "--accept-risks" in line
    assert "in a terminal" in line
    assert not list(tmp_path.rglob("consent.json")) + list(tmp_path.rglob("*.sqlite"))


@pytest.mark.parametrize(
    ("port", "file", "key"), [(8640, "collector.yaml", "under listen"), (9640, "probe.yaml", "under metrics.listen")]
)
def test_a_port_in_use_is_one_line_that_names_port_and_file(tmp_path: Path, port: int, file: str, key: str) -> None:
    busy = [sys.executable, "-c", BUSY, str(port)]
    done = nowhere("--accept-risks", "--state", str(tmp_path / "up"), home=tmp_path, within=busy)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"127.0.0.1:{port} cannot be opened: Address already in use" in line
    assert f"{key} in {tmp_path / 'up' / file}" in line
    assert not list(tmp_path.rglob("consent.json"))


def test_an_unknown_platform_is_one_line_and_is_not_kept(tmp_path: Path) -> None:
    done = nowhere("--accept-risks", "--state", str(tmp_path), "--platform", "nosuch", home=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "no platform 'nosuch'" in line
    assert not (tmp_path / "probe.yaml").exists()


def test_a_configuration_with_a_fault_is_named(tmp_path: Path) -> None:
    (tmp_path / "collector.yaml").write_text("state: collector\nlisten: nowhere\n")
    done = nowhere("--accept-risks", "--state", str(tmp_path), home=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"{tmp_path / 'collector.yaml'}: listen: 'nowhere'" in line


def test_a_probe_that_shows_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "probe.yaml").write_text(json.dumps({"state": "probe", "metrics": {"listen": ""}}))
    done = nowhere("--accept-risks", "--state", str(tmp_path), home=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "metrics.listen is empty" in line


def test_a_state_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = nowhere("--accept-risks", "--state", str(tmp_path / "file" / "up"), home=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert str(tmp_path / "file" / "up") in line


def test_probes_and_collector_are_told_of_their_parent_by_one_variable() -> None:
    assert OF_AGENT == OF_COLLECTOR
