"""What a collector made of the reports: votes as rounds of the scenario, and its incidents."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from probe.lab.scenario.history import SILENT, Round, Said, Word
from probe.lab.scenario.model import Scenario
from probe.lab.scenario.population import Vantage
from probe.lab.simulate.client import Collector

_MINUTE = 60  # seconds: the finest step of the API
_AFFECTED = ("blocked", "partial")
_ORDER = ("degraded", "inconclusive", "ok", "down", "void")  # of what stands for a platform, where nothing is stopped

Votes = dict[tuple[int, str], Counter[str]]  # by ASN and platform.service
Techniques = dict[tuple[int, str], Counter[str]]


async def rounds(collector: Collector, scenario: Scenario, ends: Sequence[dt.datetime]) -> tuple[Round, ...]:
    """What was voted in the interval before each of these moments."""
    interval = dt.timedelta(seconds=scenario.interval)
    span = {"from": _text(min(ends) - interval), "to": _text(max(ends))}
    votes = await collector.read_all("/reachability", {**span, "country": scenario.country, "step": str(_MINUTE)})
    stopped = await collector.read_all("/measurements", {**span, "country": scenario.country, "outcome": "blocked"})
    return tuple(
        Round(at=end, number=number, said=tuple(_said(scenario, end, interval, votes, stopped)))
        for number, end in enumerate(ends, start=1)
    )


async def incidents(collector: Collector) -> tuple[dict[str, Any], ...]:
    """In full, the oldest first."""
    rows = await collector.read_all("/incidents")
    found = [await collector.read(f"/incidents/{row['id']}") for row in rows]
    return tuple(sorted(found, key=lambda one: str(one["onset"])))


async def newest(collector: Collector) -> dt.datetime | None:
    """When the newest measurement began that analysis has taken in."""
    rows = (await collector.read("/measurements", {"limit": "1"}))["items"]
    return moment(rows[0]["time"]) if rows else None


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _text(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _said(
    scenario: Scenario,
    end: dt.datetime,
    interval: dt.timedelta,
    votes: Iterable[Mapping[str, Any]],
    stopped: Iterable[Mapping[str, Any]],
) -> Iterable[Said]:
    counts: Votes = defaultdict(Counter)
    for row in votes:
        if end - interval <= moment(row["time"]) < end and row.get("scope") is None:
            counts[row.get("asn", 0), f"{row['platform']}.{row['service']}"].update(row["votes"])
    how: Techniques = defaultdict(Counter)
    for row in stopped:
        if end - interval <= moment(row["time"]) < end and row.get("scope") is None:
            how[row.get("asn", 0), f"{row.get('platform')}.{row.get('service')}"].update(row.get("techniques", ()))
    for number, isp in enumerate(scenario.isps, start=1):
        services = {name: _word(told, how[asn, name]) for (asn, name), told in counts.items() if asn == isp.asn}
        if services:
            words = services | _platforms(services)
            yield Said(vantage=Vantage(namespace="", asn=isp.asn, number=number), words=words)


def _word(votes: Counter[str], techniques: Counter[str]) -> Word:
    """What most voted of those that can tell."""
    telling = Counter({outcome: count for outcome, count in votes.items() if outcome not in SILENT}) or votes
    outcome = telling.most_common(1)[0][0]
    named = tuple(name for name, _ in techniques.most_common()) if outcome in _AFFECTED else ()
    return Word(outcome=outcome, techniques=named)


def _platforms(services: Mapping[str, Word]) -> dict[str, Word]:
    parts: dict[str, list[Word]] = defaultdict(list)
    for name, word in services.items():
        parts[name.partition(".")[0]].append(word)
    return {platform: _together(words) for platform, words in parts.items()}


def _together(words: Sequence[Word]) -> Word:
    outcomes = {word.outcome for word in words}
    affected = [word for word in words if word.outcome in _AFFECTED]
    if affected:
        whole = outcomes <= {"blocked", "down", "void", "inconclusive"}
        techniques = Counter(name for word in affected for name in word.techniques[:1])
        named = tuple(name for name, _ in techniques.most_common())
        return Word(outcome="blocked" if whole else "partial", techniques=named)
    return Word(outcome=next(outcome for outcome in _ORDER if outcome in outcomes))
