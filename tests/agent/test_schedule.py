"""What a round tests, in what order and when."""

import random
from collections import Counter
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.agent.rounds import until_next
from probe.agent.schedule import Plan, Rhythm
from probe.agent.schedule_layout import Visit, laid_out
from probe.agent.schedule_memory import groups_of, measurable, sampled
from probe.catalogue.model import Service
from probe.wire.vocabulary import Outcome

from .schedule_days import HOUR, SHIPPED, Simulation

SERVICES = [(platform.id, service) for platform in SHIPPED.platforms for service in platform.services]
VISITS = [Visit(platform=p, service=s, endpoints=measurable(s)) for p, s in SERVICES]


@given(st.integers(1, len(VISITS)), st.floats(60, 3600), st.integers(0, 1000))
def test_endpoints_are_never_bunched(count: int, seconds: float, seed: int) -> None:
    turns = laid_out(VISITS[:count], seconds, random.Random(seed))
    times = [turn.at for turn in turns]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] < seconds
    fair = seconds / len(times)
    assert all(b - a >= 0.4 * fair for a, b in pairwise(times))
    assert all(b - a <= 1.5 * fair for a, b in pairwise(times))


@given(st.integers(0, 1000))
def test_the_endpoints_of_a_service_are_adjacent_and_services_come_in_random_order(seed: int) -> None:
    turns = laid_out(VISITS, 300, random.Random(seed))
    order = [key for key, _ in groupby(turns, key=lambda turn: turn.visit.key)]
    assert len(order) == len(set(order)) == len(VISITS)
    assert order != [visit.key for visit in VISITS]


def test_over_a_simulated_day_endpoints_are_never_bunched() -> None:
    day = Simulation(100_000_000).run()
    for plan in day.plans:
        times = [turn.at for turn in plan.turns]
        fair = plan.seconds / len(times)
        assert min(b - a for a, b in pairwise(times)) >= 0.4 * fair
    assert max(Counter(int(at // 10) for at in day.began[500:]).values()) <= 8


@pytest.mark.parametrize(
    ("platform", "id"), [("whatsapp", "messaging"), ("telegram", "messaging"), ("wikipedia", "web")]
)
def test_a_sample_rotates_whole_groups_until_all_had_their_turn(platform: str, id: str) -> None:
    service = _service(platform, id)
    assert service.sample is not None
    groups, turn, seen = groups_of(measurable(service)), 0, Counter[str]()
    for _ in range(len(groups)):
        endpoints, turn = sampled(service, turn, service.sample)
        urls = {endpoint.url for endpoint in endpoints}
        whole = [group for group in groups if urls & {endpoint.url for endpoint in group}]
        assert sum(map(len, whole)) == len(urls), "alternatives stay together"
        assert len(endpoints) <= max(service.sample, *map(len, groups))
        seen.update(urls)
    assert set(seen) == {endpoint.url for endpoint in measurable(service)}
    assert max(seen.values()) - min(seen.values()) <= 1


def test_what_fails_is_tested_whole() -> None:
    simulation = Simulation(0, outcomes=lambda key, _: _blocked(key, "whatsapp.messaging"))
    simulation.round()
    plan = simulation.round()
    assert _tested(plan, "whatsapp.messaging") == len(measurable(_service("whatsapp", "messaging")))


def test_what_changed_comes_in_every_round_with_its_platform_however_small_the_budget() -> None:
    def outcomes(key: str, at: float) -> Outcome:
        return Outcome.BLOCKED if key == "x.web" and at > 2 * HOUR else Outcome.OK

    simulation = Simulation(100_000_000, outcomes=outcomes)
    while simulation.memory.of("x.web").outcome is not Outcome.BLOCKED:
        simulation.round()
    own = {f"x.{service.id}" for service in _platform_services("x")}
    for _ in range(8):
        assert own <= {turn.visit.key for turn in simulation.round().turns}


def test_a_void_changes_nothing_that_is_remembered() -> None:
    simulation = Simulation(0, outcomes=lambda _, at: Outcome.VOID if at > 600 else Outcome.OK)
    simulation.run(hours=1)
    assert {remembered.outcome for remembered in simulation.memory.services.values()} == {Outcome.OK}


def test_deep_tests_and_pages_are_spread_over_their_periods() -> None:
    day = Simulation(0, rhythm=Rhythm(deep_every=6 * HOUR, page_every=6)).run(hours=12)
    deep = [sum(turn.visit.mode == "deep" for turn in plan.turns) for plan in day.plans]
    pages = [sum(turn.visit.mode == "default" for turn in plan.turns) for plan in day.plans]
    total = sum(len(measurable(service)) for _, service in SERVICES)
    assert sum(deep) == pytest.approx(2 * total, rel=0.1)
    assert max(deep) < 0.15 * total
    assert max(pages) < 0.5 * total


def test_every_service_is_tested_deeply_now_and_then_though_the_budget_binds() -> None:
    simulation = Simulation(100_000_000)
    day = simulation.run(hours=48)
    deep = Counter(turn.visit.key for plan in day.plans for turn in plan.turns if turn.visit.mode == "deep")
    assert len(deep) > 0.6 * len(SERVICES)


def test_a_round_is_resumed_where_the_last_one_was_cut_short() -> None:
    """What was planned and not done is what was longest untested."""
    simulation = Simulation(100_000_000)
    simulation.run(hours=2)
    planned = {turn.visit.key for turn in simulation.planner.plan(simulation.clock.now()).turns}
    again = {turn.visit.key for turn in simulation.planner.plan(simulation.clock.now()).turns}
    assert len(planned & again) > 0.7 * len(planned)


def test_only_what_the_owner_allows_is_planned_or_tested_on_request() -> None:
    simulation = Simulation(0, platforms=("x", "telegram"))
    assert {turn.visit.platform for turn in simulation.round().turns} == {"x", "telegram"}
    assert simulation.planner.whole("facebook.web") is None
    assert simulation.planner.whole("x.nothing") is None
    whole = simulation.planner.whole("telegram.messaging", "wish")
    assert whole is not None
    assert (whole.mode, whole.retest, len(whole.endpoints)) == ("deep", "wish", 12)


@pytest.mark.parametrize(
    ("took", "pause"),
    [(0.0, 300.0), (255.0, 45.0), (300.0, 0.0), (361.0, 0.0), (599.0, 0.0)],
)
def test_after_an_overlong_round_the_next_one_begins_at_once(took: float, pause: float) -> None:
    assert until_next(took, 300.0) == pytest.approx(pause)


def _blocked(key: str, *blocked: str) -> Outcome:
    return Outcome.BLOCKED if key in blocked else Outcome.OK


def _platform_services(id: str) -> tuple[Service, ...]:
    platform = SHIPPED.platform(id)
    assert platform is not None
    return platform.services


def _service(platform: str, id: str) -> Service:
    return next(service for service in _platform_services(platform) if service.id == id)


def _tested(plan: Plan, key: str) -> int:
    return sum(turn.visit.key == key for turn in plan.turns)
