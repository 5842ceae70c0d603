"""Restrictions of one country become one incident; networks that carry nothing, and silences."""

import random

import pytest

from probe.detect.votes import Presence, Vote
from tests.detect.worlds import (
    DAY,
    HOUR,
    MINUTE,
    OPEN,
    ROUND,
    START,
    Block,
    Network,
    confirmed,
    incidents,
    rounds,
    seen,
    votes_of,
)

ASNS = (9121, 47331, 15897, 16135)
ABROAD = [Network(3320, 2, "DE", control=True), Network(3215, 2, "FR")]
BEGAN = START + DAY


def of(blocks: list[Block], probes: int = 2, hours: float = 5, asns: tuple[int, ...] = ASNS) -> list[Vote]:
    networks = [*(Network(asn, probes) for asn in asns), *ABROAD]
    span = (BEGAN - 5 * HOUR, BEGAN + hours * HOUR)
    return votes_of(random.Random(1), networks, ["x", "facebook", "wikipedia"], span, blocks, noise=0.0)


def test_one_national_block_is_one_incident_with_its_networks_in_order() -> None:
    order = (15897, 9121, 16135, 47331)
    blocks = [
        Block(BEGAN + place * 10 * MINUTE, BEGAN + 3 * HOUR, (asn,), ("x", "facebook"), technique)
        for place, (asn, technique) in enumerate(zip(order, ("sni-drop", "dns-forged") * 2, strict=True))
    ]
    past = seen(of(blocks))
    (incident,) = incidents(past)
    assert [network.asn for network in incident.networks] == list(order)
    assert [network.techniques for network in incident.networks] == [("sni-drop",), ("dns-forged",)] * 2
    assert incident.services == {"facebook.web": "full", "x.web": "full"}
    assert (incident.scope, incident.state, incident.not_affected) == ("national", "ended", ("wikipedia.web",))
    assert 0 <= incident.onset - BEGAN <= ROUND
    assert len(confirmed(past)) == 8


def test_the_onset_is_the_first_failure_though_most_services_were_tested_again_minutes_later() -> None:
    platforms = ["x", "facebook", "instagram", "youtube", "wikipedia"]
    block = Block(BEGAN, BEGAN + 3 * HOUR, (9121,), ("x", "facebook", "instagram", "youtube"))
    span = (BEGAN - 5 * HOUR, BEGAN + HOUR)
    votes = votes_of(random.Random(1), [Network(9121, 3), *ABROAD], platforms, span, [block], noise=0.0)
    late = [v for v in votes if v.platform == "x" or not BEGAN <= v.time < BEGAN + 9 * MINUTE]
    first = min(v.time for v in votes if v.asn == 9121 and v.platform == "x" and v.time >= BEGAN)
    (found,) = incidents(seen(late))
    assert found.onset == found.networks[0].onset == first
    assert found.onset_after is not None
    assert found.onset_after < BEGAN <= found.onset


def test_an_old_block_swallows_nothing_and_onsets_hours_apart_are_two_incidents() -> None:
    blocks = [
        Block(BEGAN, BEGAN + DAY, (9121,), ("x",)),
        Block(BEGAN + 3 * HOUR, BEGAN + DAY, (9121,), ("facebook",)),
    ]
    first, second = incidents(seen(of(blocks)))
    assert (first.platforms, second.platforms) == (("x",), ("facebook",))


@pytest.mark.parametrize(("count", "patience"), [(4, 2), (2, 3)])
def test_networks_of_one_probe_confirm_each_other(count: int, patience: int) -> None:
    past = seen(of([Block(BEGAN, BEGAN + DAY, ASNS[:count], ("x",))], probes=1, asns=ASNS[:count]))
    assert {record.scope for record in confirmed(past)} == {"national"}
    assert len(confirmed(past)) == count
    assert all((record.confirmed_at or 0) - BEGAN <= patience * ROUND + MINUTE for record in confirmed(past))


def test_one_network_of_one_probe_is_not_enough() -> None:
    assert confirmed(seen(of([Block(BEGAN, BEGAN + DAY, (9121,), ("x",))], probes=1))) == []


def test_a_network_whose_anchors_fail_for_its_probes_is_cut_off_and_nothing_is_said_of_services() -> None:
    votes = of([])
    cut = [v for v in votes if v.country == "TR" and BEGAN <= v.time < BEGAN + HOUR]
    voids = [
        Presence(time=v.time, country="TR", asn=v.asn, probe=v.probe, void="offline") for v in cut if v.platform == "x"
    ]
    lost = set(map(id, cut))
    past = seen([v for v in votes if id(v) not in lost], OPEN, voids)
    (outage,) = incidents(past, "network-outage")
    assert {network.asn for network in outage.networks} == set(ASNS)
    assert (outage.state, outage.scope) == ("ended", "national")
    assert abs(outage.onset - BEGAN) <= ROUND
    assert confirmed(past) == []
    assert incidents(past, "silence") == []


def test_probes_that_fall_silent_together_are_a_silence_and_what_they_send_later_dissolves_it() -> None:
    votes = of([], probes=4)
    silent = [v for v in votes if not (v.asn in ASNS and BEGAN <= v.time < BEGAN + HOUR)]
    found = incidents(seen(silent), "silence")
    assert sorted(network.asn for incident in found for network in incident.networks) == sorted(ASNS)
    assert all(0 <= BEGAN - incident.onset <= ROUND for incident in found)
    assert all(incident.state == "ended" for incident in found)
    assert incidents(seen(votes), "silence") == []


def test_a_collector_that_hears_nobody_calls_nobody_silent() -> None:
    deaf = [v for v in of([], probes=4) if not BEGAN <= v.time < BEGAN + HOUR]
    assert incidents(seen(deaf), "silence") == []


def test_probes_that_suddenly_cannot_measure_are_an_alarm_of_their_own() -> None:
    voids = [
        Presence(time=moment, country="TR", asn=9121, probe=f"TR9121-{number}", void="captive-portal")
        for number in range(6)
        for moment in rounds((BEGAN, BEGAN + HOUR), number * 40.0)
    ]
    votes = [v for v in of([], probes=6) if not (v.asn == 9121 and BEGAN <= v.time < BEGAN + HOUR)]
    assert len(incidents(seen(votes, OPEN, voids), "void-jump")) == 1
