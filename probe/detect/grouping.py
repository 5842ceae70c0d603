"""From restrictions to incidents: one national block is one incident, and an eternal block swallows nothing."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from probe.detect.records import Affected, Incident, Restriction, State, moment
from probe.detect.settings import Settings

_SOLID = frozenset({"confirmed", "ended"})
_CLUSTER = 600.0  # seconds: a network's onset is taken from what fell together there

Groups = list[list[Restriction]]


def grouped(restrictions: Iterable[Restriction], settings: Settings) -> Groups:
    """Those whose onsets follow within an hour of the one before, of one country and one kind of event.

    A suspicion joins a group but links no two groups, since noise lies everywhere. Outages of platforms know no
    country.
    """
    heaps: dict[tuple[str, str], list[Restriction]] = defaultdict(list)
    for restriction in restrictions:
        if restriction.state not in {"standing", "resolver"}:
            country = "" if restriction.event == "platform-outage" else restriction.country
            heaps[country, restriction.event].append(restriction)
    groups: Groups = []
    for heap in heaps.values():
        groups.extend(_chained(sorted(heap, key=lambda r: (r.starts, r.cell)), settings.together))
    return groups


def incident(
    members: Sequence[Restriction], name: str, fine: Callable[[Sequence[Restriction]], Sequence[str]]
) -> Incident:
    """What the members say together; only those that are confirmed speak, where any is. `fine` finds what else was
    measured there in that time and worked."""
    solid = [member for member in members if member.state in _SOLID] or list(members)
    first = min(solid, key=lambda member: member.starts)
    networks = tuple(sorted(_networks(solid), key=lambda network: (network.onset, network.asn)))
    onset = networks[0].onset
    confirmed = [member.confirmed_at for member in solid if member.confirmed_at is not None]
    suspected = [member.suspected_at for member in solid if member.suspected_at is not None]
    state = _state(solid)
    country = "" if first.event == "platform-outage" else first.country
    witnesses = {witness for member in solid for witness in member.evidence.witnesses}
    unseen = [member.unobserved_since for member in solid if member.ended_at is None]
    since = max((moment for moment in unseen if moment is not None), default=None) if None not in unseen else None
    return Incident(
        id=name,
        event=first.event,
        state=state,
        country=country,
        scope="national" if len(networks) > 1 and country else "isp" if country else "world",
        onset=onset,
        onset_after=max(_before(onset, (m for m in solid if m.asn == networks[0].asn)), default=None),
        suspected_at=min(suspected, default=None),
        confirmed_at=min(confirmed, default=None),
        ended_at=max(member.ended_at or 0.0 for member in solid) if state in {"ended", "dismissed"} else None,
        unobserved_since=since,
        platforms=tuple(sorted({member.platform for member in solid if member.platform})),
        services=_services(solid),
        networks=networks,
        not_affected=tuple(fine(solid)),
        restrictions=tuple(member.id for member in members),
        votes=sum(member.evidence.failed + member.evidence.worked for member in solid),
        witnesses=len(witnesses),
        contrasts=first.evidence.contrasts,
        note=_note(solid, since),
    )


def _note(members: Sequence[Restriction], since: float | None) -> str:
    if since is not None:
        return f"No probe has measured it since {moment(since)}: whether it goes on is not known."
    notes = {member.evidence.note for member in members}
    return f"{notes.pop()}." if len(notes) == 1 and "" not in notes else ""


def _chained(heap: Sequence[Restriction], together: float) -> Groups:
    groups: Groups = []
    latest: float | None = None
    for member in (m for m in heap if m.state in _SOLID):
        if latest is None or member.starts - latest > together:
            groups.append([])
        groups[-1].append(member)
        latest = member.starts
    chains = [(group[0].starts, group[-1].starts, group) for group in groups]
    alone: list[Restriction] = []
    for member in (m for m in heap if m.state not in _SOLID):
        near = next((g for begin, end, g in chains if begin - together <= member.starts <= end + together), None)
        (alone if near is None else near).append(member)
    return [*groups, *_at_once(alone)]


def _at_once(suspicions: Sequence[Restriction]) -> Groups:
    """Suspicions that nothing confirmed is near, and that arose together: most likely they are of one thing."""
    groups: Groups = []
    for member in suspicions:
        if not groups or member.starts - groups[-1][-1].starts > _CLUSTER:
            groups.append([])
        groups[-1].append(member)
    return groups


def _state(members: Sequence[Restriction]) -> State:
    states = {member.state for member in members}
    for state in ("confirmed", "suspected", "ended"):
        if state in states:
            return state
    return "dismissed"


def _networks(members: Sequence[Restriction]) -> list[Affected]:
    by_asn: dict[int, list[Restriction]] = defaultdict(list)
    for member in members:
        by_asn[member.asn].append(member)
    return [
        Affected(asn=asn, onset=_onset(own), techniques=_techniques(own), services=_services(own))
        for asn, own in by_asn.items()
    ]


def _onset(members: Sequence[Restriction]) -> float:
    """The first failure that half of what fell within minutes of it agree with: they had not been seen to work since.
    One false failure just before must not change the order, so where there are three or more, one that stands alone
    before the others is passed over."""
    onsets = sorted(member.starts for member in members)
    for onset in onsets:
        fell = [member for member in members if 0 <= member.starts - onset <= _CLUSTER]
        alone = len(fell) == 1 and len(onsets) > 2
        agree = sum(member.onset_after is None or member.onset_after <= onset for member in fell)
        if not alone and 2 * agree >= len(fell):
            return onset
    return onsets[0]


def _before(onset: float, members: Iterable[Restriction]) -> Iterator[float]:
    """When each was last seen to work until then."""
    for member in members:
        if member.onset_after is not None and member.onset_after <= onset:
            yield member.onset_after


def _techniques(members: Sequence[Restriction]) -> tuple[str, ...]:
    counts: Counter[str] = Counter()
    for member in members:
        counts.update(member.techniques)
    total = sum(counts.values())
    return tuple(technique for technique, count in counts.most_common() if count * 20 >= total)


def _services(members: Sequence[Restriction]) -> dict[str, str]:
    """Of whole networks that are cut off there is none."""
    found: dict[str, str] = {}
    for member in (m for m in members if m.platform):
        key = f"{member.platform}.{member.service}" if member.service else member.platform
        found[key] = "full" if "full" in (found.get(key), member.extent) else "partial"
    return dict(sorted(found.items()))
