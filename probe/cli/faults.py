"""Faults that a person can cause become one line, and an exit status that scripts can tell apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

LARGEST = 256 << 20  # bytes of a file that is read whole
DONE, FAILED, WRONG_USAGE, BLOCKED = 0, 1, 2, 3


class Fault(click.ClickException):
    """Wrong usage or configuration: the message names what, where and what to do."""

    exit_code = WRONG_USAGE


class Failed(click.ClickException):
    """The command was right, and could not be done."""

    exit_code = FAILED


@contextmanager
def plain_faults() -> Iterator[None]:
    """Whatever the packages below raise for bad input, as a `Fault`."""
    from probe.catalogue.model import CatalogueError  # noqa: PLC0415
    from probe.net.tls import RootsError  # noqa: PLC0415

    try:
        yield
    except (CatalogueError, RootsError) as exc:
        raise Fault(str(exc)) from exc
    except BaseExceptionGroup as group:
        known, rest = group.split((CatalogueError, RootsError, click.ClickException))
        if known is None or rest is not None:
            raise
        first = _first(known)
        raise (first if isinstance(first, click.ClickException) else Fault(str(first))) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def read_file(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:  # a device or a pipe has no size to ask for
            raw = file.read(LARGEST + 1)
    except OSError as exc:
        raise Fault(f"{path}: cannot read {what}: {exc.strerror or exc}") from exc
    if len(raw) > LARGEST:
        raise Fault(f"{path}: too large for {what}: at most {LARGEST >> 20} MiB are read")
    return raw


def write_file(path: Path, raw: bytes, what: str) -> None:
    try:
        path.write_bytes(raw)
    except OSError as exc:
        raise Fault(f"{path}: cannot write {what}: {exc.strerror or exc}") from exc
