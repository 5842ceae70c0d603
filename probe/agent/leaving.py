"""The end of a probe: stopped, and nothing of it left behind but what it was not told to remove."""

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import IO

from probe.agent.daemon_lock import FILE as LOCK
from probe.agent.documents_kept import FOLDER as DOCUMENTS
from probe.agent.durable import StateError
from probe.agent.service import Service, ServiceError, stop

PATIENCE = 15.0  # seconds that a daemon is given to end
_LOOK = 0.1

# What a probe leaves in its state folder. Nothing else in it is touched.
_FILES = ("consent.json", "credentials.json", "budget.json", "memory.json", LOCK)
_FAMILIES = ("spool.db",)
_HALF_WRITTEN = ".*.new"


def running(state: Path) -> int | None:
    """The process that has the folder, 0 where it does not say; None where there is none. Raises ServiceError where
    that cannot be found out."""
    path = state / LOCK
    try:
        with path.open("rb") as file:
            if not _held(file):
                return None
            text = file.read(20).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServiceError(f"{path}: cannot be read: {reason}: run this as the probe's user or as root") from None
    return int(text) if text.isdecimal() else 0


def _held(file: IO[bytes]) -> bool:
    if sys.platform == "win32":
        return True  # it could not have been opened otherwise
    import fcntl  # noqa: PLC0415 (of POSIX alone)

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False  # closing the file lets go of it


def stop_daemon(state: Path, service: Service | None) -> str | None:
    """What was stopped, in words; None where nothing ran. Raises ServiceError where it cannot be stopped."""
    stopped = None
    if service is not None and service.installed():
        stop(service, remove=True)
        stopped = "the service"
    pid = running(state)
    if pid is None:
        return stopped
    _end(pid, state)
    return f"process {pid}"


def wipe(state: Path, *, but: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Removes what a probe keeps in the folder, except the files named in `but`, and the folder itself where nothing is
    left. The names of what is left. Raises StateError."""
    if not state.is_dir():
        return ()
    try:
        for path in sorted(state.iterdir()):
            if is_ours(path) and path.name not in but:
                _remove(path)
        left = tuple(sorted(path.name for path in state.iterdir()))
        if not left:
            _remove_folder(state)
    except OSError as error:
        raise StateError(f"{error.filename or state}: cannot be removed: {error.strerror or error}") from None
    return left


def is_ours(path: Path) -> bool:
    """A symbolic link is nobody's: what it leads to is not followed, and it is not removed."""
    if path.is_symlink():
        return False
    if path.is_dir():
        return path.name == DOCUMENTS and all(_is_document(inner) for inner in path.iterdir())
    families = (path.name == base or path.name.startswith((f"{base}-", f"{base}.")) for base in _FAMILIES)
    return path.name in _FILES or any(families) or path.match(_HALF_WRITTEN)


def _is_document(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and (path.suffix == ".json" or path.match(_HALF_WRITTEN))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_folder(state: Path) -> None:
    """One that is a mount point, systemd's or in a folder of somebody else's stays, empty."""
    with contextlib.suppress(OSError):
        state.rmdir()


def _end(pid: int, state: Path) -> None:
    if pid == 0:
        raise ServiceError(f"a probe is running in {state}, and cannot be told: stop it, then run `probe leave` again")
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError:
        raise ServiceError(
            f"process {pid} belongs to somebody else: run `probe leave` as that user or as root"
        ) from None
    late = time.monotonic() + PATIENCE
    while running(state) is not None:
        if time.monotonic() > late:
            raise ServiceError(f"process {pid} did not end within {PATIENCE:g} seconds of SIGTERM: end it yourself")
        time.sleep(_LOOK)
