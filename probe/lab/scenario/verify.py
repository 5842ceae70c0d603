"""What a scenario expects, held against what the probes said round by round, and what the collector made of it."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from probe.lab.scenario.history import Cell, Round
from probe.lab.scenario.model import End, Expect, First, Phase, Scenario

_MOST_TOLD = 3


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """`held` None: what the product does not have yet. `seen` says what was seen instead, where it did not hold."""

    what: str
    held: bool | None
    seen: str = ""


def verify(scenario: Scenario, rounds: Sequence[Round], incidents: Sequence[dict[str, Any]]) -> Iterator[Check]:
    """`incidents` as the collector's API gives them in full."""
    expect = scenario.expect
    told = _Incidents(scenario, incidents)
    if expect.incidents is not None:
        yield told.number(expect.incidents)
    for kind in expect.kinds:
        yield told.kind(kind)
    if expect.first is not None:
        yield told.first(expect.first)
    if expect.order:
        yield told.order(expect.order)
    if expect.blocked or expect.partial:
        yield told.extents(expect)
    if expect.segments is not None:
        yield told.segments(expect.segments)
    if expect.end is not None:
        yield told.end(expect.end)
    seen = _Seen(scenario, rounds)
    for phase in expect.phases:
        yield seen.phase(phase)


class _Incidents:
    def __init__(self, scenario: Scenario, incidents: Sequence[dict[str, Any]]) -> None:
        self._interval = dt.timedelta(seconds=scenario.interval)
        self._incidents = sorted(incidents, key=lambda incident: _at(incident["onset"]))

    def number(self, expected: int) -> Check:
        what = f"{expected} incident{'' if expected == 1 else 's'}"
        return Check(what=what, held=len(self._incidents) == expected, seen=self._listed())

    def kind(self, kind: str) -> Check:
        kinds = [incident["event"] for incident in self._incidents]
        return Check(what=f"an incident of the kind {kind}", held=kind in kinds, seen=self._listed())

    def first(self, first: First) -> Check:
        what = f"AS{first.asn} is first, at {clock(first.onset)} or {_within(first.within_rounds)}"
        networks = self._networks()
        if not networks:
            return Check(what=what, held=False, seen=self._listed())
        asn, onset = networks[0]
        late = abs(onset - first.onset) > first.within_rounds * self._interval
        return Check(what=what, held=asn == first.asn and not late, seen=f"AS{asn} at {onset:%H:%M:%S}")

    def order(self, order: Sequence[int]) -> Check:
        networks = self._networks()
        told = ", ".join(f"AS{asn} at {onset:%H:%M}" for asn, onset in networks) or self._listed()
        what = f"restricted one after another: {_asns(order)}"
        return Check(what=what, held=tuple(asn for asn, _ in networks) == tuple(order), seen=told)

    def extents(self, expect: Expect) -> Check:
        """Every platform that is not named is left alone."""
        what = f"blocked: {_words(expect.blocked)}; in part: {_words(expect.partial)}; nothing else"
        found = {platform: extent_of(platform, self._incidents) for platform in _platforms(self._incidents)}
        wanted = dict.fromkeys(expect.blocked, "full") | dict.fromkeys(expect.partial, "partial")
        told = ", ".join(f"{platform} {extent}" for platform, extent in sorted(found.items()))
        return Check(what=what, held=found == wanted, seen=told or self._listed())

    def segments(self, expected: int) -> Check:
        what = f"every restriction in {expected} segment{'' if expected == 1 else 's'}"
        counts = [len(r.get("segments", ())) for incident in self._incidents for r in incident["restrictions"]]
        return Check(what=what, held=bool(counts) and set(counts) == {expected}, seen=f"{sorted(set(counts))}")

    def end(self, end: End) -> Check:
        what = f"ended at {clock(end.at)} or {_within(end.within_rounds)}"
        ends = [incident.get("ended_at") for incident in self._incidents]
        if not ends or None in ends:
            return Check(what=what, held=False, seen="it lasts" if ends else self._listed())
        last = max(_at(at) for at in ends if at is not None)
        return Check(what=what, held=abs(last - end.at) <= end.within_rounds * self._interval, seen=f"{last:%H:%M:%S}")

    def _networks(self) -> list[tuple[int, dt.datetime]]:
        """In the order in which they followed, over all incidents."""
        found: dict[int, dt.datetime] = {}
        for network in (network for incident in self._incidents for network in incident["networks"]):
            found.setdefault(network["asn"], _at(network["onset"]))
        return sorted(found.items(), key=lambda pair: pair[1])

    def _listed(self) -> str:
        named = [f"{i['event']} of {_words(i['platforms']) or 'everything'}" for i in self._incidents]
        return "; ".join(named) or "no incident"


def extent_of(platform: str, incidents: Iterable[dict[str, Any]]) -> str:
    """`full` where every service of it that was tested is blocked whole, in all of the incidents."""
    extents, works = set(), False
    for incident in incidents:
        extents |= {extent for name, extent in incident["services"].items() if _platform(name) == platform}
        works = works or any(_platform(name) == platform for name in incident["not_affected"])
    return "full" if extents == {"full"} and not works else "partial"


class _Seen:
    def __init__(self, scenario: Scenario, rounds: Sequence[Round]) -> None:
        self._scenario, self._rounds = scenario, rounds
        self._asns = [isp.asn for isp in scenario.isps]

    def phase(self, phase: Phase) -> Check:
        what = _phase(phase)
        if phase.waits is not None:
            return Check(what=what, held=None, seen=f"waits for {phase.waits}")
        faults = list(self._faults(phase))
        more = f" and {len(faults) - _MOST_TOLD} more" if len(faults) > _MOST_TOLD else ""
        return Check(what=what, held=not faults, seen="; ".join(faults[:_MOST_TOLD]) + more)

    def _faults(self, phase: Phase) -> Iterator[str]:
        settled = dt.timedelta(seconds=self._scenario.expect.settled * self._scenario.interval)
        rounds = [r for r in self._rounds if _within_phase(phase, r.at, settled)]
        if not rounds:
            yield "no round then"
        for one in rounds:
            for asn in phase.isps or self._asns:
                for subject in (*phase.platforms, *phase.services):
                    cell = one.cell(asn, subject)
                    if cell is None or not _as_expected(cell, phase):
                        yield f"{clock(one.at)} AS{asn} {subject} {told(cell)}"


def cells(scenario: Scenario, round: Round) -> Iterator[Cell]:
    """Of every ISP and platform of which anything was said."""
    for isp in scenario.isps:
        for platform in scenario.platform_ids:
            if (cell := round.cell(isp.asn, platform)) is not None:
                yield cell


def told(cell: Cell | None) -> str:
    return "unknown" if cell is None else " ".join([cell.outcome, *cell.techniques[:1]])


def clock(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%H:%M}"


def _as_expected(cell: Cell, phase: Phase) -> bool:
    if cell.outcome not in phase.outcomes:
        return False
    return phase.technique is None or cell.techniques[:1] == (phase.technique,)


def _within_phase(phase: Phase, at: dt.datetime, settled: dt.timedelta) -> bool:
    return (phase.since is None or at >= phase.since + settled) and (phase.until is None or at <= phase.until)


def _phase(phase: Phase) -> str:
    since = f" from {clock(phase.since)}" if phase.since else ""
    until = f" until {clock(phase.until)}" if phase.until else ""
    where = f" at {_asns(phase.isps)}" if phase.isps else " everywhere"
    says = " or ".join(phase.outcomes) + (f" {phase.technique}" if phase.technique else "")
    return f"{', '.join((*phase.platforms, *phase.services))}{where}{since}{until}: {says}"


def _asns(asns: Iterable[int]) -> str:
    return ", ".join(f"AS{asn}" for asn in asns)


def _within(rounds: int) -> str:
    return f"within {rounds} round{'' if rounds == 1 else 's'}"


def _words(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"


def _platform(service: str) -> str:
    return service.partition(".")[0]


def _platforms(incidents: Iterable[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(platform for incident in incidents for platform in incident["platforms"]))


def _at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
