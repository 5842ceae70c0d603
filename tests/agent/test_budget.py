"""The data budget: never exceeded, well used where it binds, and not forgotten."""

import datetime as dt
import itertools
import zlib
from pathlib import Path

import pytest

from probe.agent.budget import Budget
from probe.wire.vocabulary import Outcome

from .schedule_days import DAY, HOUR, SetClock, Simulation

MB = 1_000_000


@pytest.mark.parametrize("limit", [5 * MB, 20 * MB, 100 * MB])
def test_no_24_hours_ever_exceed_the_budget_and_most_of_it_is_used_where_it_binds(limit: int) -> None:
    day = Simulation(limit).run(hours=50)
    assert day.worst_window() <= limit
    assert sum(cost for at, cost in day.spent if DAY <= at < 2 * DAY) >= 0.8 * limit
    assert sum(cost for at, cost in day.spent if at < DAY) >= 0.8 * limit


def test_the_shipped_catalogue_keeps_its_five_minutes_within_the_default_budget() -> None:
    day = Simulation(100 * MB).run()
    assert {plan.seconds for plan in day.plans} == {300.0}
    assert len(day.plans) == 288
    longest = {key: max(b - a for a, b in itertools.pairwise(at)) for key, at in day.tested.items()}
    assert len(longest) == 151
    assert max(longest.values()) <= 1800.0, "every service is tested again within half an hour"


def test_where_hosts_cost_twice_as_much_fewer_are_tested_and_nothing_is_exceeded() -> None:
    usual, dear = Simulation(100 * MB).run(), Simulation(100 * MB, dearer=2.0).run()
    assert dear.worst_window() <= 100 * MB
    assert len(dear.began) < 0.7 * len(usual.began)


def test_without_a_budget_every_service_is_tested_in_every_round() -> None:
    day = Simulation(0).run(hours=2)
    assert all(len({turn.visit.key for turn in plan.turns}) == 151 for plan in day.plans)
    assert day.modes["default"] > 0
    assert day.modes["deep"] > 0


def test_a_small_budget_stretches_the_interval_rather_than_stop() -> None:
    day = Simulation(10 * MB).run()
    assert {plan.seconds for plan in day.plans} != {300.0}
    assert max(plan.seconds for plan in day.plans) <= HOUR
    assert all(plan.turns for plan in day.plans)


def test_a_country_where_half_of_all_services_are_blocked_stays_within_the_budget() -> None:
    def outcomes(key: str, at: float) -> Outcome:
        return Outcome.BLOCKED if zlib.crc32(key.encode()) % 2 and at > 6 * HOUR else Outcome.OK

    day = Simulation(100 * MB, outcomes=outcomes).run(hours=48)
    assert day.worst_window() <= 100 * MB


def test_a_backlog_of_reports_shares_the_budget_with_measuring() -> None:
    simulation = Simulation(100 * MB)
    simulation.run(hours=2)
    simulation.backlog = 100 * MB
    measured = len(simulation.day.began)
    simulation.run(hours=12)
    assert simulation.backlog < 85 * MB
    assert len(simulation.day.began) - measured > 144 * 12, "rounds go on meanwhile"
    assert simulation.day.worst_window() <= 100 * MB


def test_what_was_spent_survives_a_restart_and_time_away_fills_the_budget_again(tmp_path: Path) -> None:
    clock, path = SetClock(), tmp_path / "budget.json"
    budget = Budget(100 * MB, clock, path)
    budget.add(1 * MB, 3 * MB)
    budget.save()
    again = Budget(100 * MB, clock, path)
    assert again.left() == pytest.approx(budget.left())
    assert again.used() == 4 * MB
    clock.at += HOUR
    rested = Budget(100 * MB, clock, path)
    assert rested.left() == pytest.approx(budget.left()), "it fills alike, running or not"
    assert rested.left() > again.limit * 0.04


def test_being_killed_over_and_over_gains_nothing_and_leaves_no_lasting_debt(tmp_path: Path) -> None:
    """Each life spends what it may, and is killed before it can say what it really spent."""
    clock, path, spent, rounds = SetClock(), tmp_path / "budget.json", 0, 0
    while clock.at < DAY / 4:
        budget = Budget(100 * MB, clock, path)
        if budget.wait_for(20_000) == 0:
            planned = budget.allowance(300)
            budget.save(ahead=planned)
            spent += int(min(planned, budget.left()))
            rounds += 1
        clock.at += 60
    assert spent <= 100 * MB / 4 + 5 * MB
    assert rounds > 6
    clock.at += 600
    assert Budget(100 * MB, clock, path).wait_for(20_000) == 0


@pytest.mark.parametrize("jump", [dt.timedelta(hours=1), -dt.timedelta(hours=1), dt.timedelta(days=400)])
def test_a_wrong_clock_at_the_restart_cannot_fill_more_than_the_bucket(tmp_path: Path, jump: dt.timedelta) -> None:
    clock, path = SetClock(), tmp_path / "budget.json"
    budget = Budget(100 * MB, clock, path)
    budget.add(5 * MB, 0)
    budget.save()
    clock.wrong = jump
    assert Budget(100 * MB, clock, path).left() <= 5 * MB


def test_a_broken_file_is_as_good_as_none(tmp_path: Path) -> None:
    path = tmp_path / "budget.json"
    path.write_bytes(b'{"at": 5')
    assert Budget(100 * MB, SetClock(), path).left() == 5 * MB


def test_a_smaller_limit_holds_at_once() -> None:
    budget = Budget(100 * MB, SetClock())
    budget.resize(10 * MB)
    assert budget.left() <= 0.6 * MB
