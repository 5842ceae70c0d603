"""One request and what goes back, free of any version of HTTP."""

from collections.abc import Awaitable, Callable, Iterator

import msgspec

_PIECE = 8192  # bytes at a time, and so in one TLS record, as servers do while a connection is young
_LATER_PIECE = 65536
_YOUNG = 1 << 17


class Request(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    host: str  # without the port, lower case
    path: str  # with its query
    client: str  # address
    body: bytes = b""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """`size` bytes of body: `body` over and over."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    size: int = 0

    def pieces(self) -> Iterator[bytes]:
        sent = 0
        while sent < self.size:
            start = sent % len(self.body)
            piece = self.body[start : start + min(_PIECE if sent < _YOUNG else _LATER_PIECE, self.size - sent)]
            yield piece
            sent += len(piece)

    def fields(self) -> list[tuple[str, str]]:
        """Names in lower case, as HTTP/2 wants them."""
        length = [] if self.status in (204, 304) else [("content-length", str(self.size))]
        return [("server", "nginx"), *((name.lower(), value) for name, value in self.headers), *length]


Respond = Callable[[Request], Awaitable[Response]]


def host_of(authority: str) -> str:
    """The name or address in a Host header or `:authority`, without its port."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0].lower()
