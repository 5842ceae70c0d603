"""What was said of an incident: one line a moment and change, not one a service."""

from typing import Any

from probe.cli.incidents_history import lines, told_at


def said(change: str, at: str, asn: int | None = None, what: str = "", **more: Any) -> dict[str, Any]:
    platform, _, service = what.partition(".")
    own = {"asn": asn, "platform": platform or None, "service": service or None, "restriction": f"{asn}{what}" or None}
    own |= {} if what else {"restriction": None}
    return {"change": change, "at": "2019-02-23T19:00:00Z", "recorded_at": at, "correction": False, **own, **more}


FIRST, SECOND = "2019-02-23T19:01:00Z", "2019-02-23T19:02:30Z"


def test_what_was_said_at_one_moment_is_one_line() -> None:
    services = [said("suspected", FIRST, 8048, f"x.{name}") for name in ("web", "api", "media", "upload", "short")]
    history = [*services, said("suspected", FIRST), said("suspected", FIRST, 8048, "youtube.web")]
    assert list(lines(history)) == [
        ("2019-02-23 19:01", "suspected", False, "AS8048 x (5 services), youtube (web)"),
    ]


def test_networks_are_told_apart_and_the_incident_alone_is_named() -> None:
    history = [said("ended", FIRST, 1, "x.web"), said("ended", FIRST, 2, "x.web"), said("ended", SECOND)]
    assert [about for *_, about in lines(history)] == ["AS1 x (web); AS2 x (web)", "the incident"]


def test_a_spread_is_told_by_those_to_whom_it_spread() -> None:
    history = [said("spread", SECOND), said("confirmed", SECOND, 2, "x.web")]
    assert [change for _, change, *_ in lines(history)] == ["confirmed"]


def test_a_correction_stands_apart_and_a_merger_says_with_what() -> None:
    history = [said("ended", FIRST, 1, "x.web"), said("ended", FIRST, 1, "x.api", correction=True)]
    assert [correction for _, _, correction, _ in lines(history)] == [False, True]
    (merged,) = lines([said("merged", SECOND, into="tr-restriction-8f14")])
    assert merged[3] == "see tr-restriction-8f14"


def test_told_is_when_the_incident_was_said_not_a_restriction() -> None:
    history = [said("confirmed", FIRST, 1, "x.web"), said("confirmed", SECOND)]
    assert told_at(history, "confirmed") == SECOND
    assert told_at(history, "ended") is None
