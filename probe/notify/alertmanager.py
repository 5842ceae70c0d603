"""Alertmanager's API, version 2: one alert an incident, whose labels never change while it lasts.

Alertmanager forgets an alert that nobody repeats, and one that restarted knows nothing: so what lasts is told again
every minute. Its clock is the machine's, also where ours is a scenario's: `endsAt` is always by the machine's.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec

from probe.notify.delivered import post
from probe.notify.notice import Notice

REPEAT = 60.0  # seconds between two tellings of what lasts
_HOLDS = dt.timedelta(seconds=5 * REPEAT)  # without word for so long, Alertmanager takes it as over

_NAMES = {
    "restriction": "InternetRestriction",
    "platform-outage": "PlatformOutage",
    "network-outage": "NetworkOutage",
    "silence": "ProbesSilent",
    "throttling": "InternetThrottling",
    "void-jump": "ProbesUnableToMeasure",
}


async def tell(base: str, notices: Sequence[Notice]) -> None:
    """Raises Undelivered."""
    now = dt.datetime.now(dt.UTC)
    body = msgspec.json.encode([alert(notice, now) for notice in notices])
    await post(f"{base.rstrip('/')}/api/v2/alerts", body, {"content-type": "application/json"})


def alert(notice: Notice, now: dt.datetime) -> dict[str, Any]:
    """`now` is the machine's time."""
    starts = min(notice.starts_at, now)
    ends = now if notice.over else now + _HOLDS
    return {
        "labels": {
            "alertname": _NAMES.get(notice.kind, "InternetIncident"),
            "incident": notice.incident,
            "country": notice.country,
            "kind": notice.kind,
            "severity": notice.severity,
        },
        "annotations": _annotations(notice),
        "startsAt": starts.isoformat(),
        "endsAt": ends.isoformat(),
        **({"generatorURL": notice.url} if notice.url else {}),
    }


def _annotations(notice: Notice) -> dict[str, str]:
    ended = {"ended_at": notice.ends_at.isoformat()} if notice.ends_at else {}
    phase = {"phase": notice.phase.value, "onset": notice.starts_at.isoformat()}
    return {"summary": notice.summary, "description": notice.description, **phase, **ended}
