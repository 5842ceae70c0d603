"""A vote that comes again with more of its round counts as it was said last, whichever came first."""

import random

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe.detect.detector import Detector
from probe.detect.settings import DAY
from probe.detect.store import MemoryVotes
from probe.detect.votes import Cell, Vote, cells_of, name_of, order
from probe.wire.vocabulary import Outcome
from tests.detect.test_order import BEGAN, run, said, world
from tests.detect.worlds import OPEN, ROUND, START, vote

Told = tuple[int, Vote]  # a revision, and what it says; `inconclusive` does not vote
Change = tuple[int, str, float, int | None, float | None]
WORDS = {".": "ok", "x": "blocked", "p": "partial", "d": "down", "s": "degraded", "?": "inconclusive"}
CHANGES = st.tuples(
    st.integers(0, 10**6),  # which vote
    st.sampled_from(list(WORDS)),
    st.sampled_from([0.0, 8.0, 200.0]),  # later by
    st.sampled_from([None, 1, 2]),  # in another network
    st.sampled_from([None, 0.1, 0.9]),  # a handshake's pace
)


def named(one: Vote) -> Vote:
    return msgspec.structs.replace(one, round=f"{one.probe}-{one.time}")


def taken(told: list[Told], every: int, store: MemoryVotes | None = None) -> Detector:
    detector, now = Detector(OPEN, store), 0.0
    for number, (revision, one) in enumerate(told):
        detector.add(one, revision)
        now = max(now, one.time)
        if number % every == 0:
            detector.tick(now)
    detector.tick(max(one.time for _, one in told))
    return detector


def last(told: list[Told]) -> list[Vote]:
    found = {name_of(one): one for _, one in sorted(told, key=lambda pair: pair[0])}
    return sorted(found.values(), key=order)


def changed(one: Vote, change: Change) -> Vote:
    _, word, later, asn, pace = change
    technique = "sni-reset" if word in "xp" else ""
    fresh = msgspec.structs.replace(one, outcome=Outcome(WORDS[word]), technique=technique, time=one.time + later)
    fresh = msgspec.structs.replace(fresh, asn=asn) if asn is not None else fresh
    return msgspec.structs.replace(fresh, handshake=pace, usual=0.1) if pace is not None else fresh


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    outcomes=st.lists(st.text(alphabet="..xxpds? ", min_size=15, max_size=30), min_size=2, max_size=4),
    changes=st.lists(CHANGES, min_size=1, max_size=30),
    seed=st.integers(0, 2**32),
    every=st.integers(1, 60),
)
def test_any_order_of_votes_and_their_revisions_gives_the_history_of_the_last(
    outcomes: list[str], changes: list[Change], seed: int, every: int
) -> None:
    votes = [
        named(vote(START + place * ROUND + probe * 70, WORDS[mark], f"p{probe}", asn=1 + probe % 2))
        for probe, marks in enumerate(outcomes)
        for place, mark in enumerate("." * 8 + marks)
        if mark != " "
    ]
    told = [(0, one) for one in votes]
    for revision, change in enumerate(changes, 1):
        told.append((revision, changed(votes[change[0] % len(votes)], change)))
    wanted = last(told)
    told += random.Random(seed).sample(told, 3)
    random.Random(seed).shuffle(told)
    store = MemoryVotes()
    detector = taken(told, every, store)
    plain = run(wanted, 10**9, durable=False)
    assert said(detector) == said(plain)
    assert counted(detector) == counted(plain)
    assert all(dict(store.find(name_of(one))) == places(one) for one in wanted)


def places(one: Vote) -> dict[Cell, Vote]:
    return dict.fromkeys(cells_of(one), one) if one.outcome is not Outcome.INCONCLUSIVE else {}


def counted(detector: Detector) -> object:
    """What is known of the whole fleet; where nothing is left it is as if nothing had been."""
    fleet = detector.rest().fleet
    days = {
        number: (day.cells, {name: counts for name, counts in day.services.items() if any(counts)})
        for number, day in fleet.days.items()
    }
    return fleet.first, {number: day for number, day in days.items() if day != (0, {})}


def test_a_block_that_was_first_told_as_working_is_found_and_one_that_was_none_is_taken_back() -> None:
    final = [named(one) for one in sorted(world(3), key=order)]
    first = [msgspec.structs.replace(one, outcome=Outcome.OK, technique="") for one in final]
    late = [(1, one) for one in final if one.outcome is not Outcome.OK]
    wanted = said(run(final, 41))
    assert len(wanted[0]) >= 3
    detector = taken([*((0, one) for one in first), *late], 41)
    assert said(detector) == wanted
    assert max(one.time for _, one in late) > BEGAN
    back = [(2, one) for one, truth in zip(first, final, strict=True) if truth.outcome is not Outcome.OK]
    for revision, one in back:
        detector.add(one, revision)
    detector.tick(final[-1].time)
    assert said(detector) == said(run(first, 41)) == ([], [])


def test_the_first_vote_of_the_fleet_may_turn_out_to_be_none() -> None:
    votes = [named(vote(START + turn * DAY / 2, probe="p0")) for turn in range(6)]
    detector = taken([(0, one) for one in votes], 1)
    detector.add(msgspec.structs.replace(votes[0], outcome=Outcome.INCONCLUSIVE), 1)
    detector.tick(votes[-1].time)
    assert counted(detector) == counted(run(votes[1:], 1))
