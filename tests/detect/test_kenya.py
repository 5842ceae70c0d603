"""Telegram blocked during exams: what volunteers measured, found by the detector with everything as it is shipped."""

import pytest

from tests.bench.detect_baselines import ioda_drop, ooni_cusum
from tests.detect import kenya
from tests.detect.worlds import confirmed, seen

pytestmark = pytest.mark.skipif(
    not kenya.FOLDER.exists(), reason=f"{kenya.FOLDER.name}: the real data is not there, see tests/detect/kenya.py"
)


def test_the_windows_are_found_and_nothing_else() -> None:
    votes = kenya.rows()
    score = kenya.scored(votes)
    assert score.found >= 22
    assert score.false == 0
    assert score.delay <= 44
    assert score.recovery <= 37
    assert score.once


def test_safaricom_alone_is_found_in_every_window() -> None:
    score = kenya.scored([vote for vote in kenya.rows() if vote.asn == kenya.SAFARICOM])
    assert (score.found, score.false, score.once) == (23, 0, True)


def test_other_networks_of_the_country_raise_nothing() -> None:
    assert {record.asn for record in confirmed(seen(kenya.rows(), kenya.SETTINGS))} == {kenya.SAFARICOM}


def test_the_baselines_do_what_was_published_of_them() -> None:
    pooled = [vote for vote in kenya.rows() if vote.asn == kenya.SAFARICOM]
    ooni = kenya.scored_alarms(pooled, ooni_cusum(pooled))
    ioda = kenya.scored_alarms(pooled, ioda_drop(pooled))
    assert ooni.found < 12 < ioda.found
