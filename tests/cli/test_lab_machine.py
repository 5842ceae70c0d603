"""Where a lab cannot be built, one line says what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CASE = ["lab", "cases", "healthy-http", "--without", "--format", "json"]
NOT_ROOT = ["unshare", "--user"] if os.geteuid() == 0 else []  # a namespace in which this user is nobody


def run(path: str, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-m", "probe", *CASE]
    environment = {"PATH": path, "LANG": "C.UTF-8"}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


def test_without_root_one_line_says_so() -> None:
    done = run(os.environ["PATH"], *NOT_ROOT)
    if done.stderr.startswith("unshare: "):
        pytest.skip(f"user namespaces are forbidden here: {done.stderr.strip()}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "Error: the lab needs root to make network namespaces: run it with sudo, or use `probe simulate`"
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="without root that is what the lab asks for first")
def test_a_machine_without_the_tools_is_told_their_packages(tmp_path: Path) -> None:
    missing = run(str(tmp_path))
    (tmp_path / "ip").symlink_to("/bin/true")
    still_missing = run(str(tmp_path))
    assert [(done.returncode, done.stdout, done.stderr.splitlines()) for done in (missing, still_missing)] == [
        (1, "", ["Error: the lab needs `ip`, which is missing: apt-get install iproute2"]),
        (1, "", ["Error: the lab needs `iptables-restore`, which is missing: apt-get install iptables"]),
    ]
