"""`probe` as its owner runs it: as a process of its own, against a collector on loopback, piped or at a terminal."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

PROBE = [sys.executable, "-m", "probe"]
_PATIENCE = 60.0


@dataclass(frozen=True)
class Done:
    status: int
    stdout: str
    stderr: str


def environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PROBE_", "XDG_", "STATE_"))}
    return kept | {"HOME": str(home), "TZ": "Europe/Istanbul", "COLUMNS": "100", "TERM": "xterm"}


async def run(home: Path, *arguments: str | Path) -> Done:
    """Piped, with nobody there."""
    command = [*PROBE, *map(str, arguments)]
    done = await trio.run_process(
        command, capture_stdout=True, capture_stderr=True, check=False, env=environment(home), stdin=subprocess.DEVNULL
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


async def at_terminal(home: Path, answers: Sequence[tuple[str, str]], *arguments: str | Path) -> Done:
    """With somebody at a terminal who, where they read the first word, types the second."""
    return await trio.to_thread.run_sync(_conversed, environment(home), answers, [*PROBE, *map(str, arguments)])


def _conversed(env: Mapping[str, str], answers: Sequence[tuple[str, str]], command: list[str]) -> Done:
    here, there = pty.openpty()
    process = subprocess.Popen(command, stdin=there, stdout=there, stderr=there, env=env, close_fds=True)
    os.close(there)
    said, heard, waiting, late = "", 0, list(answers), time.monotonic() + _PATIENCE
    try:
        while time.monotonic() < late:
            if not select.select([here], [], [], 0.5)[0]:
                continue
            try:
                piece = os.read(here, 65536)
            except OSError:  # nobody has the other end any more
                break
            if not piece:
                break
            said += piece.decode("utf-8", "replace")
            if waiting and waiting[0][0] in said[heard:]:
                heard = len(said)
                os.write(here, f"{waiting.pop(0)[1]}\n".encode())
        status = process.wait(10)
    finally:
        process.kill()
        process.wait()
        os.close(here)
    assert not waiting, f"was never asked {waiting[0][0]!r}: {said}"
    return Done(status, said, "")
