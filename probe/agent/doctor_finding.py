"""One thing that was looked at."""

from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`seen` is a sentence without its full stop; `todo`, where there is something to do, another. No addresses."""

    check: str
    state: Literal["fine", "note", "trouble", "skipped"]
    seen: str
    todo: str | None = None


def fine(check: str, seen: str) -> Finding:
    return Finding(check=check, state="fine", seen=seen)


def note(check: str, seen: str, todo: str | None = None) -> Finding:
    return Finding(check=check, state="note", seen=seen, todo=todo)


def trouble(check: str, seen: str, todo: str) -> Finding:
    return Finding(check=check, state="trouble", seen=seen, todo=todo)


def skipped(check: str, seen: str, todo: str | None = None) -> Finding:
    return Finding(check=check, state="skipped", seen=seen, todo=todo)
