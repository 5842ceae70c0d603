"""Whom to ask again at once when a service begins to fail: controls first, then its network, then its country."""

from collections.abc import Iterable

from probe.detect.records import Retest
from probe.detect.settings import HOUR, MINUTE, Settings
from probe.detect.votes import CONTROL, REACHABILITY, Cell, Vote

_FRESH = 10 * MINUTE  # an older doubt is not worth a re-test
_ONLINE = HOUR


class Retests:
    """Remembers who measures what. It is no part of the history: a detector that starts anew learns it within a round."""

    def __init__(self, settings: Settings) -> None:
        self._limit, self._gap = settings.retests, settings.retest_gap
        self._probes: dict[tuple[str, str], dict[str, tuple[float, str, int, bool]]] = {}
        self._asked: dict[tuple[str, str, str], float] = {}

    def met(self, cell: Cell, vote: Vote) -> None:
        if cell.aspect in {REACHABILITY, CONTROL} and not cell.operator:
            known = self._probes.setdefault((cell.platform, cell.service), {})
            known[vote.probe] = (vote.time, cell.country, cell.asn, vote.control)

    def wanted(self, now: float, doubts: Iterable[tuple[Cell, float]]) -> list[Retest]:
        found: list[Retest] = []
        for cell, last in sorted(doubts):
            if cell.aspect == REACHABILITY and not cell.operator and now - last <= _FRESH:
                probes = self._chosen(cell, now)
                if probes:
                    found.append(Retest(cell=cell, since=last, probes=tuple(probes)))
        self._asked = {key: when for key, when in self._asked.items() if now - when < self._gap}
        return found

    def _chosen(self, cell: Cell, now: float) -> list[str]:
        service = (cell.platform, cell.service)
        ranked = sorted(
            (_rank(cell, country, asn, control), probe)
            for probe, (seen, country, asn, control) in self._probes.get(service, {}).items()
            if now - seen <= _ONLINE and _rank(cell, country, asn, control) < 3
        )
        chosen = [probe for _, probe in ranked if now - self._asked.get((*service, probe), -1e18) >= self._gap]
        for probe in chosen[: self._limit]:
            self._asked[*service, probe] = now
        return chosen[: self._limit]


def _rank(cell: Cell, country: str, asn: int, control: bool) -> int:
    if control:
        return 0
    if country != cell.country:
        return 3
    return 1 if asn == cell.asn else 2
