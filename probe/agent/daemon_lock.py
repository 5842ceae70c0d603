"""One daemon a state folder. The kernel lets go of the lock when the process is gone, however it ended."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from probe.agent.durable import StateError, ensure_folder

FILE = "lock"


@contextlib.contextmanager
def locked(state: Path, command: str = "probe run") -> Iterator[None]:
    """Raises StateError where another daemon has the folder, or nothing can be written there."""
    path = state / FILE
    try:
        ensure_folder(state)
        file = path.open("a+")
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror or error}") from None
    with file:
        if not _taken(file):
            file.seek(0)
            other = file.read(20).strip()
            who = f" (process {other})" if other.isdecimal() else ""
            raise StateError(f"{state}: another `{command}` uses this folder{who}: stop it first")
        with contextlib.suppress(OSError):  # a full disk: who it is, is only told
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
        yield


def _taken(file: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 (of that system alone)

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
