"""Whatever the collector does, every measurement arrives, once after deduplication by its id, and adding goes on."""

import datetime as dt
from pathlib import Path

import msgspec
import pytest
import trio

from probe.catalogue.signatures import Keypair
from probe.wire.measurement import Network
from probe.wire.reports import MOST_MEASUREMENTS, Checkin, Retest
from probe.wire.signed import Lease, Signed
from probe.wire.vocabulary import Outcome
from tests.agent.collector_stand_in import Trouble, stand_in
from tests.agent.spool_building import NOW, reported
from tests.agent.uplink_running import FastClock, opening, until, uplink

LEASE = Lease(issued_at=NOW, expires_at=NOW + dt.timedelta(days=30), country="TR", asn=9121)


async def test_measurements_arrive_in_few_reports(tmp_path: Path) -> None:
    clock = FastClock()
    async with stand_in(now=clock.now) as collector, uplink(tmp_path, collector, clock) as running:
        await running.add(MOST_MEASUREMENTS + 40)
        await running.arrived()
        assert len(collector.seen.reports) < 40
        assert collector.seen.connections == 1
        ages = [item.age for report in collector.reports() for item in report.measurements]
        assert all(age is not None and age >= 0 for age in ages)
        assert all(abs(report.clock_offset or 0.0) < 5.0 for report in collector.reports())


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(kind="status", status=500, on="/reports", times=3),
        Trouble(kind="status", status=503, on="", times=4),
        Trouble(kind="status", status=404, on="", times=3),
        Trouble(kind="cut-at-once", on="/reports", times=3),
        Trouble(kind="cut-half-way", on="/reports", times=3),
        Trouble(kind="cut-after-commit", on="/reports", times=3),
        Trouble(kind="blackhole", on="/reports", times=2),
        Trouble(kind="blackhole", on="", times=2),
    ],
    ids=lambda trouble: f"{trouble.kind}-{trouble.status}-{trouble.on or 'all'}",
)
async def test_every_measurement_arrives_through(trouble: Trouble, tmp_path: Path) -> None:
    clock = FastClock()
    async with stand_in(now=clock.now) as collector:
        collector.trouble = trouble
        async with uplink(tmp_path, collector, clock) as running:
            for _ in range(6):
                await running.add(20)
                await clock.sleep(60)
            await until(lambda: collector.trouble is None)
            await running.arrived()
            assert running.uplink.state.failures > 0
            await until(lambda: running.uplink.state.failure is None)


async def test_every_measurement_arrives_after_the_port_was_closed(tmp_path: Path) -> None:
    clock = FastClock()
    async with stand_in(now=clock.now) as collector, uplink(tmp_path, collector, clock) as running:
        await running.add(5)
        await running.arrived()
        collector.close_port()
        await running.add(200)
        await until(lambda: running.uplink.state.failures >= 3)
        assert running.uplink.state.state == "out of touch"
        assert "connection refused" in (running.uplink.state.failure or "")
        assert running.spool.stats().measurements == 200
        await collector.open_port()
        await running.arrived()


async def test_adding_never_waits_for_a_collector_that_does_not_answer(tmp_path: Path) -> None:
    clock = FastClock()
    async with stand_in(now=clock.now) as collector, uplink(tmp_path, collector, clock) as running:
        await until(lambda: collector.seen.count("/api/v1/checkin", 200) > 0)
        collector.trouble = Trouble(kind="blackhole")
        for _ in range(3):
            await running.add(30)
            await trio.sleep(0.3)
        assert running.spool.stats().measurements == 90
        collector.trouble = None
        await running.arrived()


async def test_retry_after_is_kept_to_and_check_ins_go_on_meanwhile(tmp_path: Path) -> None:
    clock = FastClock(1000.0)
    async with stand_in(now=clock.now) as collector:
        collector.trouble = Trouble(kind="status", status=429, on="/reports", times=1, retry_after="1800")
        async with uplink(tmp_path, collector, clock) as running:
            await running.add(3)
            await running.arrived()
        came = [
            at for at, asked in zip(collector.seen.moments, collector.seen.requests, strict=True) if "rep" in asked[1]
        ]
        assert (came[1] - came[0]).total_seconds() >= 1800
        between = [at for at in collector.seen.moments if came[0] < at < came[1]]
        assert len(between) > 10


async def test_what_is_malformed_is_set_aside_and_tried_again_with_another_version(tmp_path: Path) -> None:
    clock = FastClock()
    async with stand_in(now=clock.now) as collector:
        collector.trouble = Trouble(kind="status", status=422, on="/reports", times=1, path="$.measurements[3].of")
        async with uplink(tmp_path, collector, clock) as running:
            await running.add(10)
            await until(lambda: running.spool.stats().set_aside == 1)
            await running.add(10)
            await until(lambda: len(collector.seen.measurements) + running.spool.stats().measurements == 20)
            await clock.sleep(600)
            assert running.spool.stats().set_aside == 1
            assert collector.seen.count("/api/v1/reports", 422) == 1
            collector.checkin = msgspec.structs.replace(collector.checkin, collector_version="2")
            await running.arrived()


async def test_a_collector_that_refuses_every_report_costs_none_of_them(tmp_path: Path) -> None:
    clock = FastClock()
    async with stand_in(now=clock.now) as collector:
        collector.trouble = Trouble(kind="status", status=400, on="/reports")
        async with uplink(tmp_path, collector, clock) as running:
            for _ in range(20):
                await running.add(10)
                await clock.sleep(60)
            await until(lambda: running.uplink.state.state == "held back")
            collector.trouble = None
            collector.checkin = msgspec.structs.replace(collector.checkin, collector_version="2")
            await running.arrived()


async def test_a_report_at_which_the_collector_always_fails_does_not_hold_up_the_others(tmp_path: Path) -> None:
    clock = FastClock()
    async with stand_in(now=clock.now) as collector, uplink(tmp_path, collector, clock) as running:
        bad = reported(Outcome.BLOCKED)
        collector.poison = bad.measurement.id
        await running.put(bad)
        await until(lambda: collector.seen.count("/api/v1/reports", 500) > 0)
        await running.add(20)
        await until(lambda: running.spool.stats().set_aside == 1)
        await until(lambda: len(collector.seen.measurements) + running.spool.stats().measurements == 21)
        assert collector.poison not in collector.seen.measurements
        assert collector.seen.measurements


async def test_a_revoked_probe_stops_uploading_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    clock = FastClock(2000.0)
    async with stand_in(now=clock.now) as collector, uplink(tmp_path, collector, clock) as running:
        await until(lambda: running.uplink.state.state == "in touch")
        collector.revoked = True
        await running.add(5)
        await until(lambda: running.uplink.state.state.startswith("refused"))
        asked = len(collector.seen.requests)
        await running.add(5)
        await clock.sleep(1800)
        assert len(collector.seen.requests) - asked <= 1
        assert running.spool.stats().measurements == 10
        collector.revoked = False  # an operator's mistake, mended
        await running.arrived()


async def test_nothing_is_uploaded_beyond_the_budget(tmp_path: Path) -> None:
    clock, asked = FastClock(), list[int]()
    allowed = False

    def may_spend(size: int) -> bool:
        asked.append(size)
        return allowed

    async with stand_in(now=clock.now) as collector, uplink(tmp_path, collector, clock, may_spend=may_spend) as running:
        await running.add(10)
        await until(lambda: len(asked) > 2)
        assert collector.seen.count("/api/v1/reports") == 0
        assert running.uplink.state.state == "waiting for the data budget"
        allowed = True
        await running.arrived()


async def test_interference_leaves_before_the_healthy_results_of_a_minute_are_gathered(tmp_path: Path) -> None:
    clock = FastClock(100.0)
    async with stand_in(now=clock.now) as collector, uplink(tmp_path, collector, clock, gather=3600.0) as running:
        await until(lambda: running.uplink.state.state == "in touch")
        began = clock.monotonic()
        await running.add(3)
        await running.add(1, Outcome.BLOCKED)
        await running.arrived()
        assert clock.monotonic() - began < 1800


async def test_a_measurement_carries_the_lease_that_held(tmp_path: Path) -> None:
    clock = FastClock()
    async with stand_in(now=clock.now) as collector:
        collector.lease = LEASE
        async with uplink(tmp_path, collector, clock) as running:
            await until(lambda: running.leases.held() is not None)
            held = running.leases.held()
            assert held is not None
            assert held.lease == LEASE
            await running.add(1, lease=held.key)
            running.attached = frozenset({"elsewhere"})
            assert running.leases.held() is None
            await running.add(1)
            await running.arrived()
        kept = {item.lease: report for report in collector.reports() for item in report.measurements}
        assert kept.keys() == {held.key, None}
        assert kept[held.key].leases == {held.key: held.signed}


async def test_a_lease_that_another_key_signed_is_told_once_and_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FastClock()
    async with stand_in(now=clock.now) as collector:
        collector.lease, collector.trouble = LEASE, Trouble(kind="forged-lease", on="/checkin")
        async with uplink(tmp_path, collector, clock) as running:
            await until(lambda: collector.seen.count("/api/v1/checkin") > 3)
            assert running.leases.held() is None
            assert [line for line in caplog.messages if "the collector's lease is not used" in line] == caplog.messages
            assert len(caplog.messages) == 1
            collector.trouble = None
            await until(lambda: running.leases.held() is not None)


async def test_a_lease_may_be_signed_with_a_key_that_came_with_it(tmp_path: Path) -> None:
    clock, keys = FastClock(), list[Keypair]()

    def opened(signed: Signed) -> Lease:
        return opening(keys[0] if keys else Keypair.generate())(signed)

    async with stand_in(now=clock.now) as collector:

        async def fetched(_: Checkin) -> None:
            keys.append(collector.key)

        collector.lease = LEASE
        async with uplink(tmp_path, collector, clock, checked_in=fetched, opened=opened, every=3600.0) as running:
            await until(lambda: running.leases.held() is not None)
        assert collector.seen.count("/api/v1/checkin") == 1


async def test_retests_are_handed_on_once(tmp_path: Path) -> None:
    clock = FastClock()
    wishes = [Retest(id=str(n), platform="x", service="web", until=NOW + dt.timedelta(days=1)) for n in range(2)]
    async with stand_in(now=clock.now) as collector:
        collector.checkin = msgspec.structs.replace(collector.checkin, retests=(wishes[0],))
        collector.retests = (wishes[1],)
        async with uplink(tmp_path, collector, clock) as running:
            await running.add(1)
            await running.arrived()
            await clock.sleep(600)
            assert [running.wanted.receive_nowait() for _ in wishes] == wishes
            with pytest.raises(trio.WouldBlock):
                running.wanted.receive_nowait()


async def test_the_next_address_of_the_collector_is_tried_and_kept_to(tmp_path: Path) -> None:
    clock = FastClock()
    async with stand_in(now=clock.now) as collector, stand_in(now=clock.now) as dead:
        dead.close_port()
        bases = (dead.url, collector.url)
        async with uplink(tmp_path, collector, clock, bases=bases, network=lambda: Network(asn=9121)) as running:
            await running.add(3)
            await running.arrived()
            assert running.uplink.state.collector == collector.url
        assert all("asn=9121" in path for _, path, _ in collector.seen.requests if "checkin" in path)
