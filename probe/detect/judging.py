"""From excursions to judgements: what is confirmed, since when, on whose word, and what kind of event it is.

All cells of one service in one country are swept together in event time. A cell is confirmed by itself at the first
failure by which its ratio has reached the threshold with two witnesses of that network, or with others of its country:

the national statistic is sum(ln(1 - q + q * exp(S))) over the networks' statistics S, with q = 1 / (number of
networks), the mixture of Y. Xie and D. Siegmund, "Sequential multi-sensor change-point detection" (Annals of Statistics
41, 2013), which asks for more evidence the more networks there are to choose from. It takes two networks.

Either way the service must work elsewhere: see `probe.detect.elsewhere`.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from probe.detect.elsewhere import Elsewhere, Word
from probe.detect.exact import Contrast
from probe.detect.excursion import Entry, Excursion
from probe.detect.settings import MINUTE, Settings
from probe.detect.votes import NETWORK, Cell

_NATIONAL = 1.5  # added to the threshold: what several networks carry along of noise that has not quite decayed
_NEWEST, _GOES_ON = 10, 0.3
_CERTAIN = math.log(99)  # a network is named where the odds that it is one of those affected are a hundred to one
_JOINED = 9.0  # the same, with a third as prior, over the 24 votes of the hour in which it may follow
_SOON = 10 * MINUTE


class Judgement(msgspec.Struct, kw_only=True):
    """`event` is `here`, or `everywhere` where it fails abroad and for controls too. `basis` says who confirmed it: the
    witnesses of one network, or of the nation's."""

    event: str = "here"
    confirmed: float | None = None
    basis: str = ""
    ratio: float = 0.0
    threshold: float = 0.0
    pivot: float | None = None
    here: tuple[int, int] = (0, 0)
    elsewhere: str = ""


class Candidate:
    """One excursion under judgement, swept vote by vote."""

    def __init__(self, cell: Cell, excursion: Excursion) -> None:
        self.cell, self.excursion = cell, excursion
        self.onset, self.after = excursion.onset()
        self.contrasts: tuple[Contrast, ...] = ()
        self.reset()

    def reset(self) -> None:
        self.judgement = Judgement(threshold=self.excursion.threshold)
        self.taken: list[Entry] = []
        self.first: dict[str, float] = {}
        self.full = self.some = 0.0
        self.settled, self.swept = False, 0
        self.half = math.inf

    def settle(self, judgement: Judgement) -> None:
        self.judgement, self.settled = judgement, True

    @property
    def newest(self) -> float:
        """Until when anything that came late could change what is judged: the decision, or what was written last."""
        decided = self.judgement.confirmed
        return (
            decided if decided is not None else self.excursion.ledger[-1].time if self.excursion.ledger else self.onset
        )

    def take(self, entry: Entry, half: float) -> None:
        """`half` of the threshold: what works elsewhere counts where it is newer than that much evidence. An ok newer
        than the first failure only may be older than the outage that caused the others."""
        self.taken.append(entry)
        if entry.failed:
            self.first.setdefault(entry.witness, entry.time)
        self.full += entry.full
        self.some += entry.some
        self.half = min(self.half, entry.time) if self.ratio >= half else math.inf

    @property
    def failing(self) -> bool:
        """Whether it goes on: what works elsewhere now says nothing of what failed here an hour ago."""
        newest = [entry.failed for entry in self.taken[-_NEWEST:] if entry.probe]
        return bool(newest) and newest[-1] and sum(newest) >= _GOES_ON * len(newest)

    @property
    def ratio(self) -> float:
        return max(self.full, self.some, 0.0)

    def open_at(self, time: float) -> bool:
        return bool(self.taken) and (self.excursion.closed is None or time <= self.excursion.closed)

    def fit(self, unfit: "Fitness") -> "Standing":
        """What is left of the ratio without what probes said while they failed at everything, and without what
        controls call down."""
        began: dict[str, float] = {}
        out: dict[str, float] = {}
        for entry in self.taken:
            if not entry.failed:
                began.pop(entry.probe, None)
            elif unfit(self.cell, entry.probe, began.setdefault(entry.probe, entry.time), entry.time):
                out[entry.probe] = entry.time
        left = [e for e in self.taken if e.time > out.get(e.probe, -math.inf) and e.outcome != "down"]
        return Standing(left)


Fitness = Callable[[Cell, str, float, float], bool]


class Standing:
    """The ratio and the witnesses of some of the votes."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.ratio = max(sum(entry.full for entry in entries), sum(entry.some for entry in entries), 0.0)
        self.first: dict[str, float] = {}
        for entry in entries:
            if entry.failed:
                self.first.setdefault(entry.witness, entry.time)
        self._votes: dict[str, list[int]] = {}
        self._since: set[str] = set()  # who voted since a second witness had failed
        second = _second(self.first) if self.first else 0.0
        for entry in entries:
            if entry.probe:
                self._votes.setdefault(entry.witness, [0, 0])[entry.failed] += 1
            if entry.probe and entry.time >= second:
                self._since.add(entry.witness)

    @property
    def prevails(self) -> bool:
        """Two witnesses at least; and where only two fail and as many see nothing wrong in that time, it is rather
        something that the two have in common, such as a resolver that blocks advertisements."""
        solid = sum(failed > 1 or (failed > 0 and not worked) for worked, failed in self._votes.values())
        since = (votes for witness, votes in self._votes.items() if witness in self._since)
        fine = sum(failed == 0 or (failed == 1 and worked > 1) for worked, failed in since)
        return len(self.first) > 1 and (solid > 2 or (solid == 2 and fine < 2))


def _second(first: Mapping[str, float]) -> float:
    """When a second witness had failed, less a minute: one false failure just before an outage must not date it."""
    times = sorted(first.values())
    return max(times[0], times[min(1, len(times) - 1)] - MINUTE)


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

    def _total(self, time: float, peers: Sequence[Candidate]) -> float:
        """The national statistic against its threshold; keeps in mind since when it is half of it."""
        wanted = max(peer.excursion.threshold for peer in peers) + _NATIONAL
        share = sum(mixed(peer.ratio, 1 / self._networks) for peer in peers) / wanted
        self._half = min(self._half, time) if share >= self._settings.suspected else math.inf
        return share

    def _together(self, time: float, peers: Sequence[Candidate], share: float) -> None:
        if share < 1:
            return
        fits = [(peer, peer.fit(self._unfit)) for peer in peers]
        fits = [(p, fit) for p, fit in fits if fit.first and fit.ratio >= self._settings.kept * p.excursion.threshold]
        wanted = max(peer.excursion.threshold for peer in peers) + _NATIONAL
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
