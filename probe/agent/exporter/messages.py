"""Requests and responses, as the server and what answers them see them."""

import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Request:
    """`headers` with names in lower case. `gone` returns once the client has left."""

    method: str
    target: str  # as sent: a path with its query
    headers: Mapping[str, str]
    gone: Callable[[], Awaitable[None]]

    @cached_property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @cached_property
    def query(self) -> dict[str, list[str]]:
        query = self.target.partition("?")[2]
        return urllib.parse.parse_qs(query, keep_blank_values=True, max_num_fields=50)

    def parameter(self, name: str) -> str:
        """The first of that name; empty where there is none."""
        return self.query.get(name, [""])[0]


@dataclass(frozen=True)
class Response:
    status: int = 200
    body: bytes = b""
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


def line(status: int, text: str) -> Response:
    """One line that says what is wrong, or well."""
    return Response(status, f"{text}\n".encode())


Answer = Callable[[Request], Awaitable[Response]]
