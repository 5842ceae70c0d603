"""The same votes give the same history: in any order, twice, late, and across a stop of the detector."""

import random
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe.detect.detector import Detector
from probe.detect.history import history
from probe.detect.records import Transition
from probe.detect.store import MemoryVotes
from probe.detect.votes import Cell, Vote, order
from tests.detect.worlds import HOUR, OPEN, ROUND, START, Block, Network, vote, votes_of

NETWORKS = [Network(1, 2), Network(2, 2), Network(3320, 2, "DE", control=True), Network(5, 1, "FR")]
BEGAN = START + 3 * HOUR
BLOCKS = [
    Block(BEGAN, BEGAN + HOUR, (1,), ("x",)),
    Block(BEGAN + 20 * 60, BEGAN + 2 * HOUR, (2,), ("x",), "dns-forged", 0.5),
    Block(BEGAN + 90 * 60, BEGAN + 3 * HOUR, (), ("facebook",), "tls-drop"),
]


def world(seed: int) -> list[Vote]:
    rng = random.Random(seed)
    return votes_of(rng, NETWORKS, ["x", "facebook"], (START, START + 8 * HOUR), BLOCKS, noise=0.05)


def said(detector: Detector) -> tuple[list[object], list[object]]:
    """Everything but names: an id is kept from the first suspicion, and what was suspected first depends on arrival."""
    restrictions = [
        (r.cell, r.state, r.event, r.starts, r.onset_after, r.confirmed_at, r.ended_at, r.segments, r.turns, r.evidence)
        for r in detector.restrictions
    ]
    incidents = [(i.event, i.state, i.onset, i.confirmed_at, i.ended_at, i.networks) for i in detector.incidents]
    return sorted(restrictions, key=repr), sorted(incidents, key=repr)


def run(votes: list[Vote], every: int, durable: bool = True) -> Detector:
    detector, now = Detector(OPEN, durable=durable), 0.0
    for number, taken in enumerate(votes):
        detector.add(taken)
        now = max(now, taken.time)
        if number % every == 0:
            detector.tick(now)
    detector.tick(now)
    return detector


def by_chunks(votes: list[Vote], rng: random.Random) -> None:
    chunks = [votes[start : start + 90] for start in range(0, len(votes), 90)]
    rng.shuffle(chunks)
    votes[:] = [taken for chunk in chunks for taken in chunk]


ARRIVALS: dict[str, Callable[[list[Vote], random.Random], None]] = {
    "as made": lambda votes, _: votes.sort(key=order),
    "backwards": lambda votes, _: votes.sort(key=order, reverse=True),
    "shuffled": lambda votes, rng: rng.shuffle(votes),
    "up to twenty minutes late": lambda votes, rng: votes.sort(key=lambda taken: taken.time + rng.random() * 1200),
    "one network hours late": lambda votes, _: votes.sort(key=lambda v: v.time + 4 * HOUR * (v.asn == 2)),
    "each twice": lambda votes, _: votes.extend(votes[:]),
    "in chunks": by_chunks,
}


@pytest.mark.parametrize("arrival", ARRIVALS)
def test_any_order_of_arrival_gives_the_same_history(arrival: str) -> None:
    wanted = said(run(sorted(world(3), key=order), 10**9, durable=False))
    votes = world(3)
    ARRIVALS[arrival](votes, random.Random(4))
    assert said(run(votes, 41)) == wanted
    assert len(wanted[0]) >= 3


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    outcomes=st.lists(st.text(alphabet="..xxpds ", min_size=20, max_size=40), min_size=2, max_size=4),
    seed=st.integers(0, 2**32),
    every=st.integers(1, 60),
)
def test_any_votes_in_any_order_give_the_same_history(outcomes: list[str], seed: int, every: int) -> None:
    words = {".": "ok", "x": "blocked", "p": "partial", "d": "down", "s": "degraded"}
    votes = [
        vote(START + place * ROUND + probe * 70, words[mark], f"p{probe}", asn=1 + probe % 2)
        for probe, marks in enumerate(outcomes)
        for place, mark in enumerate("." * 8 + marks)
        if mark != " "
    ]
    wanted = said(run(sorted(votes, key=order), 10**9, durable=False))
    random.Random(seed).shuffle(votes)
    assert said(run(votes, every)) == wanted


def test_a_detector_that_is_killed_goes_on_where_it_was_stored() -> None:
    votes = sorted(world(5), key=order)
    half = next(place for place, taken in enumerate(votes) if taken.time > BEGAN + 7 * 60)
    store = MemoryVotes()
    first = Detector(OPEN, store)
    cells: dict[Cell, bytes] = {}
    for taken in votes[:half]:
        first.add(taken)
        first.tick(taken.time)
        cells.update(first.changed_cells())
    second = Detector(OPEN, store)
    second.restore(msgspec.msgpack.encode(first.rest()), cells.items())
    assert second.tick(votes[half - 1].time).transitions == ()
    told: list[Transition] = []
    for taken in votes[half:]:
        second.add(taken)
        told.extend(second.tick(taken.time).transitions)
    assert said(second) == said(run(votes, 10**9))
    assert {i.id for i in first.incidents} <= {i.id for i in second.incidents} | {t.subject for t in told}


def test_a_detector_that_begins_anew_knows_at_once_whom_to_ask_again() -> None:
    store, late = MemoryVotes(), START + 11 * ROUND
    first, second = Detector(OPEN, store), Detector(OPEN, store)
    for taken in (vote(START + turn * ROUND, probe=probe) for turn in range(10) for probe in ("p0", "p1")):
        first.add(taken)
    first.tick(late)
    second.restore(msgspec.msgpack.encode(first.rest()), list(first.changed_cells()))
    second.add(vote(late, "blocked", "p0"))
    (wish,) = second.tick(late).retests
    assert wish.probes == ("p0", "p1")
    assert second.tick(late + 20).retests == ()


def test_late_votes_correct_what_was_said_and_keep_its_name() -> None:
    votes = sorted(world(3), key=order)
    late = [taken for taken in votes if taken.asn == 1 and BEGAN - ROUND < taken.time < BEGAN + 15 * 60]
    detector = run([taken for taken in votes if taken not in late], 60)
    (before,) = [r for r in detector.restrictions if r.asn == 1 and r.platform == "x" and r.confirmed_at]
    for taken in late:
        detector.add(taken)
    transitions = detector.tick(votes[-1].time).transitions
    (after,) = [r for r in detector.restrictions if r.asn == 1 and r.platform == "x" and r.confirmed_at]
    assert after.id == before.id
    assert after.onset is not None
    assert before.onset is not None
    assert after.onset < before.onset
    corrections = [t for t in transitions if t.correction and t.subject == after.id]
    assert [t.change for t in corrections] == ["corrected"]


def test_every_transition_is_told_once() -> None:
    votes = sorted(world(3), key=order)
    detector = Detector(OPEN)
    told: list[Transition] = []
    for taken in votes:
        detector.add(taken)
        told.extend(detector.tick(taken.time).transitions)
    keys = [(t.subject, t.change, t.time) for t in told if t.change in {"suspected", "confirmed", "ended"}]
    assert len(keys) == len(set(keys))
    firm = {r.id for r in detector.restrictions if r.confirmed_at is not None}
    assert firm <= {t.subject for t in told if t.change == "confirmed"}


def test_the_same_votes_name_the_same_incidents() -> None:
    one, two = history(world(3), OPEN), history(list(reversed(world(3))), OPEN)
    assert [i.id for i in one.incidents] == [i.id for i in two.incidents]
    assert one == two


def test_two_blocks_of_one_service_have_two_names_in_whatever_order_they_are_known() -> None:
    rounds = range(-24 * 12, 14 * 12)
    votes = [
        vote(
            BEGAN + 24 * HOUR + turn * ROUND + number * 20,
            "blocked" if 9 <= turn / 12 < 10 or turn / 12 >= 12 else "ok",
            f"p{number}",
        )
        for turn in rounds
        for number in range(3)
    ]
    begins = BEGAN + 24 * HOUR

    def between(since: float, until: float) -> list[Vote]:
        return [one for one in votes if since <= (one.time - begins) / HOUR < until]

    straight, back = Detector(OPEN), Detector(OPEN)
    for detector, parts in (
        (straight, [(-24, 14)]),
        (back, [(-24, 9), (12, 14), (9, 10), (10, 12)]),
    ):
        for since, until in parts:
            for one in between(since, until):
                detector.add(one)
            detector.tick(begins + 14 * HOUR)
    assert said(back) == said(straight)
    for detector in (straight, back):
        assert len({record.id for record in detector.restrictions}) == len(detector.restrictions) == 2
        assert len({incident.id for incident in detector.incidents}) == 2
