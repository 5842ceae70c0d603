"""What `probe judge` makes of what `probe measure` wrote in an unfit network, in a file or on standard input."""

import subprocess

import pytest

from .running import PROBE, Run, ended, nowhere, run_nowhere, started


@pytest.fixture(scope="module")
def offline() -> Run:
    return run_nowhere("measure", "x.web", "whatsapp.messaging", "--format", "ooni")


def test_what_was_void_is_void_when_it_is_judged_from_ooni_s_format(offline: Run) -> None:
    judged = subprocess.run(
        [*PROBE, "judge", "-"], input=offline.stdout, capture_output=True, text=True, check=False, timeout=60
    )
    assert judged.returncode == 0, judged.stderr
    lines = judged.stdout.splitlines()
    assert len(lines) == len(offline.objects)
    assert all(line.startswith("standard input: ") and ": void 0.90 (" in line for line in lines), lines


def test_one_url_offline_tells_its_reason_once() -> None:
    run = ended(started([*nowhere(), *PROBE, "measure", "https://example.com/"], {"PATH": "/usr/bin:/bin"}))
    assert run.stdout.count("anchors are silent") == 1, run.stdout
