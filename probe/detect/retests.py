"""Whom to ask again at once when a service begins to fail: controls first, then its network, then its country."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain, islice

from probe.detect.records import Retest
from probe.detect.settings import HOUR, MINUTE, Settings
from probe.detect.votes import CONTROL, REACHABILITY, Cell, Vote

FRESH = 10 * MINUTE  # an older doubt is not worth a re-test
_ONLINE = HOUR
_NEVER = -1e18

Service = tuple[str, str]


class Retests:
    """Remembers who measures what. No part of the history: a detector that starts anew learns it within a round."""

    def __init__(self, settings: Settings) -> None:
        self._limit, self._gap = settings.retests, settings.retest_gap
        self._controls: dict[Service, dict[str, float]] = defaultdict(dict)
        self._probes: dict[tuple[Service, str], dict[int, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
        self._asked: dict[tuple[Service, str], float] = {}
        self._waited: dict[Cell, float] = {}
        self._swept = 0.0

    def met(self, cell: Cell, vote: Vote) -> None:
        service = (cell.platform, cell.service)
        if cell.aspect == CONTROL:
            self._controls[service][vote.probe] = vote.time
        elif cell.aspect == REACHABILITY and not cell.operator:
            self._probes[service, cell.country][cell.asn][vote.probe] = vote.time

    def wanted(self, now: float, doubts: Iterable[tuple[Cell, float]]) -> list[Retest]:
        if now - self._swept >= self._gap:
            self._asked = {key: when for key, when in self._asked.items() if now - when < self._gap}
            self._waited = {cell: when for cell, when in self._waited.items() if now - when < self._gap}
            self._swept = now
        due = [(cell, last) for cell, last in doubts if now - self._waited.get(cell, _NEVER) >= self._gap]
        found: list[Retest] = []
        for cell, last in sorted(due):
            self._waited[cell] = now
            probes = self._chosen(cell, now)
            if probes:
                found.append(Retest(cell=cell, since=last, probes=tuple(probes)))
        return found

    def _chosen(self, cell: Cell, now: float) -> list[str]:
        service = (cell.platform, cell.service)
        networks = self._probes[service, cell.country]
        order = chain([self._controls[service], networks[cell.asn]], (networks[a] for a in networks if a != cell.asn))
        free = (
            probe
            for probes in order
            for probe, seen in probes.items()
            if now - seen <= _ONLINE and now - self._asked.get((service, probe), _NEVER) >= self._gap
        )
        chosen = list(islice(free, self._limit))
        for probe in chosen:
            self._asked[service, probe] = now
        return chosen
