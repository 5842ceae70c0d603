"""Why a request is refused: the status, one line, and where there is one the path of the fault in the body."""

from typing import Literal

import msgspec

from probe.wire.reports import Refused

# the values of collector_report_rejections_total{reason}
Reason = Literal[
    "unauthorized",
    "forbidden",
    "rate",
    "overload",
    "too-large",
    "too-slow",
    "encoding",
    "malformed",
    "invalid",
    "method",
]


_LONGEST = 300  # characters of a message


class Refusal(Exception):
    """Raised by whoever finds the fault; the endpoint answers with it. `retry_after` in seconds; `allow` of a 405."""

    def __init__(
        self,
        status: int,
        reason: Reason,
        error: str,
        *,
        path: str | None = None,
        retry_after: float | None = None,
        allow: tuple[str, ...] = (),
    ) -> None:
        super().__init__(error)
        self.status = status
        self.reason: Reason = reason
        self.error = _one_line(error)
        self.path = path
        self.body = msgspec.json.encode(Refused(error=self.error, path=path))
        self.retry_after = retry_after
        self.allow = allow

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        headers = []
        if self.retry_after is not None:
            headers.append((b"retry-after", str(max(1, round(self.retry_after + 0.5))).encode()))
        if self.allow:
            headers.append((b"allow", ", ".join(self.allow).encode()))
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        return headers


def _one_line(text: str) -> str:
    """Messages quote what was sent."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)[
        :_LONGEST
    ]


def unauthorized() -> Refusal:
    return Refusal(401, "unauthorized", "unknown or revoked token: ask the collector's operator for an invitation")


def overloaded(why: str, retry_after: float = 5.0) -> Refusal:
    return Refusal(503, "overload", f"{why}: try again later", retry_after=retry_after)
