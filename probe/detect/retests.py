"""Whom to ask again at once when a service begins to fail: controls first, then its network, then its country."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from probe.detect.records import Retest
from probe.detect.settings import HOUR, MINUTE, Settings
from probe.detect.track import Track
from probe.detect.tracks import Tracks
from probe.detect.votes import REACHABILITY, Cell, Vote

_FRESH = 10 * MINUTE  # an older doubt is not worth a re-test
_ONLINE = HOUR

Service = tuple[str, str]


class Retests:
    """Cells in doubt, each asked about once in a while. No part of the history: a detector that starts anew learns
    within a round what controls measure; who else measures what, the cells know."""

    def __init__(self, tracks: Tracks, settings: Settings) -> None:
        self._tracks, self._limit, self._gap = tracks, settings.retests, settings.retest_gap
        self._controls: dict[Service, dict[str, float]] = defaultdict(dict)
        self._asked: dict[Service, dict[str, float]] = defaultdict(dict)
        self._doubts: set[Track] = set()
        self._swept = 0.0

    def met(self, cell: Cell, vote: Vote) -> None:
        """A control's vote."""
        self._controls[cell.platform, cell.service][vote.probe] = vote.time

    def doubt(self, ran: Iterable[Track]) -> None:
        for track in ran:
            if track.history.excursion is not None and track.kind[0] == REACHABILITY and not track.cell.operator:
                self._doubts.add(track)

    def wanted(self, now: float, sure: Callable[[Cell], bool]) -> list[Retest]:
        """For every doubt that nobody was asked about lately, and of which the answer is not `sure`."""
        if now - self._swept >= _ONLINE:
            self._sweep(now)
        found: list[Retest] = []
        for track in sorted(self._due(now, sure), key=_cell):
            track.asked = now
            probes = self._chosen(track, now)
            if probes:
                found.append(Retest(cell=track.cell, since=_last(track), probes=tuple(probes)))
        return found

    def _due(self, now: float, sure: Callable[[Cell], bool]) -> set[Track]:
        found = {track for track in self._doubts if now - track.asked >= self._gap}
        over = {track for track in found if now - _last(track) > _FRESH or sure(track.cell)}
        self._doubts -= over
        return found - over

    def _sweep(self, now: float) -> None:
        self._swept = now
        for kept, limit in ((self._asked, self._gap), (self._controls, _ONLINE)):
            for service, times in kept.items():
                kept[service] = {probe: when for probe, when in times.items() if now - when <= limit}

    def _chosen(self, own: Track, now: float) -> list[str]:
        asked, since, before = self._asked[own.cell[2:4]], now - _ONLINE, now - self._gap
        chosen: list[str] = []
        for probes in self._order(own, since):
            free = [probe for probe in probes if asked.get(probe, -math.inf) <= before]
            chosen += free[: self._limit - len(chosen)]
            if len(chosen) >= self._limit:
                break
        asked.update(dict.fromkeys(chosen, now))
        return chosen

    def _order(self, own: Track, since: float) -> Iterator[list[str]]:
        """Probes that measured this service since then: controls, those of the network, those of the country."""
        yield [probe for probe, when in self._controls[own.cell[2:4]].items() if when >= since]
        yield _online(own, since)
        for track in self._tracks.peers(own.cell):
            if track is not own and track.kind[0] == REACHABILITY and not track.cell.operator:
                yield _online(track, since)


def _online(track: Track, since: float) -> list[str]:
    return [name for name, seen in track.history.probes.items() if seen.last >= since or seen.retest >= since]


def _last(track: Track) -> float:
    excursion = track.history.excursion
    return excursion.last if excursion is not None else -math.inf


def _cell(track: Track) -> Cell:
    return track.cell
