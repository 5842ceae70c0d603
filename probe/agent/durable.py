"""Small files of state, written so that a crash leaves the old one or the new one, never half of either."""

import contextlib
import os
import secrets
from pathlib import Path

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700


class StateError(Exception):
    """The state folder, or a file in it, cannot be used: says which and why, in one line."""


def write_durably(path: Path, content: bytes, mode: int = PRIVATE_FILE, folder: int = PRIVATE_FOLDER) -> None:
    """On disk when this returns. `mode` is the file's, `folder` that of a folder that must be made for it. Raises
    StateError."""
    try:
        ensure_folder(path.parent, folder)
        _replace(path, content, mode)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror or error}") from None


def read_small(path: Path, most: int = 32 << 20) -> bytes | None:
    """None where there is no such file. Raises StateError."""
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(raw) > most:
        raise StateError(f"{path}: larger than {most >> 20} MiB")
    return raw


def ensure_folder(folder: Path, mode: int = PRIVATE_FOLDER) -> None:
    """Made where it is missing, by default for its owner's eyes alone. Raises OSError."""
    if not folder.is_dir():
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        _hand_over(folder, folder.parent)


def _replace(path: Path, content: bytes, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _hand_over(fresh, path.parent)
        fresh.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
    _sync_folder(path.parent)


def _hand_over(path: Path, folder: Path) -> None:
    """What root writes into the folder of a daemon without privileges is the daemon's."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        owner = folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
