"""Silences that outlive the days for which check-ins are kept, and what takes them back."""

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from statistics import median

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.detect.beats import Beats
from probe.detect.detector import Detector, Rest
from probe.detect.records import Transition
from probe.detect.settings import Settings
from probe.detect.silence import Network, silences
from probe.detect.votes import Presence
from tests.detect.worlds import DAY, HOUR, MINUTE, ROUND, START

IRAN = ("IR", 197207)
ABROAD = [("DE", 10), ("FR", 11), ("NL", 12), ("SE", 13), ("PL", 14), ("IT", 15)]
BEGAN = START + 12 * HOUR
EVERY = 10 * MINUTE
EASY = Settings(network_share=0.1, least_threshold=5.0)  # two witnesses suffice

Away = Callable[[int, float], bool]  # whether the probe of that number in Iran is not heard of then


def check_ins(moment: float, away: Away, probes: int) -> Iterator[Presence]:
    for number in range(probes):
        if not away(number, moment):
            yield Presence(time=moment, country="IR", asn=IRAN[1], probe=f"IR-{number}")
    for country, asn in ABROAD:
        for number in range(2):
            yield Presence(time=moment, country=country, asn=asn, probe=f"{asn}-{number}")


class Watch:
    """A detector that lives through it, and is told of check-ins as they come."""

    def __init__(self, away: Away, probes: int = 4) -> None:
        self.detector = Detector(EASY)
        self.away, self.probes, self.now = away, probes, START
        self.said: list[Transition] = []

    def until(self, end: float) -> None:
        while self.now < end:
            for presence in check_ins(self.now, self.away, self.probes):
                self.detector.attend(presence, of_network=False)
            self.look()
            self.now += EVERY

    def look(self) -> None:
        self.said += [t for t in self.detector.tick(self.now).transitions if t.incident is not None]

    def restart(self) -> None:
        """As a collector does: the silences from its file, two days of check-ins from the votes."""
        rest = self.detector.rest()
        networks, rest.pulse.networks = rest.pulse.networks, {}
        stored = msgspec.msgpack.encode(Rest(rest.fleet, rest.book, rest.pulse, rest.looked))
        self.detector = Detector(EASY)
        self.detector.restore(stored, [])
        for name, hearts in networks.items():
            country, _, asn = name.partition("/")
            for heart in hearts.values():
                for time in heart.times:
                    one = Presence(time=time, country=country, asn=int(asn), probe=heart.probe)
                    self.detector.attend(one, of_network=False)

    @property
    def changes(self) -> list[tuple[str, float]]:
        return [(t.change, t.time) for t in self.said]


def gone(end: float, probes: Iterable[int] = range(9)) -> Away:
    return lambda number, moment: number in probes and BEGAN <= moment < end


@pytest.mark.parametrize("restarts", [False, True])
def test_a_shutdown_of_five_days_ends_when_its_probes_return_and_is_never_withdrawn(restarts: bool) -> None:
    back = BEGAN + 5 * DAY
    watch = Watch(gone(back))
    for day in range(1, 9):
        watch.until(START + day * DAY)
        if restarts:
            watch.restart()
    assert [change for change, _ in watch.changes] == ["suspected", "confirmed", "ended"]
    (incident,) = watch.detector.incidents
    assert (incident.state, incident.onset, incident.ended_at) == ("ended", BEGAN - EVERY, back)


def test_a_silence_that_is_over_stays_as_it_was_until_it_is_history() -> None:
    watch = Watch(gone(BEGAN + 2 * HOUR))
    watch.until(START + 4 * DAY)
    told = watch.detector.incidents
    watch.until(START + 17 * DAY)
    assert [change for change, _ in watch.changes] == ["suspected", "confirmed", "ended"]
    assert told[0].ended_at == BEGAN + 2 * HOUR
    assert watch.detector.incidents == []
    assert watch.detector.rest().pulse.told == []


def test_check_ins_that_come_late_take_it_back_even_days_after_it_began() -> None:
    watch = Watch(gone(BEGAN + 3 * DAY), probes=3)
    watch.until(START + 3 * DAY)
    (_,) = watch.detector.incidents
    for number in range(3):
        watch.detector.attend(Presence(time=BEGAN, country="IR", asn=IRAN[1], probe=f"IR-{number}"), of_network=False)
    watch.look()
    assert watch.detector.incidents == []
    assert watch.said[-1].change == "withdrawn"


def test_new_probes_in_a_silent_network_do_not_take_it_back() -> None:
    watch = Watch(gone(BEGAN + 9 * DAY, range(2)), probes=2)
    watch.until(START + DAY)
    watch.probes = 8
    watch.until(START + 3 * DAY)
    assert [change for change, _ in watch.changes] == ["suspected", "confirmed"]


def test_where_one_of_two_stays_away_for_good_it_ends_with_the_other() -> None:
    back = BEGAN + HOUR
    watch = Watch(lambda number, moment: moment >= BEGAN and (number == 1 or moment < back), probes=2)
    watch.until(BEGAN + DAY)
    assert [change for change, _ in watch.changes] == ["suspected", "confirmed"]
    watch.until(BEGAN + 2 * DAY)
    assert watch.changes[-1] == ("ended", back)


def test_what_was_no_silence_becomes_none_when_half_of_it_is_forgotten() -> None:
    """Nobody was heard; those of one network were heard last, so that its gaps alone are still known at one moment."""

    def deaf(moment: float) -> bool:
        return BEGAN <= moment < BEGAN + 2 * HOUR

    watch = Watch(gone(BEGAN, ()))
    while watch.now < START + 4 * DAY:
        for presence in check_ins(watch.now, watch.away, watch.probes):
            late = presence.country == "IR" and deaf(presence.time - EVERY) and not deaf(presence.time - 2 * EVERY)
            if late or not deaf(presence.time):
                watch.detector.attend(presence, of_network=False)
        watch.look()
        watch.now += EVERY
    assert watch.changes == []


@given(st.lists(st.integers(0, 9000), min_size=6, max_size=60, unique=True), st.integers(0, 9000), st.randoms())
def test_the_usual_gap_is_the_median_whatever_came_when_and_was_forgotten(
    times: list[int], before: int, rng: random.Random
) -> None:
    own = Beats("p", "p", [])
    rng.shuffle(times)
    for time in times:
        own.add(float(time))
        list(own.gaps() if own.known else ())
    own.forget(float(before))
    left = sorted(time for time in times if time >= before)
    assert own.times == left
    if own.known:
        steps = list(pairwise(left))
        patience = 2.5 * median(b - a for a, b in steps) + 60
        assert own.patience() == patience
        assert list(own.gaps()) == [(a, b) for a, b in steps if b - a > patience]


def quiet_world(rng: random.Random, networks: int) -> dict[Network, list[Beats]]:
    """Four probes a network; some networks fall silent as a whole, some probes by themselves."""
    world: dict[Network, list[Beats]] = {}
    for asn in range(networks):
        whole = rng.uniform(0, DAY) if rng.random() < 0.3 else 2 * DAY
        for number in range(4):
            out = [(whole, rng.uniform(HOUR, DAY)), (rng.uniform(0, DAY), HOUR / 2)]
            times = [t for t in rounds_of(rng) if not any(begin <= t < begin + took for begin, took in out)]
            world.setdefault((f"C{asn % 4}", asn), []).append(Beats(f"{asn}-{number}", f"{asn}-{number % 3}", times))
    return world


def rounds_of(rng: random.Random) -> list[float]:
    return [turn * ROUND + rng.uniform(0, 20) for turn in range(288)]


@pytest.mark.parametrize("seed", range(4))
def test_one_sweep_counts_who_is_overdue_as_a_look_at_every_gap_does(seed: int) -> None:
    world = quiet_world(random.Random(seed), 30)
    found = silences(world, DAY, 6.0)
    assert found
    late = [(network, own, *gap) for network, probes in world.items() for own in probes for gap in every_gap(own)]
    for silence in found:
        away = {
            (n, own.witness) for n, own, last, at, back in late if at <= silence.detected < min(back, at + 20 * HOUR)
        }
        here = sum(network == silence.network for network, _ in away)
        there = len(away) - here
        assert silence.contrast is not None
        if silence.contrast.text.rsplit(" (")[0].endswith("on other networks"):
            assert silence.contrast.table == ((here, 3 - here), (there, 29 * 3 - there))
        assert set(silence.witnesses) == {witness for network, witness in away if network == silence.network}


def every_gap(own: Beats) -> Iterator[tuple[float, float, float]]:
    patience = own.patience()
    for last, back in zip(own.times, [*own.times[1:], 9e18], strict=True):
        if min(back, DAY) - last > patience:
            yield last, last + patience, back


class Counted(float):
    """A moment that counts how often it was compared."""

    compared = 0

    def __lt__(self, other: float) -> bool:
        Counted.compared += 1
        return float(self) < float(other)

    def __gt__(self, other: float) -> bool:
        Counted.compared += 1
        return float(self) > float(other)

    def __le__(self, other: float) -> bool:
        Counted.compared += 1
        return float(self) <= float(other)


def test_four_times_the_probes_are_hardly_more_than_four_times_the_work() -> None:
    work = []
    for networks in (25, 100):
        world = quiet_world(random.Random(1), networks)
        for own in (own for probes in world.values() for own in probes):
            own.times[:] = map(Counted, own.times)
        Counted.compared = 0
        silences(world, DAY, 1e9)
        work.append(Counted.compared)
    assert 0 < work[1] < 8 * work[0]
