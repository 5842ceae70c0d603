"""What a scenario's form cannot say: names that exist, times in order, keys that belong together."""

import datetime as dt
import difflib
import ipaddress
from collections.abc import Iterable, Iterator
from functools import cache

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.catalogue.model import Catalogue
from probe.lab.scenario.model import OF_AN_ISP, OF_THE_WORLD, OUTCOMES, Event, Expect, Phase, Scenario
from probe.lab.scenario.subset import hosts_of, services_of, subset
from probe.lab.scenario.techniques import BY_ADDRESS, TECHNIQUES, names_of
from probe.lab.scenario.timeline import end_of, steps
from probe.wire.vocabulary import Technique

Fault = tuple[str, str]  # its place in the file, and what to do
_EVERY_TECHNIQUE = (*TECHNIQUES, *OF_AN_ISP, *OF_THE_WORLD)
_MOST_ROUNDS = 2000
_LONGEST = 500_000  # rounds, with those that are skipped
_YEARS = range(1990, 2100)


@cache
def shipped_catalogue() -> Catalogue:
    return load_catalogue(default_catalogue_path())


def faults(scenario: Scenario) -> Iterator[Fault]:
    yield from (
        (key, f"the year is none of this internet: {at.year}") for key, at in _times(scenario) if at.year not in _YEARS
    )
    yield from _network_faults(scenario)
    yield from _unknown_subjects("platforms", scenario.platforms)
    for index, event in enumerate(scenario.events):
        for key, fault in _event_faults(event, scenario):
            yield f"events[{index}]{key}", fault
    yield from _order_faults(scenario)
    if not scenario.subjects:
        yield "platforms", "nothing is measured: name platforms here or in an event"
    for key, fault in _expect_faults(scenario.expect, scenario):
        yield f"expect.{key}", fault


def _network_faults(scenario: Scenario) -> Iterator[Fault]:
    asns = [isp.asn for isp in scenario.isps]
    if not asns:
        yield "isps", "at least one is needed"
    for index, isp in enumerate(scenario.isps):
        if isp.asn in asns[:index]:
            yield f"isps[{index}].asn", f"{isp.asn} is listed twice: give it more probes instead"
        if isp.prefix is not None and (fault := _prefix_fault(isp.prefix)):
            yield f"isps[{index}].prefix", fault
    if not scenario.controls:
        yield "controls", "at least one is needed, since probes rest on what a control saw"
    for index, control in enumerate(scenario.controls):
        if control.asn in asns:
            yield (
                f"controls[{index}].asn",
                f"{control.asn} is one of the ISPs: a control is in a network that nobody censors",
            )


def _prefix_fault(text: str) -> str | None:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        return f"{text!r} is no IPv4 prefix, such as 88.255.0.0/16"
    if network.prefixlen > 16:
        return f"{text} is too small: give a /16 or larger"
    return None if network.is_global else f"{text} is not public: probes contact no private addresses"


def _event_faults(event: Event, scenario: Scenario) -> Iterator[Fault]:
    if (event.technique is None) == (event.lift is None):
        yield "", "needs either `technique` (something begins) or `lift` (something ends)"
        return
    known = {isp.asn for isp in scenario.isps}
    for index, asn in enumerate(event.isps):
        if asn not in known:
            yield f".isps[{index}]", f"{asn} is none of the scenario's ISPs: {_list(sorted(known))}"
    unknown = [*_unknown_subjects(".platforms", event.platforms), *_unknown_subjects(".services", event.services)]
    if unknown:
        yield from unknown
        return
    yield from _begin_faults(event, scenario) if event.technique is not None else _lift_faults(event, scenario)


def _begin_faults(event: Event, scenario: Scenario) -> Iterator[Fault]:
    technique = event.technique or ""
    if technique not in _EVERY_TECHNIQUE:
        yield ".technique", f"{technique!r} is none of {_list(_EVERY_TECHNIQUE)}{_hint(technique, _EVERY_TECHNIQUE)}"
    elif technique in OF_AN_ISP and (event.platforms or event.services):
        yield ".technique", f"{technique} stops everything: name no platforms with it"
    elif technique not in OF_AN_ISP and not (event.platforms or event.services):
        yield "", f"{technique} of what? Name `platforms` or `services`"
    elif technique in TECHNIQUES and technique not in BY_ADDRESS and not _has_names(event, scenario):
        yield (
            ".technique",
            f"{technique} acts on names, and these services have only addresses: use one that begins ip-",
        )
    if technique in OF_THE_WORLD and event.isps:
        yield ".isps", f"{technique} is felt everywhere: name no ISPs with it"
    if (event.address is None) == (technique in ("dns-forged", "dns-injected")):
        yield ".address", "goes with dns-forged and dns-injected, and only with them: the address that is answered"
    if event.address is not None and not _is_ipv4(event.address):
        yield ".address", f"{event.address!r} is no IPv4 address"


def _has_names(event: Event, scenario: Scenario) -> bool:
    catalogue = subset(shipped_catalogue(), scenario)
    return bool(names_of(hosts_of(services_of(event.platforms, event.services, catalogue), catalogue, event.share)))


def _lift_faults(event: Event, scenario: Scenario) -> Iterator[Fault]:
    if event.platforms or event.services:
        yield ".lift", "list the platforms and services here, as `lift: [x, whatsapp.messaging]`"
    if isinstance(event.lift, str) and event.lift != "all":
        yield ".lift", f"{event.lift!r} is neither `all` nor a list of platforms and services"
    if isinstance(event.lift, tuple):
        yield from _unmeasured(".lift", event.lift, scenario)


def _order_faults(scenario: Scenario) -> Iterator[Fault]:
    before = scenario.starts
    for index, event in enumerate(scenario.events):
        if event.at < scenario.starts:
            yield f"events[{index}].at", "before the scenario `starts`"
        elif event.at < before:
            yield f"events[{index}].at", "before the event that is listed ahead of it: list them in order of time"
        before = event.at
    if end_of(scenario) <= before:
        yield "ends", "before the last event, or at it"
    if (end_of(scenario) - scenario.starts).total_seconds() / scenario.interval > _LONGEST:
        yield "interval", "much too short for so long a scenario"
    elif sum(step.round for step in steps(scenario)) > _MOST_ROUNDS:
        yield "interval", f"makes more than {_MOST_ROUNDS} rounds: lengthen it, or `jump` a quiet stretch"


def _times(scenario: Scenario) -> Iterator[tuple[str, dt.datetime]]:
    yield "starts", scenario.starts
    if scenario.ends is not None:
        yield "ends", scenario.ends
    yield from ((f"events[{index}].at", event.at) for index, event in enumerate(scenario.events))


def _expect_faults(expect: Expect, scenario: Scenario) -> Iterator[Fault]:
    known = {isp.asn for isp in scenario.isps}
    for index, asn in enumerate(expect.order):
        if asn not in known:
            yield f"order[{index}]", f"{asn} is none of the scenario's ISPs"
    if expect.first is not None and expect.first.asn not in known:
        yield "first.asn", f"{expect.first.asn} is none of the scenario's ISPs"
    for index, phase in enumerate(expect.phases):
        for key, fault in _phase_faults(phase, scenario, known):
            yield f"phases[{index}].{key}", fault


def _phase_faults(phase: Phase, scenario: Scenario, known: set[int]) -> Iterator[Fault]:
    for outcome in phase.outcomes:
        if outcome not in OUTCOMES:
            yield "outcome", f"{outcome!r} is none of {_list(OUTCOMES)}"
    if phase.technique is not None and phase.technique not in list(Technique):
        yield "technique", f"{phase.technique!r} is none of {_list(Technique)}"
    for asn in phase.isps:
        if asn not in known:
            yield "isps", f"{asn} is none of the scenario's ISPs"
    if not phase.platforms and not phase.services:
        yield "platforms", "name platforms here, or `services`"
    yield from _unmeasured("platforms", phase.platforms, scenario)
    yield from _unmeasured("services", phase.services, scenario)
    if phase.since is not None and phase.until is not None and phase.since >= phase.until:
        yield "until", "not after `from`"


def _unmeasured(key: str, subjects: Iterable[str], scenario: Scenario) -> Iterator[Fault]:
    for subject in subjects:
        if fault := _subject_fault(subject):
            yield key, fault
        elif subject.partition(".")[0] not in scenario.platform_ids:
            yield key, f"{subject} is not measured in this scenario: name it in `platforms`"


def _unknown_subjects(key: str, subjects: Iterable[str]) -> Iterator[Fault]:
    for index, subject in enumerate(subjects):
        if key.endswith("services") and "." not in subject:
            yield f"{key}[{index}]", f"{subject!r} is no service: write platform.service, as whatsapp.messaging"
        elif fault := _subject_fault(subject):
            yield f"{key}[{index}]", fault


def _subject_fault(subject: str) -> str | None:
    catalogue = shipped_catalogue()
    name, _, service = subject.partition(".")
    platform = catalogue.platform(name)
    if platform is None:
        return f"unknown platform {name!r}{_hint(name, [p.id for p in catalogue.platforms])}"
    services = [one.id for one in platform.services]
    return f"{name} has no service {service!r}, but {_list(services)}" if service and service not in services else None


def _hint(word: str, words: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _list(words: Iterable[object]) -> str:
    return ", ".join(str(word) for word in words)


def _is_ipv4(text: str) -> bool:
    try:
        return bool(ipaddress.IPv4Address(text))
    except ValueError:
        return False
