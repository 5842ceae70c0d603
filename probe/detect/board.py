"""Every excursion that rose above the ordinary, judged, as the restriction it is.

What is judged together is a cluster: excursions of one service in one country whose onsets follow within an hour. A
cluster is swept again only where something came that could change it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import itemgetter

from probe.detect.candidate import Candidate
from probe.detect.cell import History, Standing, unpacked
from probe.detect.elsewhere import Word
from probe.detect.excursion import Excursion
from probe.detect.judging import judge, mixed
from probe.detect.records import Restriction
from probe.detect.restrictions import event_of, restriction, state_of, stood
from probe.detect.settings import HOUR, MINUTE, Settings
from probe.detect.store import Votes
from probe.detect.surroundings import Surroundings
from probe.detect.track import Signs, Track
from probe.detect.votes import Cell

Group = tuple[str, str, str, str]
_STANDS = 3  # failures before a service is said to be blocked since before it was measured
_FOREVER = float("inf")
_first = itemgetter(0)
_OVERLAP = 2 * HOUR  # so far back noise may have been under way together with what is new
_NOTHING: Signs = (0, None, None)


class Touched:
    """Since when something new is known of services and networks."""

    def __init__(self, ran: Mapping[Track, float], controls: Sequence[tuple[Cell, float]] = ()) -> None:
        self._ran, self._controls = ran, controls
        self.earliest = min((*ran.values(), *(time for _, time in controls)), default=_FOREVER)

    def within(self, candidates: Iterable[Candidate], until: float) -> bool:
        """Whether it is of the services or networks of these, and not of after `until`."""
        return self.earliest <= until and self.since(candidates) <= until

    def since(self, candidates: Iterable[Candidate]) -> float:
        moments = [self._moments.get(key, _FOREVER) for c in candidates for key in (c.cell[2:4], c.cell[:2])]
        return min(moments, default=_FOREVER)

    @cached_property
    def _moments(self) -> dict[tuple[object, ...], float]:
        """Of each service, and of each network."""
        found: dict[tuple[object, ...], float] = {}
        for cell, time in (*((track.cell, time) for track, time in self._ran.items()), *self._controls):
            for key in (cell[2:4], cell[:2]):
                if time < found.get(key, _FOREVER):
                    found[key] = time
        return found


class _Cluster:
    """Candidates that were swept together, what they are known by, and until when late votes could change them."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.candidates = candidates
        self.key = tuple(_key(candidate) for candidate in candidates)
        self.since = min(candidate.onset for candidate in candidates)
        self.until = max(candidate.newest for candidate in candidates)


class _Field:
    """What is known of one group: the cells with something in them, the candidates worth judging, their clusters."""

    def __init__(self) -> None:
        self.cells: dict[Cell, Track] = {}  # in order
        self.networks: set[int] = set()
        self.worthy: dict[tuple[Cell, float], Candidate] = {}
        self.clusters: dict[tuple[object, ...], _Cluster] = {}
        self.said: dict[Cell, list[Restriction]] = {}

    @property
    def until(self) -> float:
        return max((cluster.until for cluster in self.clusters.values()), default=-_FOREVER)


class Board:
    def __init__(self, votes: Votes, settings: Settings) -> None:
        self._votes, self._settings = votes, settings
        self._fields: dict[Group, _Field] = {}
        self._judged: set[Group] = set()  # with something that late votes could change

    def update(self, ran: Mapping[Track, float], touched: Touched) -> Iterator[tuple[Cell, list[Restriction]]]:
        """The restrictions of every cell that may have changed. `ran` says since when each cell was run."""
        since: dict[Group, float] = {}
        for track, time in ran.items():
            history = track.history
            quiet = history.excursion is None and history.standing is None and not history.past and not track.live
            if quiet and track.signs == _NOTHING:
                continue
            group = self._place(track)
            if group is not None:
                since[group] = min(time, since.get(group, _FOREVER))
        for group in self._judged:
            field = self._fields[group]
            if touched.earliest <= field.until:
                late = touched.since(field.worthy.values())
                if late <= field.until:
                    since[group] = min(late, since.get(group, _FOREVER))
        around = Surroundings(self._votes)
        for group in sorted(since):
            field = self._fields[group]
            yield from self._of_group(field, since[group], touched, around)
            (self._judged.add if field.clusters else self._judged.discard)(group)

    def restore(self, tracks: Iterable[Track]) -> None:
        """Finds its places again among histories that were read back."""
        groups = {group for track in tracks if (group := self._place(track)) is not None}
        around, nothing = Surroundings(self._votes), Touched({})
        for group in sorted(groups):
            list(self._of_group(self._fields[group], -_FOREVER, nothing, around))
            self._judged.add(group)

    def _place(self, track: Track) -> Group | None:
        """The cell's group, where something about the cell is new to judge."""
        cell, history, before = track.cell, track.history, track.signs
        excursion, standing, past = history.excursion, history.standing, history.past
        signs = (len(past), past[-1][0] if past else None, standing.ended if standing is not None else None)
        if excursion is None and standing is None and not track.live and before == signs:
            return None
        group = (cell.country, cell.platform, cell.service, cell.aspect)
        field = self._fields.get(group)
        if before is None:
            field = self._fields.setdefault(group, _Field())
            field.networks.add(cell.asn)
        live = excursion is not None and excursion.peak >= self._settings.kept * excursion.threshold
        live = live or (standing is not None and standing.failed >= _STANDS and standing.ended is None)
        same = (before or _NOTHING) == signs and not live and not track.live
        track.signs, track.live = signs, live
        if same or field is None:
            return None
        if cell not in field.cells:
            field.cells = dict(sorted({**field.cells, cell: track}.items(), key=_first))
        return group

    def _of_group(
        self, field: _Field, since: float, touched: Touched, around: Surroundings
    ) -> Iterator[tuple[Cell, list[Restriction]]]:
        old = field.clusters
        self._choose(field, since - _OVERLAP)
        field.clusters = {}
        found: dict[Cell, list[Restriction]] = defaultdict(list)
        for chain in _chained(list(field.worthy.values()), self._settings.together):
            cluster = _Cluster(chain)
            known = old.get(cluster.key)
            if known is None or touched.within(chain, cluster.until) or not _carried(known, cluster):
                self._sweep(cluster, around, len(field.networks))
            field.clusters[cluster.key] = cluster
            for candidate in cluster.candidates:
                self._record(found, field.cells[candidate.cell].history, candidate)
        for cell, track in field.cells.items():
            if track.history.standing is not None and self._standing(cell, track.history.standing, around):
                found[cell].append(stood(cell, track.history.standing))
        yield from ((cell, found.get(cell, [])) for cell in sorted(found.keys() | field.said.keys()))
        field.said = found

    def _choose(self, field: _Field, since: float) -> None:
        """Candidates anew from `since` on; those before stay. What alone is noise matters beside others of its time."""
        settings = self._settings
        kept = {key: c for key, c in field.worthy.items() if (c.excursion.closed or _FOREVER) < since}
        fresh = [
            Candidate(cell, excursion)
            for cell, track in field.cells.items()
            if track.live or track.history.past
            for excursion in _excursions(track.history, settings, since)
        ]
        share = 1 / max(2, len(field.networks))
        parts = [(candidate, mixed(candidate.excursion.peak, share)) for candidate in fresh]
        most = sum(part for _, part in parts)
        for candidate in fresh:
            threshold = candidate.excursion.threshold
            alone = candidate.excursion.peak >= settings.suspected * threshold
            if alone or (most >= threshold and _total(candidate, parts, settings.together) >= threshold):
                kept[candidate.cell, candidate.excursion.start] = candidate
        field.worthy = kept

    def _sweep(self, cluster: _Cluster, around: Surroundings, networks: int) -> None:
        latest = max(candidate.onset for candidate in cluster.candidates) + self._settings.old_streak
        until = min(cluster.until, latest)
        elsewhere = around.elsewhere(cluster.candidates[0].cell, cluster.since - 10 * MINUTE, until)
        for candidate in cluster.candidates:
            candidate.reset()
        judge(cluster.candidates, networks, elsewhere, around.unfit, self._settings)
        for candidate in cluster.candidates:
            candidate.contrasts = around.contrasts(candidate, elsewhere)

    def _record(self, found: dict[Cell, list[Restriction]], history: History, candidate: Candidate) -> None:
        state, event = state_of(candidate, self._settings, history), event_of(candidate)
        if state is not None and event is not None:
            found[candidate.cell].append(restriction(candidate, event, state))

    def _standing(self, cell: Cell, standing: Standing, around: Surroundings) -> bool:
        """Whether it stands blocked here, and not everywhere."""
        if standing.failed < _STANDS:
            return False
        until = min(standing.last, standing.first + 2 * HOUR)
        elsewhere = around.elsewhere(cell, standing.first, until)
        return elsewhere.word(standing.first, standing.first, until, (standing.failed, 0)) is not Word.FAILS


def _excursions(history: History, settings: Settings, since: float) -> Iterator[Excursion]:
    yield from (unpacked(packed) for closed, packed in history.past if closed >= since)
    now = history.excursion
    if now is not None and now.peak >= settings.kept * now.threshold:
        yield now


def _beside(other: Candidate, candidate: Candidate, together: float) -> bool:
    """Whether both were under way at one time, and began within an hour."""
    ends = other.excursion.closed or _FOREVER, candidate.excursion.closed or _FOREVER
    begins = other.excursion.start, candidate.excursion.start
    return max(begins) <= min(ends) and abs(other.onset - candidate.onset) <= together


def _total(candidate: Candidate, parts: Sequence[tuple[Candidate, float]], together: float) -> float:
    return sum(part for other, part in parts if _beside(other, candidate, together))


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


def _carried(known: _Cluster, cluster: _Cluster) -> bool:
    """Takes over what was judged, where nothing was written since that could decide more."""
    for old, new in zip(known.candidates, cluster.candidates, strict=True):
        if old.settled:
            new.judgement, new.settled, new.contrasts = old.judgement, True, old.contrasts
        elif old.swept != len(new.excursion.ledger):
            return False
        else:
            new.judgement, new.swept = old.judgement, old.swept
    return True
