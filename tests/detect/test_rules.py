"""Each rule of detection, on votes written out by hand."""

from typing import Any

import pytest

from probe.detect.votes import Vote
from tests.detect.worlds import HOUR, MINUTE, OPEN, ROUND, START, STRICT, confirmed, incidents, seen, series, vote

CALM = "." * 60
BEGAN = START + 60 * ROUND


def probes(*outcomes: str, technique: str = "sni-reset", **more: Any) -> list[Vote]:
    """One series a probe, a minute and a half apart in phase, each after sixty calm rounds."""
    return [
        voted
        for number, letters in enumerate(outcomes)
        for voted in series(
            CALM + letters,
            f"p{number}",
            START + number * 90,
            technique=technique,
            **more,
        )
    ]


def abroad(rounds: int = 100, failing: range = range(0), **more: Any) -> list[Vote]:
    marks = "".join("x" if number in failing else "." for number in range(rounds))
    return series(marks, "c0", START + 30, country="DE", asn=3320, **more)


def test_two_witnesses_confirm_what_works_elsewhere() -> None:
    past = seen([*probes("x" * 10, "x" * 10), *abroad()], STRICT)
    (found,) = confirmed(past)
    assert (found.state, found.scope, found.extent, found.technique) == ("confirmed", "isp", "full", "sni-reset")
    assert found.onset == BEGAN
    assert found.onset_after == BEGAN - ROUND + 90
    assert found.confirmed_at is not None
    assert found.confirmed_at - BEGAN <= 4 * ROUND
    assert found.evidence.witnesses == ("p0", "p1")
    assert found.evidence.ratio is not None
    assert found.evidence.threshold is not None
    assert found.evidence.ratio >= found.evidence.threshold
    assert {contrast.name for contrast in found.evidence.contrasts} == {"elsewhere"}


def test_one_witness_is_suspected_and_never_more() -> None:
    past = seen([*probes("x" * 200, "." * 200), *abroad(270)], STRICT)
    assert confirmed(past) == []
    alone = seen([*probes("x" * 100), *abroad(170)], STRICT)
    assert [record.state for record in alone.restrictions] == ["suspected"]
    assert [incident.state for incident in alone.incidents] == ["suspected"]


def test_probes_of_one_steward_are_one_witness() -> None:
    votes = probes(*["x" * 30] * 5, witness="steward")
    assert confirmed(seen([*votes, *abroad()], STRICT)) == []
    assert len(confirmed(seen([*votes, *probes(*["x" * 30] * 6)[-90:], *abroad()], STRICT))) == 1


def test_without_a_word_from_elsewhere_nothing_is_confirmed_unless_that_is_allowed() -> None:
    votes = probes("x" * 10, "x" * 10)
    assert confirmed(seen(votes, STRICT)) == []
    (found,) = confirmed(seen(votes, OPEN))
    assert found.evidence.elsewhere == "unknown"


def test_what_fails_elsewhere_too_is_an_outage_of_the_platform() -> None:
    control = abroad(90, range(60, 71), role="control")
    past = seen([*probes("x" * 10 + "." * 10, "x" * 10 + "." * 10), *control], STRICT)
    assert confirmed(past) == []
    (outage,) = incidents(past, "platform-outage")
    assert (outage.country, outage.scope, outage.platforms) == ("", "world", ("x",))


def test_an_ok_from_elsewhere_must_be_newer_than_the_failures() -> None:
    silent = abroad(60)
    assert confirmed(seen([*probes("x" * 10, "x" * 10), *silent], OPEN)) == []


def test_a_control_in_the_same_country_is_elsewhere() -> None:
    control = series("." * 100, "c0", START + 30, country="TR", asn=8517, role="control")
    assert len(confirmed(seen([*probes("x" * 10, "x" * 10), *control], STRICT))) == 1


def test_a_service_never_seen_to_work_is_standing() -> None:
    votes = [*series("x" * 40, "p0", technique="dns-forged"), *series("x" * 40, "p1", START + 90), *abroad()]
    past = seen(votes)
    (stands,) = past.restrictions
    assert (stands.state, stands.onset, stands.onset_before, past.incidents) == ("standing", None, START, [])
    assert stands.technique == "dns-forged"


def test_a_probe_that_never_saw_it_work_says_nothing_of_an_onset() -> None:
    new = series("x" * 10, "new", BEGAN + 45)
    assert confirmed(seen([*probes("x" * 10, " "), *new, *abroad()])) == []


def test_a_probe_that_failed_alone_for_long_says_nothing_of_an_onset() -> None:
    votes = probes("x" * 400, "." * 400, "." * 400)
    later = probes("x" * 400, "." * 395 + "x" * 5, "." * 400)
    assert confirmed(seen([*votes, *abroad(470)])) == confirmed(seen([*later, *abroad(470)])) == []


def test_support_never_confirms() -> None:
    claimed = [*probes("x" * 10), *probes("x" * 10, "x" * 10, confirms=False)[70:]]
    assert confirmed(seen([*claimed, *abroad()])) == []


def test_the_end_needs_two_votes_and_is_dated_by_the_first() -> None:
    past = seen([*probes("x" * 10 + "...", "x" * 10 + "..."), *abroad()])
    (found,) = confirmed(past)
    assert found.state == "ended"
    assert found.ended_at == BEGAN + 10 * ROUND
    assert found.end_confirmed_at == BEGAN + 10 * ROUND + 90
    assert found.last_failed_at == BEGAN + 9 * ROUND + 90


def test_what_opens_again_within_half_an_hour_is_the_same_with_a_gap() -> None:
    short = "x" * 10 + "." * 3 + "x" * 10 + "." * 10
    long = "x" * 10 + "." * 12 + "x" * 10 + "." * 10
    (one,) = confirmed(seen([*probes(short, short), *abroad(120)]))
    assert len(one.segments) == 2
    assert one.segments[1] == (BEGAN + 13 * ROUND, BEGAN + 22 * ROUND + 90)
    assert [len(r.segments) for r in confirmed(seen([*probes(long, long), *abroad(120)]))] == [1, 1]


def test_one_witness_alone_does_not_open_again_what_two_confirmed() -> None:
    back = "x" * 10 + "." * 3
    (over,) = confirmed(seen([*probes(back + "x" * 8, back + "." * 8), *abroad(120)], STRICT))
    assert (over.state, len(over.segments)) == ("ended", 1)
    (again,) = confirmed(seen([*probes(back + "x" * 8, back + ".." + "x" * 6), *abroad(120)], STRICT))
    assert (again.state, len(again.segments)) == ("confirmed", 2)


def test_a_single_false_failure_before_the_block_is_not_its_onset() -> None:
    votes = [*probes(".." + "x" * 10, "x." + "x" * 10, ".." + "x" * 10), *abroad()]
    (found,) = confirmed(seen(votes))
    assert found.onset == BEGAN + 2 * ROUND


def test_some_endpoints_or_some_votes_are_a_partial_restriction() -> None:
    (some,) = confirmed(seen([*probes("p" * 12, "p" * 12), *abroad()]))
    assert some.extent == "partial"
    half = [*probes("x.x.x.xx..x." * 2, ".x.xx.x.x.x." * 2, "xx..x.x.x..x" * 2), *abroad()]
    assert [record.extent for record in confirmed(seen(half))] == ["partial"]


def test_a_changed_technique_is_told_with_its_moment() -> None:
    votes = [*probes("x" * 6, "x" * 6), *probes(" " * 6 + "x" * 6, " " * 6 + "x" * 6, technique="dns-forged")]
    (found,) = confirmed(seen([*votes, *abroad()]))
    assert [technique for _, technique in found.turns] == ["sni-reset", "dns-forged"]
    assert found.turns[1][0] == BEGAN + 6 * ROUND
    assert found.technique == "dns-forged"


def test_lies_of_a_resolver_of_another_operator_are_shown_and_never_raised() -> None:
    votes = [*probes("x" * 20, "x" * 20, "." * 20, technique="dns-forged", resolver_asn=15169), *abroad()]
    past = seen(votes, OPEN)
    assert confirmed(past) == []
    assert {record.state for record in past.restrictions} <= {"standing", "resolver"}


def test_what_the_control_calls_down_confirms_nothing() -> None:
    assert confirmed(seen([*probes("d" * 20, "d" * 20), *abroad()])) == []


def test_a_second_vote_in_a_round_and_a_second_retest_in_a_minute_do_not_count() -> None:
    calm = probes("." * 2, "." * 2)
    flood = [vote(BEGAN + 2 * ROUND + second, "blocked", f"p{n}") for second in range(40) for n in (0, 1)]
    again = [vote(BEGAN + 2 * ROUND + second, "blocked", f"p{n}", retest=True) for second in range(40) for n in (0, 1)]
    assert confirmed(seen([*calm, *flood, *abroad()])) == []
    assert confirmed(seen([*calm, *again, *abroad()])) == []


def test_a_block_page_weighs_more_than_silence_and_a_resolver_in_trouble_less() -> None:
    def minutes(technique: str) -> float:
        (found,) = confirmed(seen([*probes("x" * 12, "x" * 12, technique=technique), *abroad()]))
        assert found.confirmed_at is not None
        return (found.confirmed_at - BEGAN) / MINUTE

    assert minutes("http-blockpage") <= minutes("ip-drop") < minutes("dns-servfail")


def test_probes_that_fail_at_everything_are_at_fault_themselves() -> None:
    votes = [*abroad()]
    for platform in ("x", "facebook", "instagram", "youtube"):
        votes += probes("x" * 8 + "." * 4, "x" * 8 + "." * 4, "." * 12, "." * 12, platform=platform)
    assert confirmed(seen(votes)) == []


def test_a_degraded_service_is_throttled() -> None:
    past = seen([*probes("s" * 10, "s" * 10, technique="throttling"), *abroad()])
    assert [(record.event, record.technique) for record in confirmed(past)] == [("throttling", "throttling")]


@pytest.mark.parametrize(("slow", "found"), [(3.0, 1), (0.08, 0)])
def test_slow_handshakes_beside_quick_ones_of_the_same_round_are_throttling(slow: float, found: int) -> None:
    votes = []
    for number in range(3):
        for turn in range(72):
            moment = START + turn * ROUND + number * 90
            for platform, usual in (("x", 0.07), ("facebook", 0.06), ("youtube", 0.08)):
                took = slow if platform == "x" and turn >= 60 else usual * (1 + 0.1 * ((turn * 7 + number) % 5))
                votes.append(vote(moment, probe=f"p{number}", platform=platform, handshake=took))
    past = seen(votes)
    assert len(confirmed(past)) == found
    if found:
        assert (past.restrictions[0].event, past.restrictions[0].platform) == ("throttling", "x")
        assert past.restrictions[0].onset == START + 60 * ROUND


def test_a_whole_line_that_is_slow_is_not_throttling() -> None:
    votes = [
        vote(START + turn * ROUND + n * 90, probe=f"p{n}", platform=platform, handshake=0.07 if turn < 60 else 3.0)
        for n in range(3)
        for turn in range(72)
        for platform in ("x", "facebook", "youtube")
    ]
    assert confirmed(seen(votes)) == []


def test_hours_without_votes_end_nothing() -> None:
    (found,) = confirmed(seen([*probes("x" * 6, "x" * 6), vote(BEGAN + 20 * HOUR, probe="other", asn=1), *abroad(300)]))
    assert found.state == "confirmed"
