"""The collector of its own that `probe simulate` starts: at a port that is free, and there for a look at it."""

import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

from probe.lab.simulate.headquarters import free_port

from .running import PROBE, Run, assert_one_fault

_PATIENCE = 120.0


def test_whoever_listens_at_the_port_already_is_told_and_not_spoken_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        command = [*PROBE, "simulate", "healthy", "--probes", "2", "--port", str(port)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_PATIENCE)
        spoken_to, _, _ = select.select([stranger], [], [], 0)
    assert_one_fault(Run(done.returncode, done.stdout, done.stderr, 0, 0), 1, f"--port {port}: Address already in use")
    assert not spoken_to


def test_what_came_of_it_is_told_before_it_stays(tmp_path: Path) -> None:
    out, err = tmp_path / "out", tmp_path / "err"
    command = [*PROBE, "simulate", "healthy", "--probes", "2", "--port", str(free_port()), "--stay"]
    with out.open("wb") as written, err.open("wb") as said:
        process = subprocess.Popen(command, stdout=written, stderr=said, start_new_session=True)
    try:
        late = time.monotonic() + _PATIENCE
        while "the collector stays at" not in err.read_text() and process.poll() is None:
            assert time.monotonic() < late, err.read_text()
            time.sleep(0.1)
        before = out.read_text()
    finally:
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: to all of them
        status = process.wait(_PATIENCE)
    assert "measurements were sent" in before
    assert "held: " in before
    assert out.read_text() == before  # and told once
    assert status == 0, err.read_text()
