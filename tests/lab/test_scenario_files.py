"""A scenario's file is read strictly, and played in the order that it says. No lab is built here."""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest

from probe.catalogue.loader import load_catalogue
from probe.lab.interference import AddressFilter, NameFilter, Offline, ResolverAnswers
from probe.lab.outage import Outage
from probe.lab.scenario.checks import shipped_catalogue
from probe.lab.scenario.effects import Effect, after, outages, recipes
from probe.lab.scenario.history import Round, Said, Word
from probe.lab.scenario.loader import find, load_scenario, shipped
from probe.lab.scenario.model import Scenario, ScenarioError
from probe.lab.scenario.population import Population, Vantage
from probe.lab.scenario.subset import subset, write_catalogue
from probe.lab.scenario.timeline import steps
from probe.lab.scenario.verify import verify

NAMES = [
    "exam-hours",
    "healthy",
    "platform-outage-2021-10-04",
    "shutdown",
    "turkey-2020-02-27",
    "turkey-2023-02-08",
    "venezuela-12-minutes",
]
HEAD = """
name: small
starts: 2020-02-27T20:20:00Z
interval: 600
country: TR
isps: [{asn: 9121, probes: 2}, {asn: 15897}]
platforms: [wikipedia]
"""
EVENTS = """
events:
  - {at: 2020-02-27T20:30:00Z, isps: [9121], platforms: [x], services: [whatsapp.messaging], technique: sni-drop}
  - {at: 2020-02-27T20:40:00Z, services: [whatsapp.messaging], technique: ip-drop, share: 0.5}
  - {at: 2020-02-27T20:50:00Z, lift: [x.web, whatsapp]}
  - {at: 2020-02-28T20:50:00Z, lift: all, jump: true}
"""


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(text)
    return file


def small(tmp_path: Path, more: str = EVENTS) -> Scenario:
    return load_scenario(write(tmp_path, HEAD + more))


def at(hour: int, minute: int, day: int = 27) -> dt.datetime:
    return dt.datetime(2020, 2, day, hour, minute, tzinfo=dt.UTC)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_scenario_loads_and_is_named_like_its_file(name: str) -> None:
    scenario = load_scenario(find(name))
    assert scenario.name == name
    assert scenario.about
    assert scenario.expect.phases


def test_all_seven_are_shipped_and_listed_with_what_they_are_about() -> None:
    assert [file.stem for file in shipped()] == NAMES
    done = subprocess.run([sys.executable, "-m", "probe", "lab", "list"], check=True, capture_output=True, text=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == NAMES
    assert "Twitter, Facebook and Instagram go" in done.stdout


def test_the_list_as_json_says_how_many_rounds_a_scenario_takes() -> None:
    command = [sys.executable, "-m", "probe", "lab", "list", "--format", "json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    listed = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert listed["turkey-2020-02-27"]["isps"] == [9121, 47331, 15897, 16135, 34984]
    assert listed["venezuela-12-minutes"]["rounds"] == 21


FAULTS = {
    "an unknown key": ("speeed: 3", "unknown key 'speeed': the keys are name, "),
    "an event's unknown key": (
        "events: [{at: 2020-02-27T20:30:00Z, plattforms: [x], technique: sni-drop}]",
        "events[0]: unknown key 'plattforms': the keys are at, technique, ",
    ),
    "an event ahead of the start": (
        "events: [{at: 2020-02-27T20:10:00Z, platforms: [x], technique: sni-drop}]",
        "events[0].at: before the scenario `starts`",
    ),
    "events out of order": (
        "events: [{at: 2020-02-27T20:40:00Z, services: [x.web], technique: sni-drop},"
        " {at: 2020-02-27T20:30:00Z, lift: all}]",
        "events[1].at: before the event that is listed ahead of it",
    ),
    "a time without a zone": (
        "events: [{at: 2020-02-27T20:40:00, platforms: [x], technique: sni-drop}]",
        "events[0].at: expected",
    ),
    "a time that is none": ("events: [{at: noon, platforms: [x], technique: sni-drop}]", "events[0].at: invalid"),
    "an unknown platform": (
        "events: [{at: 2020-02-27T20:40:00Z, platforms: [facebok], technique: sni-drop}]",
        "events[0].platforms[0]: unknown platform 'facebok' (did you mean facebook?)",
    ),
    "an unknown service": (
        "events: [{at: 2020-02-27T20:40:00Z, services: [x.messaging], technique: sni-drop}]",
        "events[0].services[0]: x has no service 'messaging', but web, ",
    ),
    "an unknown technique": (
        "events: [{at: 2020-02-27T20:40:00Z, platforms: [x], technique: sni-drp}]",
        "(did you mean sni-drop?)",
    ),
    "an ISP that is not there": (
        "events: [{at: 2020-02-27T20:40:00Z, isps: [1], platforms: [x], technique: sni-drop}]",
        "events[0].isps[0]: 1 is none of the scenario's ISPs: 9121, 15897",
    ),
    "a forged answer without its address": (
        "events: [{at: 2020-02-27T20:40:00Z, platforms: [x], technique: dns-forged}]",
        "events[0].address: goes with dns-forged",
    ),
    "a filter of names where there are none": (
        "events: [{at: 2020-02-27T20:40:00Z, services: [telegram.messaging], technique: sni-drop}]",
        "events[0].technique: sni-drop acts on names, and these services have only addresses",
    ),
    "an event that does nothing": (
        "events: [{at: 2020-02-27T20:40:00Z, platforms: [x]}]",
        "events[0]: needs either `technique`",
    ),
    "a technique of nothing": (
        "events: [{at: 2020-02-27T20:40:00Z, technique: sni-drop}]",
        "events[0]: sni-drop of what?",
    ),
    "an ASN that is none": ("controls: [{asn: 0, country: DE}]", "controls[0].asn: expected a whole number >= 1"),
    "a control among the censored": (
        "controls: [{asn: 9121, country: TR}]",
        "controls[0].asn: 9121 is one of the ISPs",
    ),
    "a phase of something unmeasured": (
        "expect: {phases: [{platforms: [telegram], outcome: ok}]}",
        "expect.phases[0].platforms: telegram is not measured in this scenario",
    ),
    "an outcome that is none": (
        "expect: {phases: [{platforms: [wikipedia], outcome: fine}]}",
        "expect.phases[0].outcome: 'fine' is none of ok, blocked",
    ),
    "a year without an internet": ("ends: 9999-12-31T00:00:00Z", "ends: the year is none of this internet"),
    "far too many rounds": ("ends: 2020-05-27T20:20:00Z", "interval: makes more than 2000 rounds"),
    "endless speed": ("speed: .inf", "speed: expected a number <= 1000000"),
    "broken YAML": ("events: [", "broken YAML"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_that_names_the_file_the_place_and_the_reason(tmp_path: Path, fault: str) -> None:
    text, said = FAULTS[fault]
    with pytest.raises(ScenarioError) as caught:
        small(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/small.yaml:")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_scenario_that_nobody_knows_is_wrong_usage_in_one_line() -> None:
    command = [sys.executable, "-m", "probe", "lab", "run", "turkey-2020-02-28"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no scenario 'turkey-2020-02-28': did you mean turkey-2020-02-27?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_quiet_stretch_is_skipped_but_for_the_rounds_around_its_ends(tmp_path: Path) -> None:
    played = list(steps(small(tmp_path)))
    assert [step.at for step in played] == [
        *(at(20, minute) for minute in (20, 30, 40, 50)),
        *(at(21, minute) for minute in (0, 10, 20, 30)),
        *(at(20, minute, day=28) for minute in (40, 50)),
        *(at(21, minute, day=28) for minute in (0, 10, 20, 30)),
    ]
    assert [step.at for step in played if step.jumps] == [at(20, 40, day=28)]
    assert all(step.round for step in played)


def test_what_is_in_effect_follows_the_events_and_their_lifts(tmp_path: Path) -> None:
    scenario = small(tmp_path)
    catalogue = subset(shipped_catalogue(), scenario)
    effects: tuple[Effect, ...] = ()
    told = []
    for step in steps(scenario):
        effects = after(effects, step.events, scenario, catalogue)
        told.append([f"{effect.asn} {effect}" for effect in effects])
    assert told[0] == []
    assert told[1] == ["9121 sni-drop x, whatsapp.messaging"]
    assert told[2] == [*told[1], "9121 ip-drop whatsapp.messaging (50%)", "15897 ip-drop whatsapp.messaging (50%)"]
    assert told[3] == ["9121 sni-drop x.api, x.media, x.upload, x.shortlink"]
    assert told[-1] == []


def test_a_lift_may_be_of_one_provider(tmp_path: Path) -> None:
    scenario = small(
        tmp_path,
        """
events:
  - {at: 2020-02-27T20:30:00Z, platforms: [x], technique: dns-nxdomain}
  - {at: 2020-02-27T20:40:00Z, isps: [9121], lift: [x]}
""",
    )
    catalogue = subset(shipped_catalogue(), scenario)
    effects = after((), scenario.events, scenario, catalogue)
    assert [effect.asn for effect in effects] == [15897]


def test_a_shutdown_ends_with_all_and_not_with_a_platform(tmp_path: Path) -> None:
    scenario = small(
        tmp_path,
        """
events:
  - {at: 2020-02-27T20:30:00Z, technique: shutdown}
  - {at: 2020-02-27T20:40:00Z, lift: [wikipedia]}
  - {at: 2020-02-27T20:50:00Z, lift: all, isps: [9121]}
""",
    )
    catalogue = subset(shipped_catalogue(), scenario)
    after_each = [after((), scenario.events[:count], scenario, catalogue) for count in (1, 2, 3)]
    assert [[effect.asn for effect in effects] for effects in after_each] == [[9121, 15897], [9121, 15897], [15897]]


def test_techniques_become_what_the_isp_does(tmp_path: Path) -> None:
    scenario = small(
        tmp_path,
        """
events:
  - {at: 2020-02-27T20:30:00Z, isps: [9121], services: [x.shortlink], technique: sni-close}
  - {at: 2020-02-27T20:30:00Z, isps: [9121], services: [x.shortlink], technique: dns-forged, address: 127.0.0.1}
  - {at: 2020-02-27T20:30:00Z, isps: [9121], services: [whatsapp.messaging], technique: ip-drop, share: 0.5}
  - {at: 2020-02-27T20:30:00Z, isps: [15897], technique: shutdown}
  - {at: 2020-02-27T20:30:00Z, services: [x.shortlink], technique: outage-refused}
""",
    )
    catalogue = subset(shipped_catalogue(), scenario)
    effects = after((), scenario.events, scenario, catalogue)
    close, forged, drop = recipes(effects, 9121, catalogue)
    assert close == NameFilter(names=("t.co",), action="close")
    assert isinstance(forged, ResolverAnswers)
    assert (forged.names, forged.answer.addresses) == (("t.co",), ("127.0.0.1",))
    assert isinstance(drop, AddressFilter)
    assert drop.targets == ("e1.whatsapp.net", "e2.whatsapp.net")  # of the four that are measured
    assert list(recipes(effects, 15897, catalogue)) == [Offline(how="unplugged")]
    assert list(outages(effects, catalogue)) == [Outage(names=("t.co",), how="refused")]


def test_the_probes_get_a_catalogue_of_what_the_scenario_names_and_no_more(tmp_path: Path) -> None:
    scenario = small(tmp_path)
    part = subset(shipped_catalogue(), scenario)
    written = load_catalogue(write_catalogue(part, tmp_path / "catalogue"))
    assert written.platforms == part.platforms
    assert {platform.id for platform in part.platforms} == {"wikipedia", "x", "whatsapp"}
    whatsapp = part.platform("whatsapp")
    assert whatsapp is not None
    assert [service.id for service in whatsapp.services] == ["messaging"]


def test_probes_with_trouble_have_a_router_of_their_own_and_the_addresses_of_their_isp() -> None:
    scenario = load_scenario(find("healthy"))
    population = Population(scenario)
    assert [customers.clients for customers in population.customers] == [4, 1, 1, 1, 4, 1, 1, 1, 1, 1]
    subnets = [customers.isp.subnet for customers in population.customers]
    assert len(set(subnets)) == len(subnets)
    assert population.customers[1].resolver == "94.140.14.14"
    assert {customers.isp.asn for customers in population.customers} == {9121, 15897, 9009}


def _round(scenario: Scenario, number: int, blocked: dict[int, str]) -> Round:
    """One in which these ISPs' probes find X blocked by that technique."""
    said = []
    for isp in scenario.isps:
        technique = blocked.get(isp.asn)
        word = Word(outcome="blocked", techniques=(technique,)) if technique else Word(outcome="ok")
        for position in range(1, isp.probes + 1):
            vantage = Vantage(namespace="", asn=isp.asn, number=position)
            said.append(Said(vantage=vantage, words={"x": word, "wikipedia": Word(outcome="ok")}))
    start = scenario.starts + dt.timedelta(seconds=number * scenario.interval)
    return Round(at=start, number=number + 1, said=tuple(said))


EXPECT = """
expect:
  incidents: 1
  kinds: [restriction]
  first: {asn: 9121, onset: 2020-02-27T20:30:00Z, within_rounds: 1}
  order: [9121, 15897]
  blocked: [x]
  segments: 1
  end: {at: 2020-02-27T21:30:00Z, within_rounds: 1}
  phases:
    - {platforms: [x], isps: [9121], from: 2020-02-27T20:30:00Z, until: 2020-02-27T21:20:00Z, outcome: blocked,
       technique: sni-drop}
    - {platforms: [wikipedia], outcome: ok}
"""
EVENT = "events: [{at: 2020-02-27T20:30:00Z, platforms: [x], technique: sni-drop}]"
ALL = [True] * 7


def incident(**more: object) -> dict[str, object]:
    """As the API gives it."""
    return {
        "event": "restriction",
        "onset": "2020-02-27T20:31:00Z",
        "ended_at": "2020-02-27T21:32:00Z",
        "platforms": ["x"],
        "services": {"x.web": "full"},
        "not_affected": ["wikipedia.web"],
        "networks": [
            {"asn": 9121, "onset": "2020-02-27T20:31:00Z"},
            {"asn": 15897, "onset": "2020-02-27T20:41:00Z"},
        ],
        "restrictions": [{"segments": [["2020-02-27T20:31:00Z", "2020-02-27T21:32:00Z"]]}],
        **more,
    }


LATE = [{"asn": 9121, "onset": "2020-02-27T20:50:00Z"}, {"asn": 15897, "onset": "2020-02-27T20:51:00Z"}]
FIRST = [{"asn": 15897, "onset": "2020-02-27T20:30:00Z"}, {"asn": 9121, "onset": "2020-02-27T20:31:00Z"}]


@pytest.mark.parametrize(
    ("incidents", "held"),
    [
        ([incident()], ALL),
        ([], [False] * 7),
        ([incident(), incident()], [False, *ALL[1:]]),
        ([incident(event="platform-outage")], [True, False, *ALL[2:]]),
        ([incident(networks=LATE)], [True, True, False, True, True, True, True]),
        ([incident(networks=FIRST)], [True, True, False, False, True, True, True]),
        ([incident(services={"x.web": "partial"})], [True, True, True, True, False, True, True]),
        ([incident(not_affected=["x.api"])], [True, True, True, True, False, True, True]),
        ([incident(platforms=["x", "wikipedia"])], [True, True, True, True, False, True, True]),
        ([incident(restrictions=[{"segments": [1, 2]}])], [True, True, True, True, True, False, True]),
        ([incident(ended_at=None)], [True, True, True, True, True, True, False]),
        ([incident(ended_at="2020-02-27T22:00:00Z")], [True, True, True, True, True, True, False]),
    ],
    ids=[
        "as expected", "none", "two", "another kind", "late", "the other first", "in part", "one service works",
        "too much", "a gap", "for ever", "ended late",
    ],
)  # fmt: skip
def test_expectations_fail_where_incidents_say_otherwise(
    tmp_path: Path, incidents: list[dict[str, object]], held: list[bool]
) -> None:
    scenario = small(tmp_path, EVENT + EXPECT)
    checks = list(verify(scenario, (), incidents))
    assert [check.held for check in checks[:7]] == held
    assert all(check.seen for check in checks if check.held is not True)


@pytest.mark.parametrize(
    ("blocked", "held"),
    [
        ([{}, {9121: "sni-drop"}, {}, {9121: "sni-drop"}, {9121: "sni-drop"}], True),
        ([{}, {}, {}, {9121: "ip-drop"}, {9121: "sni-drop"}], False),
        ([{}, {}, {}, {}, {9121: "sni-drop"}], False),
        ([{}, {9121: "sni-drop"}], False),
    ],
    ids=["once all was tested again", "another technique", "too late", "no round then"],
)
def test_a_phase_is_held_against_the_rounds_behind_its_beginning(
    tmp_path: Path, blocked: list[dict[int, str]], held: bool
) -> None:
    scenario = small(tmp_path, EVENT + EXPECT)
    rounds = [_round(scenario, number, one) for number, one in enumerate(blocked)]
    phase, fine = list(verify(scenario, rounds, [incident()]))[7:]
    assert phase.held is held
    assert fine.held is True


def test_one_probe_with_trouble_does_not_speak_for_its_isp() -> None:
    ok, broken = Word(outcome="ok"), Word(outcome="blocked", techniques=("dns-forged",))
    words = [ok, ok, broken, Word(outcome="void"), Word(outcome="void"), Word(outcome="void")]
    said = tuple(
        Said(vantage=Vantage(namespace="", asn=9121, number=number), words={"x": word})
        for number, word in enumerate(words, start=1)
    )
    cell = Round(at=at(20, 20), number=1, said=said).cell(9121, "x")
    assert cell is not None
    assert (cell.outcome, cell.votes) == ("ok", {"ok": 2, "blocked": 1, "void": 3})
