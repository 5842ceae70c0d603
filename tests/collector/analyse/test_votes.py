"""Votes: when one is complete, what late data do to it, whose it is."""

import datetime as dt
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from probe.collector.analyse.analysis import Analysis
from probe.collector.analyse.whereabouts import Mark
from probe.wire.measurement import Measurement, Network
from probe.wire.reports import Reported
from tests.collector.analyse import world
from tests.collector.analyse.world import START, TURK
from tests.verdict import records

MINUTE = dt.timedelta(minutes=1)


class Fleet:
    """Sends reports to one analysis, a report an entry."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.sent = 0

    def send(self, *items: Reported, at: dt.datetime, probe: str = "p1", network: Network = TURK) -> None:
        self.sent += 1
        report = world.report(items, at, network, self.sent)
        self.analysis.advance([world.entry(report, self.sent, at, probe=probe)])

    def see(self, what: Measurement, at: dt.datetime, round: str, of: int = 1, probe: str = "p1", **more: Any) -> None:
        sent = more.pop("sent", at)
        item = world.reported(what, at=at, sent=sent, round=round, of=of, number=self.sent, **more)
        self.send(item, at=sent, probe=probe)

    def votes(self, condition: str = "1") -> list[sqlite3.Row]:
        connection = self.analysis.connection
        connection.row_factory = sqlite3.Row
        sql = f"SELECT v.*, c.* FROM votes v JOIN cells c ON c.id = v.cell WHERE {condition} ORDER BY v.at, v.serial"
        rows = connection.execute(sql).fetchall()
        connection.row_factory = None
        return rows

    def counted(self) -> dict[tuple[int, str], int]:
        """The rollup of minutes, by minute after the start and outcome."""
        begin = int(START.timestamp())
        names = ("ok", "partial", "blocked", "degraded", "down", "inconclusive", "void")
        rows = self.analysis.connection.execute(f"SELECT bucket, {', '.join(names)} FROM rollup_60")
        return {((row[0] - begin) // 60, name): n for row in rows for name, n in zip(names, row[1:], strict=True) if n}


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    analysis = world.analysis(tmp_path / "views.db")
    yield Fleet(analysis)
    analysis.close()


R1, R2 = world.identifier(START), world.identifier(START + 5 * MINUTE)


def test_a_vote_is_closed_once_all_endpoints_of_the_round_are_there(fleet: Fleet) -> None:
    fleet.see(world.healthy("x.com"), START, R1, of=2)
    assert [(vote["closed"], vote["serial"]) for vote in fleet.votes()] == [(0, None)]
    assert fleet.counted() == {}
    fleet.see(world.reset("twitter.com"), START + dt.timedelta(seconds=5), R1, of=2)
    (vote,) = fleet.votes()
    assert (vote["closed"], vote["outcome"], vote["techniques"]) == (1, "partial", "sni-reset")
    assert (vote["country"], vote["asn"], vote["platform"], vote["service"]) == ("TR", 9121, "x", "web")
    assert fleet.counted() == {(0, "partial"): 1}


def test_the_next_round_of_a_service_closes_the_vote_of_the_one_before(fleet: Fleet) -> None:
    fleet.see(world.reset("x.com"), START, R1, of=2)
    fleet.see(world.healthy("x.com"), START + 5 * MINUTE, R2, of=2)
    before, after = fleet.votes()
    assert (before["closed"], before["outcome"]) == (1, "blocked")
    assert after["closed"] == 0


def test_a_retest_is_a_vote_of_its_own_and_closes_no_round(fleet: Fleet) -> None:
    fleet.see(world.reset("x.com"), START, R1, of=2)
    fleet.see(world.reset("x.com"), START + MINUTE, world.identifier(START + MINUTE), retest="r1")
    waiting, retest = fleet.votes()
    assert (waiting["closed"], retest["closed"], retest["retest"]) == (0, 1, "r1")


def test_nothing_more_for_a_while_closes_a_vote_by_the_time_of_the_log(fleet: Fleet) -> None:
    fleet.see(world.reset("x.com"), START, R1, of=2)
    fleet.see(world.healthy("facebook.com"), START + 16 * MINUTE, R2, probe="p2")
    assert [vote["closed"] for vote in fleet.votes()] == [1, 1]


def test_a_late_endpoint_changes_the_vote_and_takes_the_old_one_back(fleet: Fleet) -> None:
    fleet.see(world.reset("x.com"), START, R1, of=2)
    fleet.see(world.healthy("x.com"), START + 5 * MINUTE, R2, of=1)
    assert fleet.counted() == {(0, "blocked"): 1, (5, "ok"): 1}
    serials = [vote["serial"] for vote in fleet.votes()]
    fleet.see(world.healthy("twitter.com"), START + MINUTE, R1, of=2, sent=START + 60 * MINUTE)
    changed, other = fleet.votes()
    assert (changed["outcome"], changed["revision"]) == ("partial", 1)
    assert changed["serial"] > max(serials), "whoever follows votes sees it again"
    assert (other["outcome"], other["revision"]) == ("ok", 0)
    assert fleet.counted() == {(1, "partial"): 1, (5, "ok"): 1}


def test_event_time_is_the_receipt_minus_the_age_and_never_in_the_future(fleet: Fleet) -> None:
    fleet.see(world.healthy("facebook.com"), START, R1, sent=START + 120 * MINUTE)  # back-filled after a shutdown
    fleet.see(world.healthy("api.x.com"), START + 60 * MINUTE, R1, sent=START + 121 * MINUTE, age=-5.0)
    ahead = world.reported(world.healthy("x.com"), at=START + 999 * MINUTE, round=R1, age=None)
    fleet.send(ahead, at=START + 122 * MINUTE)
    times = [(vote["at"] - int(START.timestamp() * 1000)) / 60_000 for vote in fleet.votes()]
    assert times == [0, 60, 122]


def test_a_repeat_counts_once(fleet: Fleet) -> None:
    report = world.report([world.reported(world.healthy("facebook.com"), at=START, round=R1)], START)
    entries = [world.entry(report, position, START + position * MINUTE) for position in (1, 2)]
    fleet.analysis.advance(entries[:1])
    batch = fleet.analysis.advance(entries[1:])
    assert (batch.repeats, batch.measurements) == (1, 0)
    other = world.entry(report, 3, START + 3 * MINUTE, probe="p2")
    assert fleet.analysis.advance([other]).measurements == 1, "the same id from another probe is another report"
    assert fleet.counted() == {(1, "ok"): 1, (3, "ok"): 1}


def test_a_foreign_resolvers_lie_is_its_operators(fleet: Fleet) -> None:
    adblock = records.https("facebook.com", dns=("0.0.0.0",))
    network = msgspec.structs.replace(TURK, resolver_asn=212772)
    fleet.see(adblock, START, R1, network=network)
    (vote,) = fleet.votes()
    assert (vote["outcome"], vote["scope"], vote["asn"]) == ("blocked", "resolver", 212772)


def test_a_siblings_resolver_is_the_isps_own(fleet: Fleet) -> None:
    network = msgspec.structs.replace(TURK, resolver_asn=47331)
    fleet.see(records.https("facebook.com", dns=("0.0.0.0",)), START, R1, network=network)
    (vote,) = fleet.votes()
    assert (vote["outcome"], vote["scope"], vote["asn"]) == ("blocked", "", 9121)


@pytest.mark.parametrize(
    ("facts", "marks", "counted"),
    [
        ({"vpn": True}, Mark.VPN, False),
        ({"lease": None}, Mark.CLAIMED, True),
        ({"lease": "none such"}, Mark.CLAIMED, True),
        ({}, Mark(0), True),
    ],
)
def test_marks_stay_with_the_vote(fleet: Fleet, facts: dict[str, Any], marks: Mark, counted: bool) -> None:
    fleet.see(world.healthy("facebook.com"), START, R1, **facts)
    (vote,) = fleet.votes()
    assert (vote["marks"], bool(vote["counted"])) == (marks, counted)


@pytest.mark.parametrize(
    ("lease", "marks"),
    [
        ({"hosting": True}, Mark.HOSTING),
        ({"claimed": True}, Mark.CLAIMED),
        ({"proxied": True}, Mark.CLAIMED | Mark.PROXIED),
    ],
)
def test_what_the_lease_says_of_the_network_is_marked(fleet: Fleet, lease: dict[str, Any], marks: Mark) -> None:
    item = world.reported(world.healthy("facebook.com"), at=START, round=R1)
    report = msgspec.structs.replace(world.report([item], START), leases={"1": world.lease(TURK, **lease)})
    fleet.analysis.advance([world.entry(report, 1, START)])
    (vote,) = fleet.votes()
    assert vote["marks"] == marks


def test_where_the_collector_knows_no_network_what_the_probe_found_out_since_its_check_in_is_its_claim(
    fleet: Fleet,
) -> None:
    item = world.reported(world.healthy("facebook.com"), at=START, round=R1, network=TURK)
    report = msgspec.structs.replace(world.report([item], START), leases={"1": world.lease(Network(), claimed=True)})
    fleet.analysis.advance([world.entry(report, 1, START)])
    (vote,) = fleet.votes()
    assert (vote["asn"], vote["marks"]) == (TURK.asn, Mark.CLAIMED)


@pytest.mark.parametrize(
    ("given_to", "asn", "marks"), [("p1", 9121, 0), (None, 9121, 0), ("p2", 1, Mark.CLAIMED), ("", 1, Mark.CLAIMED)]
)
def test_a_lease_speaks_for_the_probe_that_it_was_given_to_and_for_no_other(
    fleet: Fleet, given_to: str | None, asn: int, marks: int
) -> None:
    """Or one probe in a network could lend its place to any number of others."""
    item = world.reported(world.healthy("facebook.com"), at=START, round=R1, network=Network(country="DE", asn=1))
    report = msgspec.structs.replace(world.report([item], START), leases={"1": world.lease(TURK, probe=given_to)})
    fleet.analysis.advance([world.entry(report, 1, START, probe="p1")])
    (vote,) = fleet.votes()
    assert (vote["asn"], vote["marks"]) == (asn, marks)


def test_a_lease_that_nobody_signed_or_that_had_expired_is_no_lease(fleet: Fleet) -> None:
    item = world.reported(world.healthy("facebook.com"), at=START, round=R1, network=Network(country="DE", asn=1))
    forged = msgspec.structs.replace(world.lease(TURK), signature="AAAA")
    stale = world.lease(TURK, START - dt.timedelta(days=2))
    for position, signed in enumerate((forged, stale), 1):
        report = msgspec.structs.replace(world.report([item], START, number=position), leases={"1": signed})
        fleet.analysis.advance([world.entry(report, position, START, probe=f"p{position}")])
    assert [(vote["asn"], vote["marks"]) for vote in fleet.votes()] == [(1, Mark.CLAIMED)] * 2


def test_a_platform_that_the_catalogue_has_not_becomes_no_label(fleet: Fleet) -> None:
    strange = msgspec.structs.replace(world.healthy("x.com"), endpoint="https://evil.example/")
    item = world.reported(strange, at=START, round=R1)
    named = msgspec.structs.replace(item.measurement, platform='"} evil', service="web")
    fleet.send(msgspec.structs.replace(item, measurement=named), at=START)
    assert fleet.votes() == []
    assert fleet.analysis.connection.execute("SELECT platform FROM cells").fetchall() == [("",)]
