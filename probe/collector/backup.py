"""A copy of all that cannot be computed again, taken while the collector runs; and back.

A day that is over is copied as it is, the current one as SQLite sees it at one moment, days in order: so the copy's log
is a prefix of the log. Views are not in it: `probe collector replay` makes them again. The catalogue key is not in it
either, since it does not lie beside the collector.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from probe.collector.accounts import Accounts
from probe.collector.config import CollectorConfig
from probe.collector.log.days import days, live_file, sealed_file, sync_folder
from probe.collector.log.reader import Reader

_MANIFEST = "backup.json"
_NOT_KEPT = ("views",)  # databases that replay makes again, by the beginning of their names


class BackupFault(Exception):
    """A copy that cannot be made or used: one line that says what and why."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """SHA-256 by path below the backup, and how far its log goes."""

    version: int = 1
    files: dict[str, str]
    last_position: int


def back_up(config: CollectorConfig, target: Path) -> Manifest:
    """Copy into the new folder `target`, which appears complete or not at all. Raises BackupFault."""
    if target.exists():
        raise BackupFault(f"{target}: exists already: name a folder that does not")
    if not target.absolute().parent.is_dir():
        raise BackupFault(f"{target}: there is no folder {target.parent}: make it, or mount what is to hold the backup")
    draft = target.with_name(f"{target.name}.partial")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        _copy_log(config.log_folder, draft / "log")
        _copy_databases(config.state, draft)
        _copy_keys(config, draft)
        manifest = _manifest(draft)
        (draft / _MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        _sync_all(draft)
        draft.rename(target)
        sync_folder(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise BackupFault(f"{target}: the backup failed: {error}") from error
    return manifest


def restore(config: CollectorConfig, source: Path) -> Manifest:
    """Copy a backup into the configured state folder, which must hold no log yet. Raises BackupFault."""
    manifest = verified(source)
    if config.log_folder.exists() or config.accounts_file.exists():
        raise BackupFault(f"{config.state}: holds a collector already: name another state folder, or move it away")
    try:
        config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in manifest.files:
            there = config.state / name
            there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(source / name, there)
            there.chmod(0o600)
        _sync_all(config.state)
    except OSError as error:
        raise BackupFault(f"{config.state}: cannot be restored: {error.strerror or error}") from error
    with closing(Accounts.open(config.accounts_file)) as accounts:
        accounts.erase_again()
    return manifest


def verified(source: Path) -> Manifest:
    """What the backup holds, every file compared. Raises BackupFault."""
    try:
        manifest = msgspec.json.decode((source / _MANIFEST).read_bytes(), type=Manifest)
    except OSError:
        raise BackupFault(f"{source}: no backup, or not a complete one: {_MANIFEST} is missing") from None
    except msgspec.DecodeError as error:
        raise BackupFault(f"{source / _MANIFEST}: {error}") from None
    for name, digest in manifest.files.items():
        path = source / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise BackupFault(f"{source / _MANIFEST}: {name!r} leads out of the backup")
        if not path.is_file() or _digest(path) != digest:
            raise BackupFault(f"{path}: missing, or not what was written: take another backup")
    return manifest


def _copy_log(folder: Path, target: Path) -> None:
    """The oldest day first. A day that is sealed meanwhile is copied sealed."""
    target.mkdir(mode=0o700)
    for day in days(folder, "live.sqlite", "sealed"):
        try:
            sealed = sealed_file(folder, day)
            if sealed.exists():
                shutil.copyfile(sealed, target / sealed.name)
                continue
            _copy_database(live_file(folder, day), target / live_file(folder, day).name)
        except (FileNotFoundError, sqlite3.OperationalError):
            shutil.copyfile(sealed_file(folder, day), target / sealed_file(folder, day).name)
    for path in (*folder.glob("*.ids.sqlite"), folder / "readers.sqlite"):
        if path.exists():
            _copy_database(path, target / path.name)


def _copy_databases(state: Path, target: Path) -> None:
    for path in sorted(state.glob("*.sqlite")):
        if not path.name.startswith(_NOT_KEPT):
            _copy_database(path, target / path.name)


def _copy_database(path: Path, target: Path) -> None:
    """One moment of it, in one step, whoever writes meanwhile."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=30)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    target.chmod(0o600)


def _copy_keys(config: CollectorConfig, target: Path) -> None:
    if config.online_key_file.exists():
        folder = target / config.online_key_file.relative_to(config.state).parent
        folder.mkdir(mode=0o700)
        copy = folder / config.online_key_file.name
        shutil.copyfile(config.online_key_file, copy)
        copy.chmod(0o600)


def _manifest(folder: Path) -> Manifest:
    reader = Reader(folder / "log")
    try:
        last = reader.last()
    finally:
        reader.close()
    return Manifest(files={str(path.relative_to(folder)): _digest(path) for path in _files(folder)}, last_position=last)


def _files(folder: Path) -> Iterator[Path]:
    """Without what SQLite keeps beside its files, which is empty in a copy."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(("-wal", "-shm")):
            yield path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_all(folder: Path) -> None:
    for path in _files(folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        sync_folder(path)
