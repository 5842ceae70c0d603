"""Votes on disk answer as votes in memory do, whatever comes in whichever order, and however little is held at hand."""

import sqlite3
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from probe.collector.compose.recent import Recent
from probe.collector.compose.schema import create
from probe.collector.compose.votes import DiskVotes, erased
from probe.detect.store import MemoryVotes, Votes
from probe.detect.votes import Cell, Vote, cells_of, name_of, order
from probe.wire.vocabulary import Outcome

TIMES = st.integers(0, 40).map(lambda number: 1e9 + number * 200.0)
VOTES = st.builds(
    Vote,
    time=TIMES,
    country=st.sampled_from(["TR", "DE"]),
    asn=st.sampled_from([9121, 3320]),
    platform=st.sampled_from(["x", "facebook"]),
    service=st.just("web"),
    probe=st.sampled_from(["p1", "p2", "ü"]),
    outcome=st.sampled_from([Outcome.OK, Outcome.BLOCKED, Outcome.PARTIAL, Outcome.DEGRADED, Outcome.DOWN]),
    technique=st.sampled_from(["", "dns-forged", "sni-reset"]),
    witness=st.sampled_from(["", "s"]),
    role=st.sampled_from(["probe", "control"]),
    handshake=st.sampled_from([None, 0.1]),
    usual=st.sampled_from([None, 0.2]),
    round=st.sampled_from(["", "r1"]),
    retest=st.booleans(),
    confirms=st.booleans(),
    resolver_asn=st.sampled_from([None, 9121, 212772]),
)
ASK = st.tuples(TIMES, TIMES)
CELLS = st.builds(Cell, st.sampled_from(["TR", "DE"]), st.sampled_from([9121, 3320]), st.just("x"), st.just("web"))


def add(vote: Vote) -> Callable[[Votes], Any]:
    return lambda store: [store.append(cell, vote, order(vote)) for cell in cells_of(vote)]


def behind(cell: Cell, vote: Vote | None) -> Callable[[Votes], Any]:
    return lambda store: list(store.of_cell(cell, order(vote) if vote else None))


def between(cell: Cell, times: tuple[float, float], network: bool) -> Callable[[Votes], Any]:
    since, until = min(times), max(times)
    if network:
        return lambda store: list(store.of_network(cell.country, cell.asn, since, until))
    return lambda store: list(store.of_service(cell.platform, cell.service, since, until))


def checkpoint(cell: Cell, vote: Vote, state: bytes) -> Callable[[Votes], Any]:
    return lambda store: store.keep(cell, order(vote), state)


def newest(cell: Cell, vote: Vote) -> Callable[[Votes], Any]:
    return lambda store: store.kept(cell, order(vote))


def dropped(cell: Cell, vote: Vote) -> Callable[[Votes], Any]:
    return lambda store: store.drop(cell, order(vote))


def taken_back(vote: Vote) -> Callable[[Votes], Any]:
    name = name_of(vote)._replace(round="r1")

    def step(store: Votes) -> list[tuple[Cell, Vote]]:
        found = sorted(store.find(name), key=lambda pair: (pair[0], order(pair[1])))
        for cell, one in found:
            store.remove(cell, order(one))
        return found

    return step


STEPS = st.one_of(
    st.builds(taken_back, VOTES),
    st.builds(add, VOTES),
    st.builds(add, VOTES),
    st.builds(behind, CELLS, st.none() | VOTES),
    st.builds(between, CELLS, ASK, st.booleans()),
    st.builds(newest, CELLS, VOTES),
    st.builds(dropped, CELLS, VOTES),
)


def on_disk(most: int) -> tuple[DiskVotes, sqlite3.Connection]:
    database = sqlite3.connect(":memory:")
    create(database)
    store = DiskVotes(database)
    store._recent = Recent(most)
    return store, database


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=60), st.sampled_from([3, 1000]))
def test_disk_answers_as_memory_does(steps: list[Callable[[Votes], Any]], most: int) -> None:
    (disk, database), memory = on_disk(most), MemoryVotes()
    for step in steps:
        assert step(disk) == step(memory)
    disk.write()
    again = DiskVotes(database)
    for cell in sorted(again.cells):
        assert list(again.of_cell(cell, None)) == list(memory.of_cell(cell, None))
    database.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(VOTES, max_size=20, unique_by=order), CELLS, VOTES)
def test_the_newest_checkpoint_before_a_vote_is_found(said: list[Vote], cell: Cell, late: Vote) -> None:
    (disk, database), memory = on_disk(1000), MemoryVotes()
    for vote in sorted(said, key=order):
        checkpoint(cell, vote, vote.probe.encode())(disk)
        checkpoint(cell, vote, vote.probe.encode())(memory)
    dropped(cell, late)(disk)
    dropped(cell, late)(memory)
    assert disk.kept(cell, order(late)) == memory.kept(cell, order(late))
    database.close()


def test_what_is_too_old_goes_and_an_erased_probe_leaves_no_vote() -> None:
    disk, database = on_disk(1000)
    vote = Vote(time=1e9, country="TR", asn=9121, platform="x", service="web", probe="p1", outcome=Outcome.OK)
    other = Vote(time=2e9, country="TR", asn=9121, platform="x", service="web", probe="p2", outcome=Outcome.OK)
    (cell,) = cells_of(vote)
    for one in (vote, other):
        assert disk.append(cell, one, order(one))
    disk.forget(1.5e9)
    assert list(disk.of_cell(cell, None)) == [other]
    assert sum(erased(database, "p2")) == 1
    assert list(DiskVotes(database).of_cell(cell, None)) == []
    database.close()
