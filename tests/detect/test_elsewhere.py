"""A fault of the platform is told apart from one country's block, and from two countries' at once."""

import random

import pytest

from probe.detect.elsewhere import Elsewhere, Word
from probe.detect.votes import CONTROL, REACHABILITY, Cell
from tests.detect.worlds import (
    DAY,
    HOUR,
    MINUTE,
    ROUND,
    START,
    STRICT,
    Block,
    Network,
    confirmed,
    incidents,
    seen,
    series,
    votes_of,
)

CALM = "." * 12
BEGAN = START + 12 * ROUND
NOW = BEGAN + 3 * ROUND
FIRST = {"BB": 100, "CC": 101, "DD": 102, "": 300}


def word(here: tuple[int, int] = (6, 0), now: float = NOW, **places: list[str]) -> Word:
    """Each country's witnesses, after an hour in which all worked; those of `controls` have no country."""
    votes = []
    for place, marks in places.items():
        country = "" if place == "controls" else place
        for number, outcomes in enumerate(marks):
            cell = Cell(country or "NL", FIRST[country] + number, "x", "web", REACHABILITY if country else CONTROL)
            told = series(CALM + outcomes, f"{place}-{number}", START + 30 + number, country=cell.country, asn=cell.asn)
            votes.append((cell, told))
    return Elsewhere("AA", REACHABILITY, votes).word(BEGAN, BEGAN, now, here)


def test_another_country_that_blocks_it_too_is_one_voice_however_many_measure_there() -> None:
    assert word(BB=["xxx"] * 20, controls=["...", "..."]) is Word.WORKS
    assert word(BB=["xxx"] * 20, controls=["..."]) is Word.WORKS
    assert word(BB=["xxx"] * 20, CC=["..."] * 2) is Word.SILENT


def test_it_is_everywhere_only_where_the_controls_say_so() -> None:
    assert word(BB=["xxx"] * 3, CC=["xxx"] * 3, DD=["xxx"], controls=["..."]) is not Word.FAILS
    assert word(controls=["xxx", "xxx"]) is Word.FAILS
    assert word(controls=["xxx", "..."]) is Word.SILENT
    assert word(controls=["xxx", "xxx"], BB=["..."], CC=["..."]) is Word.SILENT


def test_controls_that_are_still_to_report_are_waited_for() -> None:
    assert word(BB=["xxx"], CC=["xxx"], controls=["", ""]) is Word.SILENT
    assert word(BB=["x" * 9], CC=["x" * 9], controls=["", ""], now=NOW + HOUR / 2) is Word.FAILS


def test_without_controls_it_takes_two_other_countries() -> None:
    assert word(BB=["xxx", "xxx", "xxx"]) is Word.SILENT
    assert word(BB=["xxx"], CC=["xxx"]) is Word.FAILS
    assert word(BB=["xxx"], CC=["xxx"], DD=["..."]) is not Word.FAILS
    assert word(BB=["..."], CC=["..."]) is Word.WORKS


def test_one_control_must_say_it_twice_unless_a_country_says_it_too() -> None:
    soon = BEGAN + ROUND
    assert word(controls=["x"], now=soon) is Word.SILENT
    assert word(controls=["x"], BB=["x"], now=soon) is Word.FAILS


@pytest.mark.parametrize("later", [1, 9, 25])
@pytest.mark.parametrize("probes", [3, 8])
def test_two_countries_that_block_it_minutes_apart_are_two_restrictions(probes: int, later: int) -> None:
    begin = START + 26 * HOUR
    blocks = [Block(begin, begin + DAY, (100,), ("x",)), Block(begin + later * MINUTE, begin + DAY, (200,), ("x",))]
    controls = [Network(400 + n, 1, "NL", control=True) for n in range(2)]
    networks = [Network(100, probes, "BB"), Network(200, 3, "AA"), *controls]
    span = (begin - 6 * HOUR, begin + 2 * HOUR)
    past = seen(votes_of(random.Random(4), networks, ["x", "y", "z", "w"], span, blocks, noise=0.0), STRICT)
    assert {(r.country, r.state) for r in confirmed(past)} == {("AA", "confirmed"), ("BB", "confirmed")}
    assert incidents(past, "platform-outage") == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_platform_down_everywhere_is_no_restriction_though_controls_see_it_later(seed: int) -> None:
    """Every control begins its rounds up to five minutes after the first of the probes."""
    begin = START + 26 * HOUR
    controls = [Network(400 + n, 1, "NL", control=True) for n in range(2)]
    networks = [Network(100, 8, "BB"), Network(200, 3, "AA"), *controls]
    span, blocks = (begin - 6 * HOUR, begin + 2 * HOUR), [Block(begin, begin + HOUR, (), ("x",), "tls-drop")]
    past = seen(votes_of(random.Random(seed), networks, ["x", "y", "z", "w"], span, blocks, noise=0.0), STRICT)
    assert confirmed(past) == []
    assert len(incidents(past, "platform-outage")) == 1
