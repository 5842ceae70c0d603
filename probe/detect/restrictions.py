"""A judged excursion, or a standing block, as the record that is published."""

import msgspec

from probe.detect.candidate import Candidate
from probe.detect.cell import History, Standing
from probe.detect.excursion import Excursion
from probe.detect.records import Evidence, Restriction, State
from probe.detect.settings import DAY, Settings
from probe.detect.votes import NETWORK, OUTAGE, SPEED, Cell

_MOST = 40  # witnesses that are named
_UNSEEN = "Its probes went away: nobody has seen it work again, and it is closed with its last failure"


def restriction(candidate: Candidate, event: str, state: State) -> Restriction:
    excursion, judgement, cell = candidate.excursion, candidate.judgement, candidate.cell
    over = excursion.closed is not None and state != "suspected"
    current = excursion.turns[-1][1] if excursion.turns else ""
    return Restriction(
        id="",
        event=event,
        state=state,
        country=cell.country,
        asn=cell.asn,
        platform=cell.platform,
        service=cell.service,
        extent=excursion.extent,
        technique=current if event != "throttling" else "throttling",
        techniques=dict(sorted(excursion.techniques.items(), key=lambda item: (-item[1], item[0]))),
        turns=tuple(excursion.turns),
        onset=candidate.onset,
        onset_after=candidate.after,
        onset_before=candidate.onset,
        suspected_at=excursion.suspected if excursion.suspected is not None else judgement.confirmed,
        confirmed_at=judgement.confirmed,
        last_failed_at=excursion.last,
        ended_at=excursion.ended if over else None,
        end_confirmed_at=excursion.closed if over else None,
        segments=_segments(excursion, candidate.onset),
        scope=judgement.basis or "isp",
        evidence=_evidence(candidate),
        cell=cell,
    )


def _evidence(candidate: Candidate) -> Evidence:
    excursion, judgement = candidate.excursion, candidate.judgement
    return Evidence(
        failed=excursion.failed,
        worked=excursion.worked,
        supporting=excursion.support,
        witnesses=tuple(sorted(excursion.witnesses))[:_MOST],
        baseline=round(excursion.weights.rate, 4),
        ratio=round(judgement.ratio, 2),
        threshold=round(judgement.threshold, 2),
        basis=judgement.basis,
        elsewhere=judgement.elsewhere,
        contrasts=candidate.contrasts,
        note=_UNSEEN if _unseen(excursion) else "",
    )


def _unseen(excursion: Excursion) -> bool:
    """Whether it was closed because nobody voted any more: else it ends by a vote that is newer than its failures."""
    return excursion.closed is not None and excursion.ended == excursion.last < excursion.closed - DAY


def watched(record: Restriction, newest: float, now: float, settings: Settings) -> Restriction:
    """The record as it is to be said at `now`, where the newest vote of its cell is of `newest`: what nobody measures
    any more is marked after a day, and closed with its last failure when those votes are forgotten."""
    if record.ended_at is not None:
        return record
    if now - newest > settings.memory:
        return _closed(record, newest + settings.memory)
    unseen = record.confirmed_at is not None and now - newest >= DAY
    since = newest if unseen else None
    same = since == record.unobserved_since
    return record if same else msgspec.structs.replace(record, unobserved_since=since)


def _closed(record: Restriction, at: float) -> Restriction:
    stands, last = record.state in {"standing", "resolver"}, record.last_failed_at
    return msgspec.structs.replace(
        record,
        state=record.state if stands else "ended" if record.confirmed_at is not None else "dismissed",
        ended_at=last if last is not None else record.starts,
        end_confirmed_at=None if record.state == "standing" else at,
        unobserved_since=None,
        segments=tuple((begin, end if end is not None else last) for begin, end in record.segments),
        evidence=msgspec.structs.replace(record.evidence, note=_UNSEEN),
    )


def stood(cell: Cell, standing: Standing) -> Restriction:
    common = max(standing.techniques, key=lambda name: (standing.techniques[name], name), default="")
    return Restriction(
        id="",
        event="restriction",
        state="standing",
        country=cell.country,
        asn=cell.asn,
        platform=cell.platform,
        service=cell.service,
        technique=common,
        techniques=standing.techniques,
        onset_before=standing.first,
        last_failed_at=standing.last,
        ended_at=standing.ended,
        evidence=Evidence(failed=standing.failed, worked=0, witnesses=tuple(sorted(standing.witnesses))[:_MOST]),
        cell=cell,
    )


def state_of(candidate: Candidate, settings: Settings, history: History) -> State | None:
    excursion = candidate.excursion
    over = excursion.closed is not None
    if candidate.cell.operator:
        return "resolver" if excursion.suspected is not None else None
    if candidate.judgement.confirmed is not None:
        return "ended" if over else "confirmed"
    if excursion.suspected is None:
        return None
    now = history.at[0] if history.at is not None else excursion.last
    return "dismissed" if over or now - candidate.onset > settings.old_streak else "suspected"


def event_of(candidate: Candidate) -> str | None:
    cell, judgement = candidate.cell, candidate.judgement
    if cell.aspect == NETWORK:
        known = "network-outage" if cell.service == OUTAGE else "void-jump"
        return known if judgement.event == "here" else None
    if judgement.event != "here":
        return "platform-outage" if judgement.event == "everywhere" else judgement.event
    return "throttling" if cell.aspect == SPEED or candidate.excursion.slowed else "restriction"


def _segments(excursion: Excursion, onset: float) -> tuple[tuple[float, float | None], ...]:
    ended = tuple((begin, end) for begin, end in excursion.parts)
    return ended if excursion.closed is not None else (*ended, (max(excursion.since, onset), None))
