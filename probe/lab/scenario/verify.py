"""What a scenario's file expects, held against what the probes said."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec

from probe.lab.scenario.history import STOPPED, Cell, Round
from probe.lab.scenario.model import End, First, Phase, Scenario

_MOST_TOLD = 3
_SETTLED = 2  # rounds after a change until every probe has tested everything again


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """`held` None: rounds alone cannot answer it. `seen` says what was seen instead, where it did not hold."""

    what: str
    held: bool | None
    seen: str = ""


def verify(scenario: Scenario, rounds: Sequence[Round]) -> Iterator[Check]:
    seen = _Seen(scenario, rounds)
    expect = scenario.expect
    if expect.first is not None:
        yield seen.first(expect.first)
    if expect.order:
        yield seen.order(expect.order)
    if expect.end is not None:
        yield seen.end(expect.end)
    for phase in expect.phases:
        yield seen.phase(phase)
    if expect.incidents is not None:
        plural = "" if expect.incidents == 1 else "s"
        yield Check(what=f"{expect.incidents} incident{plural}", held=None, seen="needs a collector")
    for kind in expect.kinds:
        yield Check(what=f"an incident of the kind {kind}", held=None, seen="needs a collector")


class _Seen:
    def __init__(self, scenario: Scenario, rounds: Sequence[Round]) -> None:
        self._scenario, self._rounds = scenario, rounds
        self._asns = [isp.asn for isp in scenario.isps]

    def first(self, first: First) -> Check:
        what = f"AS{first.asn} is first, at {clock(first.onset)} or {_within(first.within_rounds)}"
        onsets = self._onsets()
        if not onsets:
            return Check(what=what, held=False, seen="nothing was stopped anywhere")
        earliest = min(onsets.values())
        who = [asn for asn, at in onsets.items() if at == earliest]
        held = who == [first.asn] and self._in_time(earliest, first.onset, first.within_rounds)
        return Check(what=what, held=held, seen="" if held else f"{_asns(who)} at {clock(earliest)}")

    def order(self, order: Sequence[int]) -> Check:
        onsets = self._onsets()
        what = f"stopped one after another: {_asns(order)}"
        times = [onsets.get(asn) for asn in order]
        held = None not in times and all(one < other for one, other in pairwise(filter(None, times)))
        found = sorted(onsets.items(), key=lambda pair: pair[1])
        told = ", ".join(f"AS{asn} at {clock(at)}" for asn, at in found) or "nothing was stopped anywhere"
        return Check(what=what, held=held, seen="" if held else told)

    def end(self, end: End) -> Check:
        what = f"all is well again at {clock(end.at)} or {_within(end.within_rounds)}"
        stopped = [cell.at for cell in self._stopped()]
        late = [at for at in stopped if at >= end.at + self._rounds_long(end.within_rounds)]
        if late:
            return Check(what=what, held=False, seen=f"still stopped at {clock(max(late))}")
        held = any(at < end.at for at in stopped)
        return Check(what=what, held=held, seen="" if held else "nothing was stopped before")

    def phase(self, phase: Phase) -> Check:
        what = _phase(phase)
        if phase.waits is not None:
            return Check(what=what, held=None, seen=f"waits for {phase.waits}")
        faults = list(self._faults(phase))
        more = f" and {len(faults) - _MOST_TOLD} more" if len(faults) > _MOST_TOLD else ""
        return Check(what=what, held=not faults, seen="; ".join(faults[:_MOST_TOLD]) + more)

    def _faults(self, phase: Phase) -> Iterator[str]:
        settled = self._rounds_long(_SETTLED)
        rounds = [r for r in self._rounds if _within_phase(phase, r.at, settled)]
        if not rounds:
            yield "no round then"
        for one in rounds:
            for asn in phase.isps or self._asns:
                for subject in (*phase.platforms, *phase.services):
                    cell = one.cell(asn, subject)
                    if cell is None or not _as_expected(cell, phase):
                        yield f"{clock(one.at)} AS{asn} {subject} {told(cell)}"

    def _onsets(self) -> dict[int, dt.datetime]:
        """The first round in which anything was stopped, by ISP."""
        onsets: dict[int, dt.datetime] = {}
        for stopped in self._stopped():
            onsets.setdefault(stopped.asn, stopped.at)
        return onsets

    def _stopped(self) -> Iterator["_Stopped"]:
        for one in self._rounds:
            for cell in cells(self._scenario, one):
                if cell.outcome in STOPPED:
                    yield _Stopped(one.at, cell.asn)

    def _in_time(self, at: dt.datetime, expected: dt.datetime, rounds: int) -> bool:
        return expected <= at <= expected + self._rounds_long(rounds)

    def _rounds_long(self, rounds: int) -> dt.timedelta:
        return dt.timedelta(seconds=rounds * self._scenario.interval)


class _Stopped(msgspec.Struct, frozen=True):
    at: dt.datetime
    asn: int


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
