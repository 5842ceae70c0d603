"""What else was measured around an excursion: by its probes of other services, by others of its network."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter

from probe.detect.candidate import Candidate
from probe.detect.elsewhere import KNOWN, Elsewhere
from probe.detect.exact import Contrast, contrast
from probe.detect.settings import HOUR, MINUTE
from probe.detect.store import Told, Votes
from probe.detect.votes import FAILED, NETWORK, REACHABILITY, VOTING, Cell, Vote

_JUST = 10 * MINUTE
_ROUND = MINUTE  # how long a round takes: other services may have been measured just before
_ENOUGH = 3  # platforms that a probe must fail at, all of them, to be at fault itself
_WINDOW = 2 * HOUR
_time = attrgetter("time")


class Surroundings:
    """Questions to the votes, answered once each during one run."""

    def __init__(self, votes: Votes) -> None:
        self._votes = votes
        self._answers: dict[tuple[Cell, str, float, float], bool] = {}

    def elsewhere(self, cell: Cell, since: float, until: float) -> Elsewhere:
        """As far back as it takes to know of anybody."""
        for back in (HOUR / 2, KNOWN):
            votes = self._votes.of_service(cell.platform, cell.service, since - back, until)
            found = Elsewhere(cell.country, cell.aspect, votes)
            if not found.empty:
                break
        return found

    def unfit(self, cell: Cell, probe: str, since: float, now: float) -> bool:
        """Whether the probe fails at everything while, since it began to, no fewer others of its network do not."""
        if cell.aspect == NETWORK:
            return False
        key = (cell, probe, max(since, now - _WINDOW), now)
        if key not in self._answers:
            self._answers[key] = self._is_unfit(*key)
        return self._answers[key]

    def contrasts(self, candidate: Candidate, elsewhere: Elsewhere) -> tuple[Contrast, ...]:
        """The tables behind a decision: elsewhere, other services here, other networks of the country."""
        judgement, cell = candidate.judgement, candidate.cell
        if judgement.confirmed is None or judgement.pivot is None:
            return ()
        since, now = candidate.onset - 1.0, judgement.confirmed
        here = judgement.here
        found = [elsewhere.contrast(judgement.pivot, now, here)]
        others = _table(told for c, told in self._of_network(cell, since, now) if c.platform != cell.platform)
        if sum(others):
            found.append(contrast("other platforms here", here, others, "of this service", "of other platforms here"))
        peers = _table(
            told for c, told in self._of_service(cell, since, now) if c.country == cell.country and c.asn != cell.asn
        )
        if sum(peers):
            found.append(contrast("other networks", here, peers, "on this network", "on others of the country"))
        return tuple(found)

    def working(self, country: str, asns: set[int], hit: set[str], since: float, until: float) -> list[str]:
        """Services that were measured there in that time, and of which nine votes in ten worked."""
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])  # worked, failed
        for asn in sorted(asns):
            for cell, told in self._votes.of_network(country, asn, since, min(until, since + _WINDOW)):
                if cell.aspect == REACHABILITY:
                    failed, worked = _table([told])
                    found = counts[f"{cell.platform}.{cell.service}"]
                    found[0], found[1] = found[0] + worked, found[1] + failed
        return sorted(name for name, (ok, bad) in counts.items() if name not in hit and ok >= 9 * bad)

    def _of_network(self, cell: Cell, since: float, until: float) -> Iterator[Told]:
        votes = self._votes.of_network(cell.country, cell.asn, since, until)
        return ((c, told) for c, told in votes if c.aspect == REACHABILITY and not c.operator)

    def _of_service(self, cell: Cell, since: float, until: float) -> Iterator[Told]:
        votes = self._votes.of_service(cell.platform, cell.service, since, until)
        return ((c, told) for c, told in votes if c.aspect == cell.aspect and not c.operator)

    def _is_unfit(self, cell: Cell, probe: str, since: float, now: float) -> bool:
        own: dict[str, bool] = {}
        others: dict[str, dict[str, bool]] = defaultdict(dict)
        begin = max(since, now - _JUST) - _ROUND
        around = self._of_network(cell, min(since, begin), now)
        for vote in sorted(chain.from_iterable(told for _, told in around), key=_time):
            if vote.outcome not in VOTING:
                continue
            if vote.probe != probe and vote.time > since:
                others[vote.probe][vote.platform] = vote.outcome in FAILED
            elif vote.probe == probe and vote.time >= begin:
                own[vote.platform] = own.get(vote.platform, True) and vote.outcome in FAILED
        if len(own) < _ENOUGH or not all(own.values()):
            return False
        fine = sum(2 * sum(seen.values()) < len(seen) for seen in others.values())
        lost = sum(len(seen) >= _ENOUGH and all(seen.values()) for seen in others.values())
        return fine >= max(1, lost)


def _table(votes: Iterable[Sequence[Vote]]) -> tuple[int, int]:
    """How many failed, and worked."""
    outcomes = [vote.outcome in FAILED for told in votes for vote in told if vote.outcome in VOTING]
    return sum(outcomes), len(outcomes) - sum(outcomes)
