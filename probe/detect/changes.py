"""What is published, and what changes about it: ids that are kept by overlap, transitions, corrections, redirects."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import count

import msgspec

from probe.detect.grouping import grouped, incident
from probe.detect.records import Change, Incident, Restriction, Transition
from probe.detect.settings import DAY, Settings
from probe.detect.votes import Cell

Name = Callable[[str, str, float], str]
Fine = Callable[[Sequence[Restriction]], Sequence[str]]
_QUIET = frozenset({"probe-fault"})  # events without an incident
_FOREVER = float("inf")


def named(event: str, country: str, onset: float) -> str:
    """An incident's id where the caller gives none: the same for the same event, whoever computes it."""
    return f"{country or 'world'}-{event}-{_digest((event, country, int(onset)))}".lower()


class Book(msgspec.Struct):
    """The records as they were last said."""

    restrictions: dict[Cell, list[Restriction]] = {}
    incidents: dict[str, Incident] = {}

    def enter(
        self, cell: Cell, drafts: Sequence[Restriction], before: float, floor: float = -_FOREVER
    ) -> Iterator[Transition]:
        """The cell's restrictions as they are now. Those that ended before `before` are history and stay as they are
        where no draft speaks of them any more. Votes from before `floor` were forgotten: what was confirmed then stays
        confirmed, and what ended then and is not here was taken out."""
        old = self.restrictions.get(cell, [])
        over = before if floor > -_FOREVER else floor
        paired = [
            (_firm(draft, was, floor), was)
            for draft, was in _paired(old, drafts)
            if was is not None or draft.end_confirmed_at is None or draft.end_confirmed_at >= over
        ]
        taken = {record.id for record in old}
        new = [msgspec.structs.replace(draft, id=was.id if was else _id(draft, taken)) for draft, was in paired]
        kept = {record.id for record in new}
        gone = [was for was in old if was.id not in kept]
        aged = [was for was in gone if was.end_confirmed_at is not None and was.end_confirmed_at < before]
        self.restrictions[cell] = sorted([*aged, *new], key=lambda record: record.starts)
        if not self.restrictions[cell]:
            del self.restrictions[cell]
        for record, (_, was) in zip(new, paired, strict=True):
            yield from _told(record, was)
        for was in (record for record in gone if record not in aged):
            yield Transition(change="withdrawn", time=was.starts, subject=was.id, correction=True, restriction=was)

    def gather(self, settings: Settings, name: Name, fine: Fine, changed: set[tuple[str, str]]) -> Iterator[Transition]:
        """Incidents of the countries and events that changed, (country, event) each."""
        every = [r for records in self.restrictions.values() for r in records if r.event not in _QUIET]
        theirs = [r for r in every if _heap(r) in changed]
        groups = grouped(theirs, settings)
        before = {i.id: i for i in self.incidents.values() if (i.country, i.event) in changed}
        owner = {member: i.id for i in before.values() for member in i.restrictions}
        taken: set[str] = set()
        for group in sorted(groups, key=lambda members: min(member.starts for member in members)):
            known = _owners(group, owner)
            first = min(group, key=lambda member: member.starts)
            mine = next((i for i in known if i not in taken), None)
            mine = mine or _fresh(name, first, taken | self.incidents.keys())
            taken.add(mine)
            now = incident(group, mine, fine)
            for other in known:
                if other not in taken and not _elsewhere(other, groups, group, owner):
                    taken.add(other)
                    yield Transition(
                        change="merged", time=now.onset, subject=other, into=mine, incident=self.incidents.pop(other)
                    )
            was = self.incidents.get(mine)
            self.incidents[mine] = now
            yield from _incident_told(now, was)
        for lost in [i for i in before if i not in taken and i in self.incidents]:
            was = self.incidents.pop(lost)
            yield Transition(change="withdrawn", time=was.onset, subject=lost, correction=True, incident=was)

    def forget(self, before: float) -> list[Restriction | Incident]:
        """Takes out what ended before that moment."""
        out: list[Restriction | Incident] = []
        for cell, records in list(self.restrictions.items()):
            old = [r for r in records if r.end_confirmed_at is not None and r.end_confirmed_at < before]
            if old:
                out.extend(old)
                self.restrictions[cell] = [r for r in records if r not in old]
        members = {r.id for records in self.restrictions.values() for r in records}
        for done in [i for i in self.incidents.values() if not members & set(i.restrictions)]:
            out.append(self.incidents.pop(done.id))
        return out


def _heap(record: Restriction) -> tuple[str, str]:
    return ("" if record.event == "platform-outage" else record.country, record.event)


def heaps(records: Iterable[Restriction]) -> set[tuple[str, str]]:
    return {_heap(record) for record in records}


def _owners(group: Sequence[Restriction], owner: Mapping[str, str]) -> list[str]:
    """Incidents that these restrictions were part of, the one of most of them first."""
    counts: dict[str, int] = {}
    for member in group:
        if member.id in owner:
            counts[owner[member.id]] = counts.get(owner[member.id], 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))


def _elsewhere(
    name: str, groups: Sequence[Sequence[Restriction]], mine: Sequence[Restriction], owner: Mapping[str, str]
) -> bool:
    """Whether another group has members of that incident, too: then it goes on there."""
    return any(owner.get(member.id) == name for group in groups if group is not mine for member in group)


def _paired(old: Sequence[Restriction], drafts: Sequence[Restriction]) -> list[tuple[Restriction, Restriction | None]]:
    """Each draft with the record that it continues: of the same kind, and of overlapping time, those first that have
    the most in common."""
    ordered = sorted(drafts, key=lambda record: record.starts)
    near = [
        (-common, abs(was.starts - draft.starts), place, number)
        for place, draft in enumerate(ordered)
        for number, was in enumerate(old)
        if (common := _overlap(was, draft)) >= 0
    ]
    match: dict[int, int] = {}
    for _, _, place, number in sorted(near):
        if place not in match and number not in match.values():
            match[place] = number
    return [(draft, old[match[place]] if place in match else None) for place, draft in enumerate(ordered)]


def _firm(draft: Restriction, was: Restriction | None, floor: float) -> Restriction:
    """A draft that was judged anew without the votes on which it was confirmed keeps that judgement."""
    if was is None or was.confirmed_at is None or was.confirmed_at >= floor:
        return draft
    evidence = msgspec.structs.replace(
        was.evidence, failed=draft.evidence.failed, worked=draft.evidence.worked, note=draft.evidence.note
    )
    return msgspec.structs.replace(
        draft,
        event=was.event,
        state="ended" if draft.ended_at is not None else "confirmed",
        confirmed_at=was.confirmed_at,
        scope=was.scope,
        evidence=evidence,
    )


def _overlap(was: Restriction, draft: Restriction) -> float:
    if (was.state == "standing") != (draft.state == "standing"):
        return -1.0
    ends = was.ended_at or _FOREVER, draft.ended_at or _FOREVER
    begins = max(was.starts, draft.starts)
    common = min(*ends, begins + 1e9) - begins
    return common if common > 0 or was.starts == draft.starts else -1.0


def _id(draft: Restriction, taken: set[str]) -> str:
    """Its own, though another record of the cell began as this does now and moved."""
    parts = (*draft.cell, int(draft.starts), draft.state == "standing")
    name = next(name for turn in count() if (name := _digest((*parts, turn) if turn else parts)) not in taken)
    taken.add(name)
    return name


def _fresh(name: Name, first: Restriction, taken: Collection[str]) -> str:
    """An incident's id, its own though another one began as this does now and moved: then with a number behind."""
    own = name(first.event, _heap(first)[0], first.starts)
    return next(made for turn in count() if (made := f"{own}-{turn}" if turn else own) not in taken)


def _digest(parts: tuple[object, ...]) -> str:
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).hexdigest()


def _life(record: Restriction) -> dict[Change, float]:
    """The moments of its life that were worth a word, in order."""
    life: dict[Change, float] = {}
    if record.state in {"standing", "resolver"}:
        life[record.state] = record.starts
    elif record.suspected_at is not None:
        life["suspected"] = record.suspected_at
    if record.confirmed_at is not None:
        life["confirmed"] = record.confirmed_at
    if record.unobserved_since is not None:
        life["unobserved"] = record.unobserved_since + DAY
    if record.ended_at is not None:
        life["ended" if record.confirmed_at is not None or record.state == "standing" else "dismissed"] = (
            record.ended_at
        )
    return life


def _told(record: Restriction, was: Restriction | None) -> Iterator[Transition]:
    life, before = _life(record), _life(was) if was is not None else {}
    if was is not None and _corrects(record, was):
        time = record.confirmed_at or record.starts
        yield Transition(change="corrected", time=time, subject=record.id, correction=True, restriction=record)
    for change, time in life.items():
        if change not in before:
            yield Transition(change=change, time=time, subject=record.id, restriction=record)
    known_parts, known_turns = (len(was.segments), len(was.turns)) if was is not None else (1, 1)
    for begin, _ in record.segments[max(1, known_parts) :]:
        yield Transition(change="reopened", time=begin, subject=record.id, restriction=record)
    for at, _ in record.turns[max(1, known_turns) :]:
        yield Transition(change="technique", time=at, subject=record.id, restriction=record)


def _corrects(record: Restriction, was: Restriction) -> bool:
    """Whether something that had been said is said otherwise now. Before it is confirmed, an onset may still move; an
    end is taken back also by what opens again."""
    if was.confirmed_at is None:
        return False
    ended = was.ended_at is not None and record.ended_at != was.ended_at and len(record.segments) <= len(was.segments)
    return record.confirmed_at != was.confirmed_at or record.onset != was.onset or record.event != was.event or ended


def _incident_told(now: Incident, was: Incident | None) -> Iterator[Transition]:
    for change, time in _incident_life(now).items():
        if was is None or change not in _incident_life(was):
            yield Transition(change=change, time=time, subject=now.id, incident=now)
    if was is None or was.confirmed_at is None:
        return
    if was.ended_at is not None and now.ended_at is None:
        yield Transition(change="reopened", time=now.onset, subject=now.id, incident=now)
    if {n.asn for n in now.networks} - {n.asn for n in was.networks} or now.services.keys() - was.services.keys():
        latest = max(network.onset for network in now.networks)
        yield Transition(change="spread", time=latest, subject=now.id, incident=now)
    if now.onset != was.onset or now.confirmed_at != was.confirmed_at:
        yield Transition(change="corrected", time=now.onset, subject=now.id, correction=True, incident=now)


def _incident_life(incident: Incident) -> dict[Change, float]:
    life: dict[Change, float] = {}
    if incident.suspected_at is not None:
        life["suspected"] = incident.suspected_at
    if incident.confirmed_at is not None:
        life["confirmed"] = incident.confirmed_at
    if incident.unobserved_since is not None:
        life["unobserved"] = incident.unobserved_since + DAY
    if incident.ended_at is not None:
        life["ended" if incident.confirmed_at is not None else "dismissed"] = incident.ended_at
    return life
