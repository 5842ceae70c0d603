"""What the spool promises: durable, bounded, the same report however often it is sent."""

import os
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from probe.agent.spool import LEAST, Spool
from probe.agent.spool_batch import Batch
from probe.agent.uplink_reports import compressed
from probe.wire.measurement import Network
from probe.wire.reports import MOST_COMPRESSED, MOST_MEASUREMENTS, Report, Reported
from probe.wire.signed import Signed
from probe.wire.vocabulary import Outcome
from tests.agent.spool_building import AGENT, NOW, folder_in_memory, reported

LEASE = Signed(payload="{}", key="0123456789abcdef", signature="c2lnbmF0dXJl")


@pytest.fixture
def path() -> Iterator[Path]:
    with folder_in_memory() as folder:
        yield folder / "spool.sqlite3"


def batch(spool: Spool, monotonic: float = 100.0) -> Batch | None:
    return spool.batch(AGENT, now=NOW, monotonic=monotonic)


def one(spool: Spool, monotonic: float = 100.0) -> Report:
    found = batch(spool, monotonic)
    assert found is not None
    return found.report()


def ids(report: Report) -> list[str]:
    return [reported.measurement.id for reported in report.measurements]


def filled(spool: Spool, count: int, outcome: Outcome = Outcome.OK) -> list[Reported]:
    added = [reported(outcome, host=f"{n}.example.net") for n in range(count)]
    for item in added:
        spool.add(item, monotonic=90.0)
    return added


def test_measurements_come_back_as_they_went_in_oldest_first(path: Path) -> None:
    spool = Spool.open(path)
    added = filled(spool, 200)  # enough for a dictionary, so packed with it and without
    got = one(spool).measurements
    assert [item.measurement for item in got] == [item.measurement for item in added]
    assert [item.verdict for item in got] == [item.verdict for item in added]
    spool.close()


def test_a_report_keeps_its_id_and_members_over_restarts_until_it_is_acknowledged(path: Path) -> None:
    spool = Spool.open(path)
    filled(spool, 3)
    first = one(spool)
    filled(spool, 3)
    assert one(spool) == first
    spool.close()
    spool = Spool.open(path)
    again = one(spool)
    assert (again.report_id, ids(again)) == (first.report_id, ids(first))
    spool.acknowledge(first.report_id)
    second = one(spool)
    assert second.report_id != first.report_id
    assert len(second.measurements) == 3
    spool.acknowledge(second.report_id)
    assert batch(spool) is None
    assert spool.stats().measurements == 0
    spool.close()


def test_an_age_is_told_only_by_the_clock_that_took_it(path: Path) -> None:
    spool = Spool.open(path, session="this boot")
    spool.add(reported(), monotonic=90.0)
    assert [item.age for item in one(spool, monotonic=102.5).measurements] == [12.5]
    assert [item.age for item in one(spool, monotonic=160.0).measurements] == [70.0]
    spool.close()
    spool = Spool.open(path, session="this boot")
    assert [item.age for item in one(spool, monotonic=161.0).measurements] == [71.0]
    spool.close()
    spool = Spool.open(path)
    assert [item.age for item in one(spool, monotonic=161.0).measurements] == [None]
    spool.close()


def test_a_report_brings_the_leases_that_its_measurements_name_and_no_other(path: Path) -> None:
    spool = Spool.open(path)
    for key in ("aaa", "bbb", "ccc"):
        spool.keep_lease(key, LEASE)
    spool.add(reported(lease="bbb"), monotonic=0.0)
    spool.add(reported(), monotonic=0.0)
    report = one(spool)
    assert report.leases == {"bbb": LEASE}
    assert [item.lease for item in report.measurements] == ["bbb", None]
    spool.close()


def test_leases_that_nothing_needs_do_not_pile_up(path: Path) -> None:
    spool = Spool.open(path)
    for number in range(200):
        spool.keep_lease(f"lease {number}", LEASE)
        spool.add(reported(lease=f"lease {number}"), monotonic=0.0)
        assert one(spool).leases == {f"lease {number}": LEASE}
        spool.acknowledge(one(spool).report_id)
    spool.close()
    assert sqlite3.connect(path).execute("SELECT count(*) FROM leases").fetchone()[0] < 20


def test_no_report_is_larger_than_a_collector_takes(path: Path) -> None:
    spool = Spool.open(path)
    for size in (100, 30_000, 60_000):
        for _ in range(20):
            spool.add(reported(Outcome.BLOCKED, body=os.urandom(size)), monotonic=0.0)
    filled(spool, MOST_MEASUREMENTS + 20)
    seen = 0
    while (found := batch(spool)) is not None:
        assert 0 < found.measurements <= MOST_MEASUREMENTS
        assert found.body().size < MOST_COMPRESSED  # even before compression, as bodies are all of it
        seen += found.measurements
        spool.acknowledge(found.report_id)
    assert seen == 60 + MOST_MEASUREMENTS + 20
    spool.close()


def test_a_report_is_as_long_as_it_says_before_it_is_put_together(path: Path) -> None:
    spool = Spool.open(path, session="this boot")
    filled(spool, 3)
    spool.add(reported(lease="aaa"), monotonic=200.0)
    spool.keep_lease("aaa", LEASE)
    found = batch(spool)
    assert found is not None
    for body in (found.body(), found.body(Network(asn=9121), -0.25)):
        pieces = list(body.pieces)
        assert (len(pieces), len(b"".join(pieces))) == (6, body.size), "a measurement at a time"
    packed = compressed(found.body())
    assert zstandard.frame_content_size(packed) == found.body().size
    assert zstandard.ZstdDecompressor().decompress(packed) == b"".join(found.body().pieces)
    spool.close()


def test_a_measurement_too_large_for_any_report_loses_bodies_and_keeps_its_facts(path: Path) -> None:
    spool = Spool.open(path)
    big = reported(Outcome.BLOCKED, body=os.urandom(2 << 20))
    spool.add(big, monotonic=0.0)
    (kept,) = one(spool).measurements
    assert kept.verdict == big.verdict
    assert [step.t for step in kept.measurement.steps] == [step.t for step in big.measurement.steps]
    page = kept.measurement.steps[-1]
    assert (page.body_length, len(page.body)) == (2 << 20, 16 << 10)  # type: ignore[union-attr]
    spool.close()


def test_a_full_spool_drops_the_oldest_healthy_results_first_and_says_how_many(path: Path) -> None:
    spool = Spool.open(path, LEAST)
    blocked = filled(spool, 40, Outcome.BLOCKED)
    healthy = filled(spool, 4000)
    stats = spool.stats()
    assert stats.dropped > 100
    assert stats.measurements == 4040 - stats.dropped
    kept, dropped = [], 0
    while (found := batch(spool)) is not None:
        report = found.report()
        kept += ids(report)
        dropped += report.dropped
        spool.acknowledge(report.report_id)
    assert kept == [item.measurement.id for item in [*blocked, *healthy[stats.dropped :]]]
    assert dropped == stats.dropped
    spool.close()


def test_blocked_results_go_only_where_nothing_else_is_left(path: Path) -> None:
    spool = Spool.open(path, LEAST)
    filled(spool, 200, Outcome.OK)
    filled(spool, 200, Outcome.INCONCLUSIVE)
    blocked = filled(spool, 3000, Outcome.BLOCKED)
    dropped = spool.stats().dropped
    assert dropped > 400
    first = one(spool)
    assert ids(first)[0] == blocked[dropped - 400].measurement.id
    spool.close()


def test_the_files_never_take_more_than_the_limit(path: Path) -> None:
    limit, chance = 2_000_000, random.Random(4)
    spool = Spool.open(path, limit)
    most = 0
    for number in range(1500):
        body = chance.randbytes(chance.choice((0, 0, 300, 60_000)))
        spool.add(reported(Outcome.BLOCKED if number % 3 else Outcome.OK, body=body), monotonic=0.0)
        if number % 400 == 399 and (found := batch(spool)) is not None:
            spool.acknowledge(found.report_id)
        most = max(most, sum(file.stat().st_size for file in path.parent.iterdir()))
    assert limit / 2 < most <= limit
    spool.close()


def test_what_was_delivered_gives_its_room_back_to_the_disk(path: Path) -> None:
    spool = Spool.open(path, 4_000_000)
    filled(spool, 5000)
    full = path.stat().st_size
    while (found := batch(spool)) is not None:
        spool.acknowledge(found.report_id)
    spool.close()
    assert path.stat().st_size < full / 2


def test_what_is_set_aside_comes_again_with_another_version_of_the_collector(path: Path) -> None:
    spool = Spool.open(path)
    filled(spool, 2)
    bad = one(spool)
    spool.set_aside(bad.report_id, "422: of must be positive", "1.0")
    filled(spool, 2)
    good = one(spool)
    assert good.report_id != bad.report_id
    spool.acknowledge(good.report_id)
    assert batch(spool) is None
    assert spool.stats().set_aside == 1
    spool.close()
    spool = Spool.open(path)
    assert spool.restore_set_aside("1.0") == 0
    assert batch(spool) is None
    assert spool.restore_set_aside("1.1") == 1
    assert ids(one(spool)) == ids(bad)
    assert one(spool).report_id == bad.report_id
    spool.close()


def test_set_aside_reports_are_bounded_by_the_limit_too(path: Path) -> None:
    spool = Spool.open(path, LEAST)
    for _ in range(20):
        filled(spool, 150)
        while (found := batch(spool)) is not None:
            spool.set_aside(found.report_id, "422", "1.0")
    stats = spool.stats()
    assert stats.dropped > 0
    assert stats.measurements + stats.dropped == 20 * 150
    assert stats.bytes <= LEAST
    spool.close()


def test_the_file_is_its_owners_alone(path: Path) -> None:
    spool = Spool.open(path)
    filled(spool, 1)
    assert {oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()} == {"0o600"}
    spool.close()
