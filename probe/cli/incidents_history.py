"""What was said of an incident and when: what came at one moment is one line."""

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

Row = dict[str, Any]

_CHANGES = {
    "suspected": "suspected",
    "confirmed": "confirmed",
    "reopened": "began again",
    "technique": "changed its technique",
    "spread": "spread",
    "unobserved": "measured by nobody for a day",
    "ended": "ended",
    "dismissed": "dismissed",
    "corrected": "corrected",
    "withdrawn": "withdrawn",
    "merged": "became part of another incident",
}
_NAMED = 3  # services of a platform that are named one by one


def lines(history: Sequence[Row]) -> Iterator[tuple[str, str, bool, str]]:
    """The moment, the change, whether it corrects what was said before, and what it is about."""
    said = [one for one in history if one["change"] != "spread"]  # to whom, its restrictions say
    for (moment, change, correction), group in groupby(_together(said), key=_key):
        yield moment, _CHANGES.get(change, change), correction, _about(list(group))


def told_at(history: Sequence[Row], change: str) -> str | None:
    """When that was first said of the incident itself."""
    own = (one for one in history if one["change"] == change and one.get("restriction") is None)
    return next((one.get("recorded_at") or one.get("at") for one in own), None)


def _together(history: Sequence[Row]) -> list[Row]:
    """In their order, but the like of one moment side by side."""
    order = {key: place for place, key in enumerate(dict.fromkeys(map(_key, history)))}
    return sorted(history, key=lambda said: order[_key(said)])


def _key(said: Row) -> tuple[str, str, bool]:
    moment = dt.datetime.fromisoformat(said.get("recorded_at") or said["at"])
    return f"{moment:%Y-%m-%d %H:%M}", said["change"], bool(said.get("correction"))


def _about(group: list[Row]) -> str:
    into = next((f"see {said['into']}" for said in group if said.get("into")), None)
    restrictions = [said for said in group if said.get("restriction") is not None]
    asns = dict.fromkeys(said.get("asn") for said in restrictions)
    parts = [_network(asn, [said for said in restrictions if said.get("asn") == asn]) for asn in asns]
    return "; ".join(filter(None, (*parts, into))) or "the incident"


def _network(asn: int | None, group: list[Row]) -> str:
    platforms: dict[str, list[str]] = {}
    for said in group:
        platforms.setdefault(said.get("platform") or "everything", []).append(said.get("service") or "")
    what = ", ".join(f"{platform}{_services(own)}" for platform, own in platforms.items())
    techniques = {said.get("technique") or "" for said in group} - {""}
    how = f" by {', '.join(sorted(techniques))}" if techniques and group[0]["change"] == "technique" else ""
    return f"{f'AS{asn} ' if asn else ''}{what}{how}"


def _services(names: list[str]) -> str:
    known = sorted({name for name in names if name})
    return f" ({', '.join(known) if len(known) <= _NAMED else f'{len(known)} services'})" if known else ""
