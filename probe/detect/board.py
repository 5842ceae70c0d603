"""Every excursion that rose above the ordinary, judged, as the restriction it is.

What is judged together is a cluster: excursions of one service in one country whose onsets follow within an hour. A
cluster is swept again only where something came that could change it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from probe.detect.cell import History, Standing, unpacked
from probe.detect.elsewhere import Word
from probe.detect.exact import Contrast
from probe.detect.excursion import Excursion
from probe.detect.judging import Candidate, judge
from probe.detect.records import Evidence, Restriction, State
from probe.detect.settings import HOUR, MINUTE, Settings
from probe.detect.store import Votes
from probe.detect.surroundings import Surroundings
from probe.detect.tracks import Tracks
from probe.detect.votes import NETWORK, OUTAGE, SPEED, Cell

Group = tuple[str, str, str, str]
_STANDS = 3  # failures before a service is said to be blocked since before it was measured
_MOST = 40  # witnesses that are named
_FOREVER = float("inf")
_NOTHING = (0, None, None)


class Touched:
    """Since when something new is known of services and networks."""

    def __init__(self) -> None:
        self.services: dict[tuple[str, str], float] = {}
        self.networks: dict[tuple[str, int], float] = {}

    def add(self, cell: Cell, time: float) -> None:
        service, network = (cell.platform, cell.service), (cell.country, cell.asn)
        self.services[service] = min(time, self.services.get(service, _FOREVER))
        self.networks[network] = min(time, self.networks.get(network, _FOREVER))

    def since(self, cells: Iterable[Cell]) -> float:
        moments = [self.services.get((cell.platform, cell.service), _FOREVER) for cell in cells]
        return min([*moments, *(self.networks.get((cell.country, cell.asn), _FOREVER) for cell in cells)])


class _Cluster:
    """Candidates that were swept together, what they are known by, and until when new votes could change them."""

    def __init__(self, candidates: Sequence[Candidate], settings: Settings) -> None:
        self.candidates = candidates
        self.key = tuple(_key(candidate) for candidate in candidates)
        self.since = min(candidate.onset for candidate in candidates)
        self.contrasts: dict[int, tuple[Contrast, ...]] = {}
        self._longest = settings.old_streak

    @property
    def until(self) -> float:
        return max(self._changeable(candidate) for candidate in self.candidates)

    def _changeable(self, candidate: Candidate) -> float:
        decided = candidate.judgement.confirmed
        closed = candidate.excursion.closed
        return decided if decided is not None else closed if closed is not None else candidate.onset + self._longest


class Board:
    def __init__(self, tracks: Tracks, votes: Votes, settings: Settings) -> None:
        self._tracks, self._votes, self._settings = tracks, votes, settings
        self._members: dict[Group, set[Cell]] = defaultdict(set)
        self._clusters: dict[Group, dict[tuple[object, ...], _Cluster]] = {}
        self._networks: dict[Group, set[int]] = defaultdict(set)
        self._until: dict[Group, float] = {}
        self._signs: dict[Cell, tuple[object, ...]] = {}
        self._live: set[Cell] = set()

    def update(self, ran: Iterable[Cell], touched: Touched) -> Iterator[tuple[Cell, list[Restriction]]]:
        """The restrictions of every cell that may have changed."""
        groups = {group for cell in ran if (group := self._place(cell)) is not None}
        for group, until in self._until.items():
            if min(touched.since(self._members[group]), touched.services.get(group[1:3], _FOREVER)) <= until:
                groups.add(group)
        around = Surroundings(self._votes)
        for group in sorted(groups):
            yield from self._of_group(group, touched, around)

    def restore(self, cells: Iterable[Cell]) -> None:
        """Finds its places again among histories that were read back."""
        for cell in cells:
            self._place(cell)

    def drafts(self, cell: Cell) -> History:
        return self._tracks.cells[cell].history

    def _place(self, cell: Cell) -> Group | None:
        """The cell's group, where something about the cell is new to judge."""
        group = (cell.country, cell.platform, cell.service, cell.aspect)
        if cell not in self._signs:
            self._networks[group].add(cell.asn)
        history = self.drafts(cell)
        standing = history.standing
        signs = (len(history.past), history.past[-1][0] if history.past else None, standing and standing.ended)
        live = history.excursion is not None and history.excursion.peak >= self._settings.kept * history.excursion.threshold
        stands = _stands(history) and standing is not None and standing.ended is None
        same = self._signs.get(cell, _NOTHING) == signs
        self._signs[cell] = signs
        if same and not live and not stands and cell not in self._live:
            return None
        (self._live.add if live or stands else self._live.discard)(cell)
        self._members[group].add(cell)
        return group

    def _of_group(self, group: Group, touched: Touched, around: Surroundings) -> Iterator[tuple[Cell, list[Restriction]]]:
        cells = sorted(self._members[group])
        old, new = self._clusters.get(group, {}), {}
        found: dict[Cell, list[Restriction]] = {cell: [] for cell in cells}
        candidates = [Candidate(c, e) for c in cells for e in _excursions(self.drafts(c), self._settings)]
        for chain in _chained(candidates, self._settings.together):
            cluster = _Cluster(chain, self._settings)
            known = old.get(cluster.key)
            if known is not None and touched.since(candidate.cell for candidate in chain) > known.until:
                _carry(known, cluster)
            else:
                self._sweep(cluster, around, len(self._networks[group]))
            new[cluster.key] = cluster
            for place, candidate in enumerate(cluster.candidates):
                self._record(found, candidate, cluster.contrasts.get(place, ()))
        self._clusters[group] = new
        self._until[group] = max((cluster.until for cluster in new.values()), default=-_FOREVER)
        for cell in cells:
            self._standing(found, cell, around)
        yield from found.items()

    def _sweep(self, cluster: _Cluster, around: Surroundings, networks: int) -> None:
        last = max(candidate.excursion.last for candidate in cluster.candidates)
        until = min(last, max(candidate.onset for candidate in cluster.candidates) + self._settings.old_streak)
        elsewhere = around.elsewhere(cluster.candidates[0].cell, cluster.since - 10 * MINUTE, until)
        judge(cluster.candidates, networks, elsewhere, around.unfit, self._settings)
        for place, candidate in enumerate(cluster.candidates):
            cluster.contrasts[place] = around.contrasts(candidate, elsewhere)

    def _record(
        self, found: Mapping[Cell, list[Restriction]], candidate: Candidate, contrasts: tuple[Contrast, ...]
    ) -> None:
        state, event = _state(candidate, self._settings, self.drafts(candidate.cell)), _event(candidate)
        if state is not None and event is not None:
            found[candidate.cell].append(restriction(candidate, event, state, contrasts))

    def _standing(self, found: Mapping[Cell, list[Restriction]], cell: Cell, around: Surroundings) -> None:
        standing = self.drafts(cell).standing
        if standing is None or not _stands(self.drafts(cell)):
            return
        here = (standing.failed, 0)
        elsewhere = around.elsewhere(cell, standing.first, standing.first + 2 * HOUR)
        if elsewhere.word(standing.first, standing.first, min(standing.last, standing.first + 2 * HOUR), here) is not Word.FAILS:
            found[cell].append(_stood(cell, standing))


def restriction(candidate: Candidate, event: str, state: State, contrasts: tuple[Contrast, ...]) -> Restriction:
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
        evidence=_evidence(candidate, contrasts),
        cell=cell,
    )


def _evidence(candidate: Candidate, contrasts: tuple[Contrast, ...]) -> Evidence:
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
        contrasts=contrasts,
    )


def _stood(cell: Cell, standing: Standing) -> Restriction:
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


def _state(candidate: Candidate, settings: Settings, history: History) -> State | None:
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


def _event(candidate: Candidate) -> str | None:
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


def _excursions(history: History, settings: Settings) -> Iterator[Excursion]:
    yield from (unpacked(packed) for _, packed in history.past)
    now = history.excursion
    if now is not None and now.peak >= settings.kept * now.threshold:
        yield now


def _stands(history: History) -> bool:
    return history.standing is not None and history.standing.failed >= _STANDS


def _chained(candidates: Sequence[Candidate], together: float) -> Iterator[list[Candidate]]:
    chain: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda c: (c.onset, c.cell)):
        if chain and candidate.onset - chain[-1].onset > together:
            yield chain
            chain = []
        chain.append(candidate)
    if chain:
        yield chain


def _key(candidate: Candidate) -> tuple[Cell, float, float, float | None]:
    return candidate.cell, candidate.excursion.start, candidate.onset, candidate.excursion.closed


def _carry(known: _Cluster, cluster: _Cluster) -> None:
    for old, new in zip(known.candidates, cluster.candidates, strict=True):
        new.judgement, new.settled = old.judgement, old.settled
    cluster.contrasts = known.contrasts
