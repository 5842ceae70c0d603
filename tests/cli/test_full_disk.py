"""A disk that is full behind standard output: one line and a status, whoever was writing."""

import subprocess

import pytest

from .running import PROBE, Run, assert_one_fault


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("measure", "--help"),
        ("catalogue", "list"),
        ("catalogue", "list", "--format", "json"),
        ("lab", "cases", "--list"),
        ("simulate", "healthy", "--probes", "2"),
    ],
    ids=" ".join,
)
def test_a_full_disk_is_one_line_and_status_1(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*PROBE, *arguments], check=False, stdout=full, stderr=subprocess.PIPE, timeout=120)
    assert_one_fault(Run(done.returncode, "", done.stderr.decode(), 0, 0), 1, "No space left")


def test_wrong_usage_stays_wrong_usage_on_a_full_disk() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*PROBE, "mesure"], check=False, stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 2
    assert "Did you mean 'measure'?" in done.stderr.decode()
