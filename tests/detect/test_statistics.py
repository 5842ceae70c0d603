"""The figures behind the decisions: tests, baselines, thresholds, likelihoods, and what is promised of false alarms."""

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.detect.baseline import Baseline
from probe.detect.exact import fisher, median, spread
from probe.detect.fleet import Fleet
from probe.detect.likelihood import CLASSES, NORMAL, RESTRICTED, TABLE, UNKNOWN, class_of, normal_shares
from probe.detect.settings import DAY, Settings
from probe.wire.vocabulary import Technique
from tests.detect import rare
from tests.detect.worlds import START, series

COUNT = st.integers(0, 12)


@given(COUNT, COUNT, COUNT, COUNT)
def test_fisher_is_the_hypergeometric_tail(a: int, b: int, c: int, d: int) -> None:
    row, column, total = a + b, a + c, a + b + c + d
    ways = [math.comb(row, k) * math.comb(total - row, column - k) for k in range(a, min(row, column) + 1)]
    assert fisher(((a, b), (c, d))) == pytest.approx(float(Fraction(sum(ways), math.comb(total, column))), rel=1e-9)


def test_fisher_knows_the_lady_tasting_tea() -> None:
    assert fisher(((3, 1), (1, 3))) == pytest.approx(17 / 70)


def test_the_middle_and_the_spread_ignore_what_lies_far_out() -> None:
    sample = [1.0, 1.1, 0.9, 1.05, 0.95, 40.0, 1.0]
    assert median(sample) == 1.0
    assert spread(sample, 1.0) < 0.1


def test_every_technique_has_a_class_and_both_columns_are_distributions() -> None:
    assert {class_of(technique) for technique in Technique} - {UNKNOWN} == set(range(len(TABLE)))
    assert [technique for technique in Technique if class_of(technique) == UNKNOWN] == [Technique.THROTTLING]
    assert sum(NORMAL) == pytest.approx(1)
    assert sum(RESTRICTED) == pytest.approx(1)
    assert all(row.why for row in TABLE)


def test_the_normal_column_follows_the_controls() -> None:
    votes = series("." * 500 + "x" * 200, technique="tls-interception", role="control")
    assert normal_shares(votes)["interception"] > 0.7
    assert sum(normal_shares(votes).values()) == pytest.approx(1)


def test_a_baseline_starts_at_the_platforms_rate_and_forgets_after_its_days() -> None:
    settings = Settings()
    baseline = Baseline()
    assert baseline.rate(0.02, settings) == pytest.approx(0.02)
    noisy = [0] * CLASSES
    noisy[UNKNOWN] = 200
    baseline.commit(START, 800, noisy, settings)
    assert baseline.rate(0.02, settings) == pytest.approx(200.5 / 1025)
    baseline.commit(START + 15 * DAY, 10_000, None, settings)
    assert baseline.rate(0.02, settings) == settings.rate_range[0]
    noisy[UNKNOWN] = 10_000
    baseline.commit(START + 15 * DAY, 0, noisy, settings)
    assert baseline.rate(0.02, settings) == settings.rate_range[1]


def test_a_technique_that_a_cell_fails_with_anyhow_loses_its_weight() -> None:
    baseline, counts = Baseline(), [0] * CLASSES
    notice = class_of("http-blockpage")
    fresh = baseline.bonus(notice)
    counts[notice] = 100
    baseline.commit(START, 1000, counts, Settings())
    assert baseline.bonus(notice) < 0 < fresh


def test_the_threshold_follows_from_the_fleets_votes_and_what_is_accepted() -> None:
    def threshold(votes: int, accepted: float = 1.0) -> float:
        fleet = Fleet()
        fleet.meet(START, None)
        fleet.tally(int(START // DAY), "x.web")[0] = votes
        return fleet.threshold(int(START // DAY) + 1, Settings(false_alarms_per_year=accepted))

    assert threshold(100_000) - threshold(1_000) == pytest.approx(math.log(100), abs=0.4)
    assert threshold(100_000, 0.01) - threshold(100_000) == pytest.approx(math.log(100))
    assert threshold(1, 100) == Settings().least_threshold


def test_a_national_block_does_not_pass_for_a_platforms_habit() -> None:
    fleet = Fleet()
    fleet.tally(int(START // DAY), "x.web")[1] = 2000
    assert fleet.usual_rate(int(START // DAY) + 1, "x.web", Settings()) == Settings().world_range[1]


@pytest.mark.parametrize(("threshold", "noise"), [(9.0, 0.01), (14.0, 0.05), (19.0, 0.02)])
def test_noise_is_confirmed_no_oftener_than_promised(threshold: float, noise: float) -> None:
    """Seeded, so it cannot fail by chance; four standard errors of the estimate are allowed for."""
    rate = rare.of_one_cell(random.Random(1), threshold, noise, paths=250)
    assert rate.mean - 4 * rate.error > 0
    assert (rate.mean - 4 * rate.error) * math.exp(threshold) <= 0.75


def test_networks_of_a_country_are_not_confirmed_by_their_common_noise() -> None:
    alone = rare.of_one_cell(random.Random(1), 16.0, 0.02, paths=150)
    together = rare.of_a_country(random.Random(1), 16.0, 0.02, paths=60)
    assert together.mean <= alone.mean + 4 * (alone.error + together.error)
