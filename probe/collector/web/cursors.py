"""Opaque cursors: where a page ended, in the order of its rows, so that rows which come meanwhile shift nothing."""

import base64
import hashlib
from typing import Annotated, Any, TypeVar

import msgspec

T = TypeVar("T")

# A cursor comes back from strangers: what a place is made of has bounds.
Seconds = Annotated[int, msgspec.Meta(ge=0, le=253_370_764_800)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=253_370_764_800_000)]
Number = Annotated[int, msgspec.Meta(ge=-1, le=(1 << 62))]
LONGEST = 200  # characters
_DIGEST = 6
_NONE = "not a cursor: take the one that the page before gave as `next`"


class CursorFault(ValueError):
    """No cursor of this question."""


def cursor(place: msgspec.Struct, filters: str) -> str:
    """`place` is where to go on. `filters` tells the question: a cursor holds for its own only."""
    raw = _digest(filters) + msgspec.msgpack.encode(place)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def place(text: str, filters: str, type: type[T]) -> T:
    """Raises CursorFault."""
    raw = _unpacked(text)
    if raw[:_DIGEST] != _digest(filters):
        raise CursorFault("this cursor belongs to another question: leave the other parameters as they were")
    try:
        return msgspec.msgpack.decode(raw[_DIGEST:], type=type)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise CursorFault(_NONE) from None


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:  # binascii.Error is one
        raise CursorFault(_NONE) from None


def _digest(filters: str) -> bytes:
    return hashlib.blake2b(filters.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


def filters_of(parameters: msgspec.Struct) -> str:
    """What a question asks for, the page apart."""
    asked: dict[str, Any] = msgspec.to_builtins(parameters)
    return repr(sorted((name, value) for name, value in asked.items() if name not in {"cursor", "limit"}))
