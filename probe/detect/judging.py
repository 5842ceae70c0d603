"""From excursions to judgements: what is confirmed, since when, on whose word, and what kind of event it is.

All cells of one service in one country are swept together in event time. A cell is confirmed by itself at the first
failure by which its ratio has reached the threshold with two witnesses of that network, or with others of its country:

the national statistic is sum(ln(1 - q + q * exp(S))) over the networks' statistics S, with q = 1 / (number of
networks), the mixture of Y. Xie and D. Siegmund, "Sequential multi-sensor change-point detection" (Annals of Statistics
41, 2013), which asks for more evidence the more networks there are to choose from. It takes two networks.

Either way the service must work elsewhere: see `probe.detect.elsewhere`.
"""

import math
from collections.abc import Iterable, Sequence

from probe.detect.candidate import Candidate, Fitness, Judgement
from probe.detect.elsewhere import Elsewhere, Word
from probe.detect.settings import MINUTE, Settings
from probe.detect.votes import NETWORK

_CARRIED, _MOST = 0.25, 1.5  # added to the threshold: noise that has not quite decayed, for each network, at most
_CERTAIN = math.log(99)  # a network is named where the odds that it is one of those affected are a hundred to one
_JOINED = 9.0  # the same, with a third as prior, over the 24 votes of the hour in which it may follow
_SOON = 10 * MINUTE


def mixed(ratio: float, share: float) -> float:
    """A network's part in the national statistic, where that share of networks may be affected."""
    return math.log(1 - share + share * math.exp(ratio))


def judge(
    candidates: Sequence[Candidate], networks: int, elsewhere: Elsewhere, unfit: Fitness, settings: Settings
) -> None:
    """Fills the judgements of all excursions of one service in one country, each of its own cell or time."""
    own = any(candidate.cell.aspect == NETWORK for candidate in candidates)
    sweep = _Sweep(networks, elsewhere, unfit, settings, own)
    events = [
        (entry.time, number, place)
        for number, c in enumerate(candidates)
        for place, entry in enumerate(c.excursion.ledger)
    ]
    for time, number, place in sorted(events):
        candidate = candidates[number]
        entry = candidate.excursion.ledger[place]
        candidate.take(entry, settings.suspected * candidate.excursion.threshold)
        if entry.failed:
            sweep.at(time, candidate, candidates)
    for candidate in candidates:
        candidate.swept = len(candidate.excursion.ledger)
        candidate.judgement.ratio = candidate.judgement.ratio or candidate.excursion.peak


class _Sweep:
    def __init__(self, networks: int, elsewhere: Elsewhere, unfit: Fitness, settings: Settings, own: bool) -> None:
        self._networks, self._elsewhere, self._own = max(2, networks), elsewhere, own
        self._unfit, self._settings = unfit, settings
        self._half = math.inf
        self._nationally: list[tuple[float, float]] = []  # (when, onset) of national confirmations

    def at(self, time: float, candidate: Candidate, all_of_them: Sequence[Candidate]) -> None:
        late = time - candidate.onset > self._settings.old_streak
        if candidate.settled or candidate.cell.operator or late or not candidate.failing:
            return
        threshold = candidate.excursion.threshold
        if candidate.ratio >= min(self._settings.suspected * threshold, self._wanted(candidate, time)):
            self._alone(time, candidate)
        if candidate.settled or candidate.ratio < self._settings.kept * threshold:
            return
        peers = [c for c in all_of_them if self._beside(c, candidate, time)]
        if len({c.cell.asn for c in peers}) > 1:
            self._together(time, peers, self._total(time, peers))

    def _alone(self, time: float, candidate: Candidate) -> None:
        pivot = candidate.half if candidate.half < math.inf else candidate.onset
        word, here = self._word(pivot, time, [candidate])
        threshold = candidate.excursion.threshold
        judgement = Judgement(confirmed=time, threshold=threshold, pivot=pivot, here=here, elsewhere=word)
        if word is Word.FAILS:
            judgement.event, judgement.ratio = "everywhere", candidate.ratio
            candidate.settle(judgement)
            return
        enough = candidate.ratio >= threshold and len(candidate.first) > 1
        if self._passes(word) and (enough or candidate.ratio >= self._wanted(candidate, time)):
            self._fitting(time, candidate, judgement)

    def _fitting(self, time: float, candidate: Candidate, judgement: Judgement) -> None:
        """The same without probes that fail at everything."""
        standing = candidate.fit(self._unfit)
        if not standing.first:
            return
        judgement.ratio = standing.ratio
        if standing.ratio >= judgement.threshold and standing.prevails:
            judgement.basis = "isp"
            candidate.settle(judgement)
        elif standing.ratio >= self._wanted(candidate, time):
            judgement.basis = "national"
            candidate.settle(judgement)

    def _wanted(self, candidate: Candidate, time: float) -> float:
        """What a network needs of its own to be one of those that a national restriction was confirmed of."""
        settings = self._settings
        near = [when for when, onset in self._nationally if abs(candidate.onset - onset) <= settings.together]
        if not near:
            return math.inf
        if time <= near[0] + _SOON:
            return self._certain(candidate)
        return min(_JOINED, candidate.excursion.cap - 1e-6)

    def _certain(self, candidate: Candidate) -> float:
        least = _CERTAIN + math.log(self._networks - 1)
        return max(self._settings.kept * candidate.excursion.threshold, min(least, candidate.excursion.cap - 1e-6))

    def _wanted_of(self, peers: Sequence[Candidate]) -> float:
        return max(peer.excursion.threshold for peer in peers) + min(_MOST, _CARRIED * self._networks)

    def _total(self, time: float, peers: Sequence[Candidate]) -> float:
        """The national statistic against its threshold; keeps in mind since when it is half of it."""
        wanted = self._wanted_of(peers)
        share = sum(mixed(peer.ratio, 1 / self._networks) for peer in peers) / wanted
        self._half = min(self._half, time) if share >= self._settings.suspected else math.inf
        return share

    def _together(self, time: float, peers: Sequence[Candidate], share: float) -> None:
        if share < 1:
            return
        fits = [(peer, peer.fit(self._unfit)) for peer in peers]
        fits = [(p, fit) for p, fit in fits if fit.first and fit.ratio >= self._settings.kept * p.excursion.threshold]
        wanted = self._wanted_of(peers)
        total = sum(mixed(fit.ratio, 1 / self._networks) for _, fit in fits)
        if total < wanted or len({peer.cell.asn for peer, _ in fits}) < 2:
            return
        word, here = self._word(self._half, time, [peer for peer, _ in fits])
        if not self._passes(word):
            return
        for peer, fit in fits:
            if not peer.settled and fit.ratio >= self._certain(peer) and peer.failing:
                peer.settle(
                    Judgement(
                        confirmed=time,
                        basis="national",
                        ratio=total,
                        threshold=wanted,
                        pivot=self._half,
                        here=here,
                        elsewhere=word,
                    )
                )
            self._nationally.append((time, peer.onset))

    def _beside(self, other: Candidate, candidate: Candidate, time: float) -> bool:
        """Of the same hour, under way, not found to be something else, and with something to say."""
        near = abs(other.onset - candidate.onset) <= self._settings.together
        fine = other.judgement.event == "here" and not other.cell.operator
        return near and fine and other.open_at(time) and other.ratio >= self._settings.kept * other.excursion.threshold

    def _word(self, pivot: float, time: float, here: Iterable[Candidate]) -> tuple[Word, tuple[int, int]]:
        several = list(here)
        began = min(min(candidate.first.values()) for candidate in several)
        votes = [entry.failed for c in several for entry in c.taken if entry.probe]
        counted = (sum(votes), len(votes) - sum(votes))
        return self._elsewhere.word(began, pivot, time, counted), counted

    def _passes(self, word: str) -> bool:
        """Anchors have several operators each: that a network carries nothing needs no word from elsewhere."""
        return word == Word.WORKS or self._own or (word == Word.UNKNOWN and self._settings.elsewhere == "where-known")
