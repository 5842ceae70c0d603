"""The records of virtual probes, judged as a collector judges them: they carry the evidence for what befell them."""

import datetime as dt
import random

import msgspec
import pytest

from probe.catalogue.fingerprints import load_fingerprints
from probe.catalogue.loader import FINGERPRINTS, TABLES, default_catalogue_path
from probe.catalogue.model import Endpoint
from probe.catalogue.tables import load_tables
from probe.lab.internet import internet
from probe.lab.scenario.checks import shipped_catalogue
from probe.lab.scenario.model import ControlForm, IspForm, Scenario, Trouble
from probe.lab.scenario.subset import subset
from probe.lab.simulate.fates import Act, Fates
from probe.lab.simulate.fleet import Resident, fleet
from probe.lab.simulate.rounds import Rounds, network_of
from probe.lab.simulate.surroundings import surroundings
from probe.lab.simulate.walk import Seen, Spot, seen
from probe.verdict.expect import expectation_of
from probe.verdict.fingerprints import Fingerprints
from probe.verdict.judge import judge
from probe.verdict.known import Library
from probe.wire.expectations import Expectations
from probe.wire.measurement import Measurement
from probe.wire.verdicts import Verdict

NOON = dt.datetime(2026, 3, 14, 12, tzinfo=dt.UTC)
SCENARIO = Scenario(
    name="still",
    starts=NOON,
    country="TR",
    isps=(IspForm(asn=9121, name="Türk Telekom"),),
    controls=(ControlForm(asn=3320, country="DE"),),
    platforms=("x", "facebook", "whatsapp", "telegram", "signal"),
)
CATALOGUE = subset(shipped_catalogue(), SCENARIO)
WORLD = internet(CATALOGUE)
SHIPPED = default_catalogue_path()
MARKERS = Fingerprints(load_fingerprints(SHIPPED / FINGERPRINTS))
SHIPPED_TABLES = load_tables(SHIPPED / TABLES)
PROBE, CONTROL = fleet(SCENARIO)
NAMED = ("dns-nxdomain", "dns-refused", "dns-servfail", "dns-timeout")
ANY = ("ip-drop", "ip-reset", "ip-unreachable")
BY_HELLO = ("sni-drop", "sni-reset", "sni-close", "tls-drop", "tls-interception")
WEB = "https://x.com/"
BACKEND = "tcp://e1.whatsapp.net:443"


def endpoint(url: str) -> Endpoint:
    return next(one for one in shipped_catalogue().endpoints() if one.url == url)


def spot(*, light: bool = True) -> Spot:
    zone = WORLD.zone()
    return Spot(
        resolver="195.175.39.39",
        distance=0.04,
        address_of=lambda host: zone.get(host, (host,))[0],
        infrastructure=CATALOGUE.infrastructure,
        light=light,
    )


def measured(one: Endpoint, found: Seen, resident: Resident = PROBE) -> Measurement:
    return Measurement(
        id="019c0000-0000-7000-8000-000000000000",
        endpoint=one.url,
        started_at=NOON,
        duration=found.duration,
        platform=one.platform,
        service=one.service,
        network=network_of(resident),
        surroundings=surroundings(resident, CATALOGUE.infrastructure, cut_off=False),
        steps=found.steps,
    )


def judged(url: str, *acts: Act, light: bool = True, control: tuple[Act, ...] = ()) -> tuple[Seen, Verdict]:
    """What a virtual probe says, and what a collector makes of its records that knows what a control saw."""
    one, where = endpoint(url), spot(light=light)
    expected = expectation_of(measured(one, seen(one, control, where, random.Random(1)), CONTROL))
    known = Expectations(made_at=NOON, endpoints={url: expected})
    library = Library(shipped_catalogue(), MARKERS, known, SHIPPED_TABLES)
    found = seen(one, acts, where, random.Random(2))
    return found, judge(measured(one, found), library.of(one.platform, url))


def alike(pair: tuple[Seen, Verdict]) -> tuple[str, tuple[str, ...]]:
    """What both say; the test fails where they differ."""
    found, verdict = pair
    assert (verdict.outcome, verdict.techniques) == (found.outcome, found.techniques), verdict.evidence
    return verdict.outcome, verdict.techniques


@pytest.mark.parametrize("light", [True, False], ids=["light", "whole"])
@pytest.mark.parametrize("url", [one.url for one in CATALOGUE.endpoints() if one.target.scheme != "quic"])
def test_every_endpoint_of_a_quiet_network_is_ok(url: str, light: bool) -> None:
    assert alike(judged(url, light=light)) == ("ok", ())


@pytest.mark.parametrize("technique", [*NAMED, *ANY, *BY_HELLO])
def test_what_a_censor_does_to_a_web_page_is_found_by_its_name(technique: str) -> None:
    assert alike(judged(WEB, Act(technique=technique))) == ("blocked", (technique,))


@pytest.mark.parametrize("technique", [*NAMED, *ANY])
def test_what_a_censor_does_to_a_messaging_backend_is_found_by_its_name(technique: str) -> None:
    assert alike(judged(BACKEND, Act(technique=technique))) == ("blocked", (technique,))


@pytest.mark.parametrize("address", ["195.175.254.2", "127.0.0.1", "10.10.34.35", "203.0.114.9"])
@pytest.mark.parametrize("technique", ["dns-forged", "dns-injected"])
def test_a_forged_answer_is_found_whatever_it_says(technique: str, address: str) -> None:
    found, verdict = judged(WEB, Act(technique=technique, address=address))
    assert alike((found, verdict)) == ("blocked", ("dns-forged",))
    assert verdict.injected is (technique == "dns-injected")


def test_two_filters_at_once_are_told_in_the_order_in_which_a_connection_meets_them() -> None:
    acts = (Act(technique="dns-nxdomain"), Act(technique="sni-reset"))
    assert alike(judged(WEB, *acts)) == ("blocked", ("dns-nxdomain", "sni-reset"))


def test_a_cutoff_is_seen_only_by_who_fetches_the_page() -> None:
    cutoff = Act(technique="http-cutoff")
    assert alike(judged(WEB, cutoff)) == ("ok", ())
    assert alike(judged(WEB, cutoff, light=False)) == ("blocked", ("http-cutoff",))


@pytest.mark.parametrize("how", ["outage-names", "outage-refused", "outage-silent"])
def test_what_is_gone_for_a_control_too_is_down(how: str) -> None:
    act = Act(technique=how)
    assert alike(judged(WEB, act, control=(act,))) == ("down", ())


def test_a_lossy_line_that_answers_when_asked_again_is_ok() -> None:
    assert alike(judged(WEB, Act(technique="loss"))) == ("ok", ())


def test_throttling_shows_in_the_handshake_time() -> None:
    found, _ = judged(WEB, Act(technique="throttling", rate=16))
    assert found.duration > 3


def home(trouble: Trouble) -> Resident:
    resident, *_ = fleet(SCENARIO)
    return msgspec.structs.replace(resident, trouble=trouble)


@pytest.mark.parametrize(("trouble", "outcome"), [("antivirus", "void"), ("black-hole", "inconclusive"), ("vpn", "ok")])
def test_homes_with_trouble_of_their_own_blame_nobody(trouble: Trouble, outcome: str) -> None:
    rounds = Rounds(SCENARIO, CATALOGUE, WORLD, Fates(SCENARIO, CATALOGUE), noise=0, seed=1)
    library = Library(shipped_catalogue())
    for made in rounds.of(home(trouble), NOON):
        measurement = made.reported.measurement
        verdict = judge(measurement, library.of(measurement.platform, measurement.endpoint))
        assert verdict.outcome in {outcome, "ok"}
        assert made.reported.measurement.endpoint != WEB or verdict.outcome == outcome


def test_a_seed_makes_the_same_measurements_again_and_another_one_others() -> None:
    def made(seed: int) -> list[str]:
        rounds = Rounds(SCENARIO, CATALOGUE, WORLD, Fates(SCENARIO, CATALOGUE), noise=0.5, seed=seed)
        return [msgspec.json.encode(one).decode() for one in rounds.of(PROBE, NOON)]

    assert made(1) == made(1)
    assert made(1) != made(2)
