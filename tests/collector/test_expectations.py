"""Expectations: what controls agree on, when a new version is made, who is believed, what gets suspended."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard

from probe.catalogue.signatures import Keypair, opened
from probe.collector.analyse.agreement import agreed, carried
from probe.collector.analyse.analysis import Analysis
from probe.collector.analyse.publishing import Publisher
from probe.collector.documents import Documents
from probe.verdict.expect import expectation_of
from probe.wire.compact import compacted
from probe.wire.expectations import Expectation, Expectations
from probe.wire.measurement import Measurement
from probe.wire.signed import ExpectationsDocument, Signed
from tests.collector.analyse import world
from tests.collector.analyse.world import GERMAN, START, TURK
from tests.verdict import records

X = "https://x.com/"
MINUTE = dt.timedelta(minutes=1)
EVERYTHING_FAILS = records.https("x.com", dns=records.NXDOMAIN, true=records.NXDOMAIN)


class Controls:
    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.sent = 0

    def see(self, what: Measurement, at: dt.datetime, name: str = "c1", *, role: str = "control") -> None:
        self.sent += 1
        network = GERMAN if role == "control" else TURK
        item = world.reported(what, at=at, network=network, round=world.identifier(at, self.sent), number=self.sent)
        report = world.report([item], at, network, self.sent)
        self.analysis.advance([world.entry(report, self.sent, at, probe=name, role=role)])  # type: ignore[arg-type]

    def versions(self) -> list[Expectations]:
        rows = self.analysis.connection.execute("SELECT document FROM expectations ORDER BY id")
        return [msgspec.json.decode(zstandard.decompress(row[0]), type=Expectations) for row in rows]

    def judged(self) -> list[tuple[str, str | None]]:
        """Outcome and expectations' version of each measurement, in the order in which they came."""
        sql = (
            "SELECT l.outcome, x.version FROM measurements m JOIN lanes l ON l.id = m.lane"
            " LEFT JOIN expectations x ON x.id = m.expectations ORDER BY m.seq"
        )
        return list(self.analysis.connection.execute(sql))


@pytest.fixture
def controls(tmp_path: Path) -> Iterator[Controls]:
    analysis = world.analysis(tmp_path / "views.db")
    yield Controls(analysis)
    analysis.close()


def test_the_only_control_is_believed(controls: Controls) -> None:
    controls.see(world.healthy("x.com"), START)
    (version,) = controls.versions()
    assert version.endpoints[X] == msgspec.structs.replace(expectation_of(world.healthy("x.com")), controls=1)
    assert version.catalogue == "test"


def test_where_two_could_say_it_they_must_agree(controls: Controls) -> None:
    controls.see(world.healthy("x.com"), START, "c1")
    controls.see(world.reset("x.com"), START + MINUTE, "c2")
    assert X not in controls.versions()[-1].endpoints
    controls.see(world.healthy("x.com"), START + 2 * MINUTE, "c3")
    last = controls.versions()[-1].endpoints[X]
    assert (last.tls_ok, last.controls) == (True, 2), "two of three say so"


def test_a_void_control_and_a_probe_make_none(controls: Controls) -> None:
    portal = tuple(msgspec.structs.replace(anchor, seen="wrong") for anchor in records.RIGHT)
    around = msgspec.structs.replace(records.FIT, anchors=portal)
    controls.see(msgspec.structs.replace(world.healthy("x.com"), surroundings=around), START)
    controls.see(world.healthy("x.com"), START, "p1", role="probe")
    assert controls.versions() == []


def test_a_measurement_is_judged_by_the_expectations_of_its_time(controls: Controls) -> None:
    before, during, after = START - MINUTE, START + MINUTE, START + 20 * MINUTE
    controls.see(world.healthy("x.com"), START)
    controls.see(world.silent("x.com"), START + 10 * MINUTE)
    for moment in (before, during, after):
        controls.sent += 1
        item = world.reported(world.silent("x.com"), at=moment, sent=START + 60 * MINUTE, number=controls.sent)
        report = world.report([item], START + 60 * MINUTE, TURK, controls.sent)
        controls.analysis.advance([world.entry(report, controls.sent, START + 60 * MINUTE)])
    outcomes = [outcome for outcome, _ in controls.judged()[2:]]
    assert outcomes == ["inconclusive", "blocked", "down"], "nothing was known; it worked; it was down"
    assert len({version for _, version in controls.judged()[2:]}) == 3


def test_a_version_is_made_at_once_where_reach_changed_and_seldom_where_it_did_not(controls: Controls) -> None:
    for minute in range(9):
        other = records.https("x.com", dns=(f"104.244.42.{minute + 2}",))
        controls.see(other, START + minute * MINUTE)
    assert len(controls.versions()) == 1, "addresses come and go"
    controls.see(world.silent("x.com"), START + 9 * MINUTE)
    assert len(controls.versions()) == 2
    assert controls.versions()[-1].endpoints[X].tcp_ok is False
    for minutes in (60, 71, 140):
        controls.see(world.silent("x.com"), START + minutes * MINUTE)
    assert len(controls.versions()) == 4, "said again every hour, since probes distrust what is old"


def test_an_endpoint_that_no_control_reaches_for_a_day_does_not_vote(controls: Controls) -> None:
    controls.see(world.healthy("x.com"), START)
    for hour in range(1, 27):
        controls.see(world.silent("x.com"), START + dt.timedelta(hours=hour))
    early, late = START + dt.timedelta(hours=20), START + dt.timedelta(hours=26)
    controls.see(world.reset("x.com"), early, "p1", role="probe")
    controls.see(world.reset("x.com"), late, "p2", role="probe")
    sql = "SELECT p.name, v.outcome, v.marks FROM votes v JOIN probes p ON p.id = v.probe WHERE p.name LIKE 'p%'"
    assert list(controls.analysis.connection.execute(sql)) == [("p1", "blocked", 0), ("p2", "inconclusive", 32)]


def test_it_is_published_signed_with_the_online_key(controls: Controls, tmp_path: Path) -> None:
    documents, key = Documents.open(tmp_path / "documents.sqlite"), Keypair.generate()
    publisher = Publisher(documents, key)
    assert not publisher.publish(controls.analysis.connection)
    controls.see(world.healthy("x.com"), START)
    assert publisher.publish(controls.analysis.connection)
    assert not publisher.publish(controls.analysis.connection), "the same version is published once"
    assert not Publisher(documents, key).publish(controls.analysis.connection), "also after a new start"
    current = documents.current("expectations")
    documents.close()
    assert current is not None
    signed = msgspec.json.decode(current.body, type=Signed)
    document = msgspec.json.decode(opened(signed, [key.public]), type=ExpectationsDocument)
    assert document.version == current.version
    assert X in msgspec.json.decode(document.expectations, type=Expectations).endpoints


# --- agreement ---


def test_facts_that_differ_are_left_out_and_sets_put_together() -> None:
    german = Expectation(
        addresses=("1.1.1.1",), tls_ok=True, http_ok=True, status=200, title="Hallo", headers=("a", "b")
    )
    dutch = Expectation(addresses=("1.0.0.1",), tls_ok=True, http_ok=True, status=200, title="Hoi", headers=("b",))
    both = agreed([german, dutch])
    assert both is not None
    assert (both.addresses, both.status, both.title, both.headers) == (("1.0.0.1", "1.1.1.1"), 200, None, ("b",))


def test_a_layer_that_one_did_not_look_at_contradicts_nobody() -> None:
    light, whole = Expectation(tls_ok=True), Expectation(tls_ok=True, http_ok=True, status=200)
    both = agreed([light, whole])
    assert both is not None
    assert (both.status, both.controls) == (200, 2)
    assert agreed([light, Expectation(tls_ok=False)]) is None


def test_a_page_that_was_fetched_before_is_remembered_over_light_rounds_as_long_as_tls_works() -> None:
    whole = expectation_of(world.healthy("x.com"))
    light = expectation_of(compacted(records.measured(X, *world.healthy("x.com").steps[:-1])))
    assert light.http_ok is None
    assert carried(whole, light).status == 200
    assert carried(whole, expectation_of(world.silent("x.com"))).status is None
