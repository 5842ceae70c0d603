"""Notices of an incident made for the tests."""

import datetime as dt
from typing import Any

from probe.notify.notice import Notice, Phase

ONSET = dt.datetime(2020, 2, 27, 20, 30, tzinfo=dt.UTC)
INCIDENT = "019a1f00-0000-7000-8000-0000000000aa"


def notice(number: int = 1, phase: Phase = Phase.FIRING, **more: Any) -> Notice:
    facts: dict[str, Any] = {
        "id": f"019a1f00-0000-7000-8000-{number:012d}",
        "incident": INCIDENT,
        "kind": "restriction",
        "country": "TR",
        "summary": "X, Facebook and Instagram are blocked in Turkey",
        "description": "First via AS9121 at 20:30 UTC.",
        "starts_at": ONSET,
        "incident_record": {"platforms": ["x", "facebook", "instagram"]},
    }
    return Notice(phase=phase, **facts | more)
