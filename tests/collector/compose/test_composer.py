"""A tick holds as a whole or not at all, and nothing depends on how often the process began anew."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from probe.collector.analyse.handover import Handed
from probe.collector.compose.receipts import FALTERED, SETTLED, Receipts
from probe.detect.records import Retest
from probe.detect.votes import Vote
from tests.collector.compose.fleet import (
    LIFT,
    ONSET,
    PROBES,
    START,
    Stage,
    batches,
    content,
    handed,
    presence,
    vote,
    votes,
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path / "journal.sqlite")
    yield made
    made.close()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    played = Stage(tmp_path_factory.mktemp("undisturbed") / "journal.sqlite")
    played.play(handed(votes()))
    played.close()
    return played.path


def phases(stage: Stage) -> list[str]:
    rows = stage.journal.connection.execute("SELECT body FROM outbox ORDER BY position")
    return [json.loads(body)["phase"] for (body,) in rows]


def incidents(stage: Stage) -> list[dict[str, object]]:
    rows = stage.journal.connection.execute("SELECT body FROM incidents WHERE shown = 1")
    return [json.loads(body) for (body,) in rows]


def test_a_block_that_spreads_and_is_lifted_is_one_incident_told_three_times(undisturbed: Path) -> None:
    stage = Stage(undisturbed)
    (incident,) = incidents(stage)
    assert [network["asn"] for network in incident["networks"]] == [9121, 15897]  # type: ignore[attr-defined]
    assert abs(incident["onset"] - ONSET) <= 300  # type: ignore[operator]
    assert abs(incident["ended_at"] - LIFT) <= 300  # type: ignore[operator]
    assert phases(stage) == ["firing", "updated", "resolved"]
    stage.close()


def test_a_process_that_begins_anew_before_every_tick_decides_the_same(tmp_path: Path, undisturbed: Path) -> None:
    stage = Stage(tmp_path / "journal.sqlite")
    for now, batch in batches(handed(votes())):
        stage = stage.reopened()
        stage.tick(batch, now)
    stage.close()
    assert content(stage.path) == content(undisturbed)


def test_a_tick_that_was_rolled_back_is_as_if_it_had_never_been(tmp_path: Path, undisturbed: Path) -> None:
    def refuse(wanted: Retest) -> None:
        if wanted.since not in failed:
            failed.add(wanted.since)
            raise RuntimeError("no desk")

    failed: set[float] = set()
    stage = Stage(tmp_path / "journal.sqlite", ask=refuse)
    for now, batch in batches(handed(votes())):
        for _ in range(100):
            try:
                stage.tick(batch, now)
                break
            except RuntimeError:
                pass
    stage.close()
    assert failed
    assert content(stage.path) == content(undisturbed)


def test_a_tick_waits_for_a_lock_that_another_connection_holds(stage: Stage) -> None:
    stage.journal.connection.execute("PRAGMA busy_timeout = 50")
    everything = list(batches(handed(votes(end=ONSET))))
    now, batch = everything[-1]
    stage.play(handed(votes(end=ONSET - 600)))
    other = sqlite3.connect(stage.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        stage.tick(batch, now)
    other.execute("ROLLBACK")
    other.close()
    stage.tick(batch, now)
    (count,) = stage.journal.connection.execute(
        "SELECT count(*) FROM detect_votes v JOIN detect_cells c ON c.id = v.cell WHERE c.aspect = 'reachability'"
        " AND v.time >= ?",
        (batch[0].presence.time,),
    ).fetchone()
    assert count == sum(one.vote is not None and one.vote.role == "probe" for one in batch)


def test_a_tick_without_news_writes_nothing(stage: Stage) -> None:
    stage.play(handed(votes(end=ONSET)))
    before = stage.journal.connection.total_changes
    for second in range(0, 300, 5):
        stage.tick([], ONSET + second)
    assert stage.journal.connection.total_changes == before


def test_late_data_lead_to_a_correction_that_is_told(stage: Stage) -> None:
    """What two probes had spooled says that it began twenty minutes before."""
    said = votes(end=ONSET + 1800)
    stage.play(handed(said))
    assert phases(stage)[0] == "firing"
    earlier = [
        vote(one.time, one.probe, (one.platform, one.service), "blocked", round=f"again {one.round}")
        for one in votes(seed=9, end=ONSET)
        if one.asn == 9121 and one.platform == "x" and one.time > ONSET - 1200
    ]
    late = [msgspec.structs.replace(one, received=ONSET + 1900) for one in handed(earlier, first=10_000)]
    assert "corrected" in stage.tick(late, ONSET + 1900)
    assert phases(stage)[-1] == "corrected"


def test_what_is_said_twice_word_for_word_is_two_transitions(stage: Stage) -> None:
    """A suspicion that comes, goes and comes again must not be swallowed as a repeat."""
    stage.play(handed(votes()))
    rows = stage.journal.connection.execute("SELECT id FROM records").fetchall()
    kinds = [kind for (kind,) in stage.journal.connection.execute("SELECT kind FROM records")]
    assert len(set(rows)) == len(rows) == len(kinds)


@pytest.mark.parametrize("mark", ["unsure", "hosting"])
def test_probes_whose_network_is_in_doubt_never_confirm(stage: Stage, mark: str) -> None:
    def doubted(one: Handed) -> Handed:
        assert one.vote is not None
        if one.vote.role == "control" or one.vote.probe == "t1":
            return one
        said = msgspec.structs.replace(one.vote, confirms=False) if mark == "unsure" else None
        return msgspec.structs.replace(one, vote=said, sure=False)

    stage.play([doubted(one) for one in handed(votes())])
    assert incidents(stage) == []
    assert phases(stage) == []


def test_retests_go_to_controls_first_and_then_to_the_network(stage: Stage) -> None:
    stage.play(handed(votes(end=ONSET + 600)))
    assert stage.asked
    for wanted in stage.asked:
        assert wanted.probes[:2] == ("c1", "c2") or not {"c1", "c2"} & set(wanted.probes)
        assert len(wanted.probes) <= 10
    own = [probe for probe in stage.asked[0].probes if probe[0] in "tv"]
    assert [probe[0] for probe in own] == sorted(probe[0] for probe in own), "the network before the country"


def test_no_name_of_a_steward_is_in_what_is_kept_for_ever(stage: Stage) -> None:
    stage.play(handed(votes()))
    for table in ("records", "incidents", "restrictions", "outbox"):
        for (body,) in stage.journal.connection.execute(f"SELECT body FROM {table}"):
            assert b"steward of" not in body
            assert b'"t1"' not in body


def test_erased_votes_are_gone_and_detection_goes_on(stage: Stage) -> None:
    everything = list(batches(handed(votes())))
    for now, batch in everything[:100]:
        stage.tick(batch, now)
    assert sum(stage.composer.forget("t2")) > 0
    for now, batch in everything[100:]:
        stage.tick([one for one in batch if one.presence.probe != "t2"], now)
    left = stage.journal.connection.execute("SELECT count(*) FROM detect_votes WHERE probe = 't2'").fetchone()
    assert left == (0,)
    assert len(incidents(stage)) == 1


# --- silence ---


def lonely(end: float) -> list[Vote]:
    """A fleet in one network only: who receives cannot tell its own deafness from theirs by comparing."""
    return [one for one in votes(end=end) if one.asn == 9121]


def silences(stage: Stage) -> int:
    kinds = [incident["event"] for incident in incidents(stage)]
    return kinds.count("silence")


def test_a_collector_that_was_away_concludes_no_silence(stage: Stage) -> None:
    stage.play(handed(lonely(START + 7200)))
    back = START + 7200 + 3600
    stage = stage.reopened()
    for second in range(0, 900, 5):
        stage.tick([], back + second)
    assert silences(stage) == 0
    stage.close()


def test_while_probes_come_back_one_after_the_other_none_is_silent(stage: Stage) -> None:
    away, back = START + 7200, START + 10800
    stage.play(handed(votes(end=away)))
    stage = stage.reopened()
    returning = [one for one in votes(end=back + 300) if one.time > away and one.asn != 9121]
    stage.play(
        [msgspec.structs.replace(one, received=max(one.received, back)) for one in handed(returning, first=9000)]
    )
    stage.tick([], back + 400)
    assert silences(stage) == 0
    stage.close()


def test_probes_of_one_network_that_fall_silent_together_are_missed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While all others go on to report."""
    for number in range(4, 9):
        monkeypatch.setitem(PROBES, f"t{number}", ("TR", 9121, "probe"))
        monkeypatch.setitem(PROBES, f"v{number}", ("TR", 15897, "probe"))
    said = [one for one in votes() if one.asn != 9121 or one.time < ONSET - 600 or one.time > LIFT]
    stage.play(handed([one for one in said if one.time < LIFT]))
    assert silences(stage) == 1


def test_a_probe_whose_network_is_only_claimed_is_no_heartbeat(stage: Stage) -> None:
    doubted = [msgspec.structs.replace(one, sure=False) for one in handed(lonely(START + 7200))]
    stage.play(doubted)
    rows = stage.journal.connection.execute("SELECT count(*) FROM detect_cells WHERE aspect = 'network'").fetchone()
    assert rows == (0,)
    assert presence(votes()[0]).void == ""


def test_the_horizon_stands_still_from_a_gap_until_everybody_had_time_to_come_back() -> None:
    receipts = Receipts()
    for moment in (1000.0, 1100.0):
        receipts.hear(moment)
    assert receipts.horizon(1200) == 1200
    assert receipts.horizon(1101 + FALTERED) == 1100
    back = 1100 + FALTERED + 1000
    receipts.hear(back)
    assert receipts.horizon(back + 10) == 1100
    receipts.hear(back + FALTERED + 1)  # it falters again before all are back
    assert receipts.horizon(back + FALTERED + 2) == 1100
    free = back + FALTERED + 1 + SETTLED
    for moment in (back + 2 * FALTERED, free - 1):
        receipts.hear(moment)
    assert receipts.horizon(free) == free
