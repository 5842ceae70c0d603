"""The first round of somebody who waits for it: quick, within the budget, and once."""

from itertools import pairwise

from probe.agent.schedule import Rhythm
from tests.agent.schedule_days import HOUR, SHIPPED, Simulation

QUICK = Rhythm(first_round=40.0)


def test_a_first_round_is_quick_and_no_more_bunched_than_it_must_be() -> None:
    first = Simulation(100_000_000, rhythm=QUICK).round()
    times = [turn.at for turn in first.turns]
    assert len({turn.visit.key for turn in first.turns}) > 100, "of every service something"
    assert times[-1] < 40.0
    assert min(b - a for a, b in pairwise(times)) >= 0.4 * 40.0 / len(times)
    assert first.seconds == 300.0, "the next one begins when it would have begun"


def test_few_platforms_are_not_stretched_over_all_of_the_time() -> None:
    first = Simulation(0, rhythm=QUICK, platforms=("signal",)).round()
    assert first.turns[-1].at < 0.5 * len(first.turns)


def test_later_rounds_take_their_time() -> None:
    simulation = Simulation(100_000_000, rhythm=QUICK)
    simulation.round()
    assert all(simulation.round().turns[-1].at > 200.0 for _ in range(3))


def test_a_first_round_is_as_any_other_where_nobody_asked_for_more() -> None:
    assert Simulation(100_000_000).round().turns[-1].at > 200.0


def test_a_quick_round_costs_no_more_than_the_budget_allows() -> None:
    quick, usual = (Simulation(10_000_000, rhythm=rhythm).round() for rhythm in (QUICK, Rhythm()))
    assert quick.cost == usual.cost
    assert 0 < len(quick.turns) < len(SHIPPED.endpoints()) / 2


def test_after_a_restart_what_was_tested_within_the_hour_is_no_reason_to_hurry() -> None:
    before, soon, late = (Simulation(0, rhythm=QUICK) for _ in range(3))
    before.round()
    for again, hours in ((soon, 0.5), (late, 2.0)):
        again.memory.services.update(before.memory.services)
        again.clock.at = before.clock.at + hours * HOUR
    assert soon.round().turns[-1].at > 200.0
    assert late.round().turns[-1].at < 40.0
