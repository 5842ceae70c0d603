"""What lasts for weeks stays as it was said: old votes, a restart, and probes that went away change nothing of it."""

import sqlite3
from collections.abc import Callable, Iterator

import msgspec
import pytest

from probe.collector.compose.schema import create
from probe.collector.compose.votes import DiskVotes
from probe.detect.detector import Detector
from probe.detect.records import Restriction, Transition
from probe.detect.store import MemoryVotes, Votes
from probe.detect.votes import Vote, cells_of, order
from tests.detect.worlds import DAY, HOUR, START, STRICT, vote

EVERY = HOUR
BEGAN = START + 3 * DAY
NOW = START + 20 * DAY


def on_disk() -> Votes:
    database = sqlite3.connect(":memory:")
    create(database)
    return DiskVotes(database)


STORES = pytest.mark.parametrize("store", [MemoryVotes, on_disk])


def voted(time: float, blocked: bool) -> Iterator[Vote]:
    for number in range(3):
        yield vote(
            time + number, "blocked" if blocked else "ok", f"p{number}", technique="sni-reset" if blocked else ""
        )


def elsewhere(time: float) -> Iterator[Vote]:
    for number in range(2):
        yield vote(time + number, probe=f"n{number}", country="NL", asn=2, role="control")


def run(detector: Detector, begin: float, end: float, blocked: tuple[float, float] | None) -> list[Transition]:
    """The network's probes vote while `blocked` is given: they fail between these."""
    told: list[Transition] = []
    moment = begin
    while moment < end:
        for one in elsewhere(moment):
            detector.add(one)
        for one in voted(moment, blocked[0] <= moment < blocked[1]) if blocked is not None else ():
            detector.add(one)
        told += detector.tick(moment + 5).transitions
        moment += EVERY
    return told


def lasting(store: Votes) -> Detector:
    detector = Detector(STRICT, store)
    run(detector, START, NOW, (BEGAN, NOW))
    return detector


def only(detector: Detector) -> Restriction:
    (found,) = detector.restrictions
    return found


@STORES
@pytest.mark.parametrize("age", [13.0, 13.7, 15.0])
def test_an_old_vote_takes_back_nothing_that_lasts(store: Callable[[], Votes], age: float) -> None:
    detector = lasting(store())
    before = only(detector)
    assert (before.state, before.onset) == ("confirmed", BEGAN)
    for late in (
        vote(NOW - age * DAY, "blocked", "laptop", technique="sni-reset"),
        vote(NOW - age * DAY, probe="laptop", country="FR", asn=7),
        vote(NOW - age * DAY, probe="laptop", country="FR", asn=7, platform="y"),
    ):
        detector.add(late)
        assert detector.tick(NOW).transitions == ()
    after = only(detector)
    assert (after.id, after.state, after.onset, after.confirmed_at) == (
        before.id,
        "confirmed",
        BEGAN,
        before.confirmed_at,
    )


def test_a_restart_takes_back_nothing_that_lasts() -> None:
    store = MemoryVotes()
    first = Detector(STRICT, store)
    run(first, START, NOW, (BEGAN, NOW))
    second = Detector(STRICT, store)
    second.restore(msgspec.msgpack.encode(first.rest()), list(first.changed_cells()))
    assert run(second, NOW, NOW + DAY, (BEGAN, NOW + DAY)) == []
    assert (only(second).state, only(second).confirmed_at) == ("confirmed", only(first).confirmed_at)


def test_a_block_that_ended_is_not_told_again_after_weeks() -> None:
    detector = Detector(STRICT)
    run(detector, START, START + 4 * DAY, (BEGAN, BEGAN + 6 * HOUR))
    assert only(detector).state == "ended"
    again = START + 25 * DAY
    told = run(detector, START + 4 * DAY, again + DAY, (again, again + DAY))
    assert [(one.change, one.restriction.starts) for one in told if one.restriction is not None] == [
        ("suspected", again),
        ("confirmed", again),
    ]


def test_what_nobody_measures_any_more_is_told_once_and_closed_when_it_is_forgotten() -> None:
    detector = Detector(STRICT)
    gone = BEGAN + DAY
    run(detector, START, gone, (BEGAN, gone))
    last = gone - EVERY + 2
    told = run(detector, gone, gone + 13 * DAY, None)
    assert [(one.change, one.time) for one in told if one.incident is not None] == [("unobserved", last + DAY)]
    assert (only(detector).state, only(detector).unobserved_since) == ("confirmed", last)
    (incident,) = detector.incidents
    assert incident.note.startswith("No probe has measured it since ")
    told = run(detector, gone + 13 * DAY, gone + 16 * DAY, None)
    assert [one.change for one in told if one.incident is not None] == ["ended"]
    over = only(detector)
    assert (over.state, over.ended_at, over.segments) == ("ended", last, ((BEGAN, last),))
    assert "went away" in over.evidence.note
    assert run(detector, gone + 16 * DAY, gone + 40 * DAY, None) == []
    assert (detector.restrictions, detector.incidents) == ([], [])


def test_probes_that_come_back_in_time_go_on_with_what_they_saw() -> None:
    detector = Detector(STRICT)
    gone = BEGAN + DAY
    run(detector, START, gone, (BEGAN, gone))
    run(detector, gone, gone + 5 * DAY, None)
    told = run(detector, gone + 5 * DAY, gone + 5 * DAY + 6 * HOUR, (BEGAN, gone + 9 * DAY))
    assert [one.change for one in told if one.incident is not None] == []
    assert (only(detector).state, only(detector).unobserved_since, only(detector).starts) == ("confirmed", None, BEGAN)


def test_probes_that_come_back_too_late_leave_what_was_closed_as_it_is() -> None:
    detector = Detector(STRICT)
    gone = BEGAN + DAY
    run(detector, START, gone, (BEGAN, gone))
    run(detector, gone, gone + 15 * DAY, None)
    before = only(detector)
    run(detector, gone + 15 * DAY, gone + 16 * DAY, (BEGAN, BEGAN))
    assert only(detector) == before


@STORES
def test_the_last_checkpoint_before_what_was_forgotten_stays(store: Callable[[], Votes]) -> None:
    votes, days = store(), [vote(START + number * DAY) for number in range(4)]
    (cell,) = cells_of(days[0])
    for number, one in enumerate(days):
        votes.append(cell, one, order(one))
        votes.keep(cell, order(one), b"%d" % number)
    votes.forget(START + 1.5 * DAY)
    assert list(votes.of_cell(cell, None)) == days[2:]
    assert [votes.kept(cell, order(one)) for one in days] == [None, None, b"1", b"2"]
