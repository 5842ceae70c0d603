"""What can come of asking the collector, other than what was asked for."""

import datetime as dt
import email.utils
from collections.abc import Mapping

from probe.wire.reports import Refused

_LONGEST_WAIT = 3600.0  # seconds that a collector can have a probe wait


class CollectorFault(Exception):
    """No answer that can be used; the text is one line."""


class Unreachable(CollectorFault):
    """No collector answered: the network, a proxy, TLS, or something else at that address."""


class Rejected(CollectorFault):
    """It answered, and said no. `retry_after` in seconds."""

    def __init__(self, status: int, refused: Refused, retry_after: float | None = None) -> None:
        super().__init__(f"the collector answered {status}: {_line(refused)}")
        self.status, self.refused, self.retry_after = status, refused, retry_after


class UnusableSetting(Exception):
    """A URL or file of the configuration: names it, the reason, and what would do, in one line."""


def _line(refused: Refused) -> str:
    error = " ".join(refused.error.split())[:200]
    return f"{error} (at {refused.path[:100]})" if refused.path else error


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, at most an hour. A date is held against the answer's own, so no clock has to be right (RFC 9110,
    10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), _LONGEST_WAIT)
    until, now = _date(value), _date(headers.get("date", ""))
    if until is None or now is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), _LONGEST_WAIT)


def _date(text: str) -> dt.datetime | None:
    try:
        found = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
