"""Delays spread probes over time, grow, and keep to what the collector asks for."""

import random

from probe.agent.uplink_pace import Backoff, jittered


def drawn(failures: int, retry_after: float | None = None, draws: int = 300) -> list[float]:
    """Delays after so many failures, of as many probes."""
    delays = []
    for seed in range(draws):
        backoff = Backoff(random.Random(seed))
        for _ in range(failures - 1):
            backoff.delay()
        delays.append(backoff.delay(retry_after))
    return delays


def test_delays_grow_to_minutes_and_no_further_and_use_the_whole_range() -> None:
    for failures, bound in ((1, 5.0), (3, 20.0), (7, 300.0), (1000, 300.0)):
        delays = drawn(failures)
        assert max(delays) <= bound
        assert max(delays) > 0.9 * bound
        assert min(delays) < 0.1 * bound


def test_what_the_collector_asks_for_is_the_least() -> None:
    delays = drawn(9, retry_after=120.0)
    assert min(delays) >= 120.0
    assert max(delays) <= 150.0
    assert len({round(delay) for delay in delays}) > 10


def test_a_success_begins_anew() -> None:
    backoff = Backoff(random.Random(1))
    for _ in range(20):
        backoff.delay()
    backoff.reset()
    assert backoff.delay() <= 5.0


def test_intervals_stay_near_what_they_are_meant_to_be() -> None:
    intervals = [jittered(60.0, random.Random(seed)) for seed in range(300)]
    assert 48.0 <= min(intervals) < 50.0
    assert 70.0 < max(intervals) <= 72.0
