"""The history of one cell: a pure function of its votes in event time.

A quiet cell only counts. The first failure of a probe that has seen the service work begins an excursion, which is over
when both statistics are back at zero. One that reached half the threshold is a suspicion, and from then on has an end
of its own: a CUSUM the other way (`recovery`), so that it does not flap.
"""

from functools import lru_cache

import msgspec

from probe.detect.baseline import Baseline
from probe.detect.excursion import Entry, Excursion, Weights
from probe.detect.fleet import Facts
from probe.detect.likelihood import CLASSES, class_of
from probe.detect.settings import Settings
from probe.detect.votes import FAILED, Order, Vote

_NEVER = -1e18
_PARTIAL = -0.69  # ln 0.5: some endpoints of a service fail falsely more easily than all of them
_SURE = 2.0  # times `recovered`, where one witness alone says that it works again


class Seen(msgspec.Struct, array_like=True):
    """What the cell knows of one probe: its last round and re-test, since when it has failed without a break, and
    whether those failures were weighed already and found to be its own."""

    last: float = _NEVER
    retest: float = _NEVER
    worked: float | None = None
    streak: float | None = None
    judged: bool = False
    round: str = ""


class Standing(msgspec.Struct, array_like=True):
    """Failures of a service that no probe of the cell has ever seen work."""

    first: float
    last: float
    failed: int = 0
    techniques: dict[str, int] = {}
    witnesses: dict[str, int] = {}
    ended: float | None = None


class History(msgspec.Struct, array_like=True):
    """The state of a cell after the vote at `at`; it can be written, read again and continued.

    `past` has the excursions that may still matter, each with the moment it closed, packed: see `unpacked`.
    """

    at: Order | None = None
    probes: dict[str, Seen] = {}
    worked: float | None = None
    baseline: Baseline = msgspec.field(default_factory=Baseline)
    figures: list[float] = []
    excursion: Excursion | None = None
    past: list[tuple[float, bytes]] = []
    standing: Standing | None = None
    stewards: dict[str, tuple[float, str]] = {}


@lru_cache(maxsize=4096)
def unpacked(packed: bytes) -> Excursion:
    """An excursion that is over. It is shared: read it only."""
    return msgspec.msgpack.decode(packed, type=Excursion)


def feed(history: History, vote: Vote, place: Order, facts: Facts, settings: Settings) -> None:
    """Takes the next vote of the cell; `place` is its `probe.detect.votes.order`, which must grow."""
    seen = next_of(history, vote, place, facts, settings)
    if seen is None:
        return
    if vote.witness and vote.witness != vote.probe and _crowded(history, vote, settings):
        _known(seen, vote)
    elif vote.outcome not in FAILED:
        _worked(history, vote, seen, settings)
    elif _counts(history, vote, seen, settings):
        _failed(history, vote, seen, facts, settings)


def next_of(history: History, vote: Vote, place: Order, facts: Facts, settings: Settings) -> Seen | None:
    """What is known of the vote's probe; None where the vote does not count: one a round, one re-test a minute."""
    time, at = vote.time, history.at
    if at is not None and at[0] < facts.begins:
        if time - at[0] > settings.memory:
            _lost(history, at[0] + settings.memory, settings)
        _forget(history, time - settings.memory)
    history.at = place
    seen = history.probes.get(vote.probe)
    if seen is None:
        seen = history.probes[vote.probe] = Seen()
    if vote.retest:
        if time - seen.retest < settings.retest_gap:
            return None
        seen.retest = time
        return seen
    name = vote.round
    if time - seen.last < settings.round_gap or (name and name == seen.round):
        return None
    seen.last, seen.round = time, name
    return seen


def begin(history: History, vote: Vote, facts: Facts, settings: Settings) -> Excursion:
    bonus = [history.baseline.bonus(number) for number in range(CLASSES)]
    weights = Weights.of(history.baseline.rate(facts.usual, settings), bonus, settings)
    begun = (vote.time, history.worked, facts.threshold, weights, facts.cap, vote.time)
    excursion = Excursion(*begun, pending=[0] * CLASSES)
    history.excursion = excursion
    return excursion


def step(history: History, vote: Vote, failed: bool, ratios: tuple[float, float], settings: Settings) -> None:
    """One vote with its log-likelihood ratios into the excursion that is open."""
    excursion = history.excursion
    assert excursion is not None
    entry = Entry(vote.time, vote.probe, vote.steward, vote.outcome, vote.technique, failed, *ratios)
    excursion.add(entry)
    if failed:
        excursion.pending[class_of(vote.technique)] += 1
    if excursion.suspected is None and excursion.peak >= settings.suspected * excursion.threshold:
        excursion.suspected = vote.time
    if excursion.ratio <= 0 or (excursion.suspected is not None and _recovered(excursion, entry, settings)):
        close(history, vote.time, settings)
    elif failed and excursion.ratio >= min(settings.again, excursion.cap - 1e-6):
        _reopen(history, excursion, settings)


def close(history: History, time: float, settings: Settings, unseen: bool = False) -> None:
    """The excursion is over: normal votes join the baseline, and what may still matter is kept. Where its end was not
    seen, it is dated by its last failure."""
    excursion = history.excursion
    assert excursion is not None
    history.excursion = None
    excursion.close(time)
    if unseen:
        excursion.ended = excursion.last
    if excursion.suspected is None and not excursion.scale:
        history.baseline.commit(excursion.start, excursion.worked, excursion.pending, settings)
    for probe in history.probes.values():
        probe.judged = probe.streak is not None
    if excursion.peak >= settings.kept * excursion.threshold:
        history.past.append((time, msgspec.msgpack.encode(excursion)))


def _crowded(history: History, vote: Vote, settings: Settings) -> bool:
    """Twenty probes of one steward are one witness: they may not drown the others' votes, whatever they say."""
    time, probe = history.stewards.get(vote.witness, (_NEVER, ""))
    if vote.time - time < settings.round_gap and vote.probe != probe:
        return True
    history.stewards[vote.witness] = (vote.time, vote.probe)
    return False


def _lost(history: History, at: float, settings: Settings) -> None:
    """Nobody has voted here for so long that all is forgotten: what was under way is closed."""
    if history.excursion is not None:
        close(history, at, settings, unseen=True)
    if history.standing is not None and history.standing.ended is None:
        history.standing.ended = history.standing.last


def _known(seen: Seen, vote: Vote) -> None:
    if vote.outcome not in FAILED:
        seen.worked, seen.streak, seen.judged = vote.time, None, False
    elif seen.streak is None:
        seen.streak = vote.time


def _forget(history: History, before: float) -> None:
    if any(max(seen.last, seen.retest) < before for seen in history.probes.values()):
        kept = {name: seen for name, seen in history.probes.items() if max(seen.last, seen.retest) >= before}
        history.probes = kept
    if history.past and history.past[0][0] < before:
        history.past = [pair for pair in history.past if pair[0] >= before]


def _worked(history: History, vote: Vote, seen: Seen, settings: Settings) -> None:
    time, standing, excursion = vote.time, history.standing, history.excursion
    if standing is not None and standing.ended is None:
        standing.ended = time
    seen.worked, seen.streak, seen.judged = time, None, False
    if excursion is None:
        history.baseline.commit(time, 1, None, settings)
    else:
        weights = excursion.weights
        step(history, vote, False, (weights.worked_full, weights.worked_some), settings)
    history.worked = time


def _counts(history: History, vote: Vote, seen: Seen, settings: Settings) -> bool:
    """Whether this failure may speak for an onset: by a probe that saw the service work, and not long ago."""
    excursion = history.excursion
    if seen.worked is None and not settings.standing_ok:
        if history.worked is None:
            _stands(history, vote)
        counts = False
    else:
        seen.streak = vote.time if seen.streak is None else seen.streak
        began = vote.time if excursion is None else excursion.start
        counts = vote.confirms and not seen.judged and began - seen.streak <= settings.old_streak
    if not counts and excursion is not None:
        excursion.support += 1
    return counts


def _stands(history: History, vote: Vote) -> None:
    if history.standing is None or history.standing.ended is not None:
        history.standing = Standing(vote.time, vote.time)
    standing = history.standing
    standing.last = vote.time
    standing.failed += 1
    standing.witnesses[vote.steward] = standing.witnesses.get(vote.steward, 0) + 1
    if vote.technique:
        standing.techniques[vote.technique] = standing.techniques.get(vote.technique, 0) + 1


def _failed(history: History, vote: Vote, seen: Seen, facts: Facts, settings: Settings) -> None:
    excursion = history.excursion
    if excursion is not None and _another(excursion, vote, settings):
        close(history, vote.time, settings)
        seen.judged = False
        excursion = None
    if excursion is None:
        excursion = begin(history, vote, facts, settings)
    weights = excursion.weights
    more = weights.bonus[class_of(vote.technique)] + (_PARTIAL if vote.outcome == "partial" else 0.0)
    step(history, vote, True, (weights.failed_full + more, weights.failed_some + more), settings)


def _another(excursion: Excursion, vote: Vote, settings: Settings) -> bool:
    """An old suspicion by one witness is not the beginning of what a second one sees a day later."""
    old = vote.time - excursion.start > settings.old_streak
    return old and len(excursion.witnesses) == 1 and vote.steward not in excursion.witnesses


def _recovered(excursion: Excursion, entry: Entry, settings: Settings) -> bool:
    weights, full = excursion.weights, excursion.prevails
    if entry.failed:
        excursion.recovery = max(0.0, excursion.recovery - (weights.failed_full if full else weights.failed_some))
        excursion.clean = {}
        return False
    if not excursion.clean:
        excursion.clean_from = entry.time
    excursion.clean[entry.witness] = excursion.clean.get(entry.witness, 0) + 1
    excursion.recovery -= weights.worked_full if full else weights.worked_some
    return excursion.recovery >= settings.recovered * (1.0 if len(excursion.clean) > 1 else _SURE)


def _reopen(history: History, excursion: Excursion, settings: Settings) -> None:
    """What begins again within half an hour of the end is the same restriction with a gap, on the word of as many
    witnesses as there were before: two will do, and where there were two, one will not."""
    if not history.past or excursion.start - history.past[-1][0] > settings.reopened:
        return
    before = msgspec.msgpack.decode(history.past[-1][1], type=Excursion)
    late = excursion.start - (before.ended or before.last) > settings.reopened
    if late or before.suspected is None or len(excursion.witnesses) < min(2, len(before.witnesses)):
        return
    history.past.pop()
    before.resume(excursion)
    history.excursion = before
