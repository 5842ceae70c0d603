"""What tells that a request did not come straight from who asks: the headers that proxies add."""

from collections.abc import Iterable

FORWARDED_FOR = b"x-forwarded-for"
_NAMES = frozenset({b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip"})
_BEGINNING = b"x-forwarded-"
HIDDEN = (b"forwarded", b"for=hidden")  # in place of all of them: that there was a proxy, and nothing of the sender

Headers = Iterable[tuple[bytes, bytes]]


def is_forwarding(name: bytes) -> bool:
    """`name` in lower case, as ASGI has it."""
    return name in _NAMES or name.startswith(_BEGINNING)


def was_forwarded(headers: Headers) -> bool:
    """Whether a proxy passed it on, or somebody would like us to think so."""
    return any(is_forwarding(name) for name, _ in headers)
