"""Votes on their way to detection: each once it is closed, again where it changed, none lost or doubled by a crash."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from probe.collector.analyse.analysis import Analysis
from probe.collector.analyse.handover import MOST, Handed, Handover, votes_after
from probe.collector.analyse.journal import Journal, Record
from probe.detect.votes import Cell, cells_of
from probe.wire.measurement import Measurement
from probe.wire.reports import Role
from tests.collector.analyse import world
from tests.collector.analyse.history import history
from tests.collector.analyse.world import GERMAN, START, TURK
from tests.verdict import records

R1 = world.identifier(START)


class Remembering:
    """Answers every vote that failed with a record. `dies` raises once, in the middle of a tick."""

    def __init__(self) -> None:
        self.seen: list[Handed] = []
        self.ticks: list[list[float]] = []
        self.dies = False

    def tick(self, handed: Sequence[Handed], now: float) -> list[Record]:
        if self.dies:
            self.dies = False
            raise RuntimeError("killed here")
        self.seen += handed
        self.ticks.append([one.presence.time for one in handed])
        failed = [one for one in handed if one.vote is not None and one.vote.outcome == "blocked"]
        return [Record(id=f"{one.serial}", at=round(now), kind="suspected", body=b"{}") for one in failed]

    def forget(self, probe: str) -> Iterator[int]:
        self.seen = [one for one in self.seen if one.presence.probe != probe]
        yield 1


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal.db")
    yield made
    made.close()


@pytest.fixture
def analysis(tmp_path: Path) -> Iterator[Analysis]:
    made = world.analysis(tmp_path / "views.db")
    yield made
    made.close()


def test_each_closed_vote_is_handed_over_once_in_event_time_within_a_tick(analysis: Analysis, journal: Journal) -> None:
    detector = Remembering()
    handover = Handover(lambda: analysis.connection, journal, detector)
    entries = history()
    for start in range(0, len(entries), 40):
        analysis.advance(entries[start : start + 40])
        assert handover.tick(1.0) < MOST
    handover.tick(2.0)
    serials = [one.serial for one in detector.seen]
    assert len(serials) == len(set(serials)) > 100
    assert all(times == sorted(times) for times in detector.ticks)
    latest = {(one.vote.probe, one.vote.round, one.platform, one.service): one for one in detector.seen if one.vote}
    closed = analysis.connection.execute(
        "SELECT count(*) FROM votes WHERE closed AND outcome NOT IN ('inconclusive', 'void')"
    )
    assert len(latest) == closed.fetchone()[0], (
        "a vote that changed comes again, with the same probe, round and service"
    )
    assert max(one.revision for one in detector.seen) > 0


def test_what_was_not_answered_is_handed_over_again_and_what_was_is_not(analysis: Analysis, journal: Journal) -> None:
    detector = Remembering()
    handover = Handover(lambda: analysis.connection, journal, detector)
    analysis.advance(history()[:60])
    detector.dies = True
    with pytest.raises(RuntimeError, match="killed here"):
        handover.tick(1.0)
    assert journal.after(0, 1000) == []
    again = Handover(lambda: analysis.connection, journal, detector)
    count = again.tick(1.0)
    assert count > 0
    assert Handover(lambda: analysis.connection, journal, detector).tick(1.0) == 0
    assert len({record.id for record in journal.after(0, 1000)}) == len(journal.after(0, 1000))


def test_the_journal_takes_a_record_once_and_changes_none(journal: Journal) -> None:
    record = Record(id="a", at=1, kind="suspected", body=b"{}", incident="i")
    journal.append([record, record], "detect", 1)
    journal.append([msgspec.structs.replace(record, kind="other")], "detect", None)
    (kept,) = journal.after(0, 10)
    assert (kept.kind, journal.remembered("detect")) == ("suspected", 1)
    for change in ("UPDATE records SET kind = 'x'", "DELETE FROM records"):
        with pytest.raises(Exception, match="append only"):
            journal.connection.execute(change)


def handed(analysis: Analysis, measurement: Measurement, role: Role = "probe", **facts: object) -> Handed:
    item = world.reported(measurement, at=START, round=R1, **facts)  # type: ignore[arg-type]
    analysis.advance([world.entry(world.report([item], START), 1, START, role=role)])
    (one,) = votes_after(analysis.connection, 0, 10)
    return one


def test_a_vote_has_what_detection_reads(analysis: Analysis) -> None:
    one = handed(analysis, world.reset("facebook.com"))
    vote = one.vote
    assert vote is not None
    assert (vote.time, vote.country, vote.asn, vote.platform, vote.service) == (
        START.timestamp(),
        "TR",
        9121,
        "facebook",
        "web",
    )
    assert (vote.outcome, vote.technique, vote.witness, vote.probe, vote.round) == (
        "blocked",
        "sni-reset",
        "s1",
        "p1",
        R1,
    )
    assert (vote.confirms, vote.retest, vote.role, vote.resolver_asn) == (True, False, "probe", None)


def test_handshake_and_goodput_are_the_services_own(analysis: Analysis) -> None:
    fast = msgspec.structs.replace(
        records.page("https://facebook.com/"), body_length=100_000, first_byte=0.5, last_byte=1.5
    )
    whole = world.healthy("facebook.com")
    vote = handed(analysis, msgspec.structs.replace(whole, steps=(*whole.steps[:-1], fast))).vote
    assert vote is not None
    assert (round(vote.handshake or 0, 3), vote.goodput) == (0.1, 100_000)


def test_a_foreign_resolvers_lie_goes_to_the_operators_cell(analysis: Analysis) -> None:
    network = msgspec.structs.replace(TURK, resolver_asn=212772)
    one = handed(analysis, records.https("facebook.com", dns=("0.0.0.0",)), network=network)
    assert one.vote is not None
    assert list(cells_of(one.vote)) == [Cell("TR", 212772, "facebook", "web", operator=True)]
    assert (one.vote.asn, one.presence.asn) == (9121, 9121)


def test_who_is_on_a_vpn_says_nothing_of_the_isp_but_a_control_in_a_hosting_network_votes(analysis: Analysis) -> None:
    assert handed(analysis, world.healthy("facebook.com"), vpn=True).vote is None
    report = world.report(
        [world.reported(world.healthy("facebook.com"), at=START, round=R1, network=GERMAN)], START, GERMAN, 7
    )
    report = msgspec.structs.replace(report, leases={"1": world.lease(GERMAN, hosting=True)})
    analysis.advance([world.entry(report, 2, START, probe="c1", role="control")])
    control = votes_after(analysis.connection, 1, 10)[0].vote
    assert control is not None
    assert (control.role, control.confirms) == ("control", False)


def test_a_claimed_network_supports_and_does_not_confirm(analysis: Analysis) -> None:
    vote = handed(analysis, world.healthy("facebook.com"), lease=None).vote
    assert vote is not None
    assert not vote.confirms


def test_a_void_round_is_a_word_about_the_probes_own_network(analysis: Analysis) -> None:
    silent = tuple(msgspec.structs.replace(anchor, seen="silent", failure=records.TIMEOUT) for anchor in records.RIGHT)
    around = msgspec.structs.replace(records.FIT, anchors=silent)
    one = handed(analysis, msgspec.structs.replace(world.silent("facebook.com"), surroundings=around))
    assert one.vote is None
    assert one.presence.void == "offline"
