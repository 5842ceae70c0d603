"""What people read, and when: a headline that says what, where and by whom, the facts below it, nothing twice."""

from typing import Any

import msgspec
import pytest

from probe.collector.compose.announce import facts_of, phase_of
from probe.collector.compose.countries import country_name
from probe.collector.compose.present import Told
from probe.detect.exact import Contrast
from probe.detect.records import Affected, Evidence, Incident, Restriction, Transition
from probe.detect.votes import Cell
from probe.notify.notice import Phase
from tests.collector.compose.fleet import LIFT, ONSET, WORDING

TURK = Affected(
    asn=9121,
    onset=ONSET,
    techniques=("sni-drop", "dns-forged"),
    services={"x.web": "full", "x.api": "full", "facebook.web": "full", "whatsapp.messaging": "partial"},
)
VODAFONE = Affected(asn=15897, onset=ONSET + 660, techniques=("dns-forged",), services={"x.web": "full"})
NATIONAL = Incident(
    id="tr-restriction-1",
    event="restriction",
    state="confirmed",
    country="TR",
    scope="national",
    onset=ONSET,
    onset_after=ONSET - 100,
    confirmed_at=ONSET + 180,
    platforms=("facebook", "whatsapp", "x"),
    services=TURK.services,
    networks=(TURK, VODAFONE, Affected(asn=64500, onset=ONSET + 1200)),
    not_affected=("signal.messaging", "whatsapp.web", "youtube.web"),
    restrictions=("r1",),
    votes=57,
    witnesses=6,
    contrasts=(Contrast(name="elsewhere", table=((5, 0), (0, 9)), p=0.0005, text="5 of 5 failed here, 0 of 9 abroad"),),
)
MEMBER = Restriction(
    id="r1",
    event="restriction",
    state="confirmed",
    country="TR",
    asn=9121,
    platform="x",
    service="web",
    evidence=Evidence(failed=5, worked=0, elsewhere="works"),
    cell=Cell("TR", 9121, "x", "web"),
)


def changed(**more: Any) -> Incident:
    return msgspec.structs.replace(NATIONAL, **more)


def summary(phase: Phase = Phase.FIRING, **more: Any) -> str:
    return WORDING.summary(changed(**more), phase)


def test_the_headline_says_what_where_and_by_whom_first() -> None:
    headline = "Facebook and X blocked, WhatsApp partially restricted in Turkey, first via Türk Telekom (AS9121)"
    assert summary() == headline
    assert summary(networks=(VODAFONE,)).endswith("in Turkey, via Vodafone (AS15897)")
    assert summary(Phase.RESOLVED, ended_at=LIFT) == f"Over after 60 minutes: {headline}"
    assert summary(Phase.WITHDRAWN) == f"Withdrawn: {headline}"
    assert summary(Phase.CORRECTED) == f"Corrected: {headline}"
    assert summary(services={"x.web": "partial"}, platforms=("x",), networks=()) == "X partially restricted in Turkey"


@pytest.mark.parametrize(
    ("event", "facts", "says"),
    [
        ("platform-outage", {"country": "", "networks": ()}, "Facebook, WhatsApp and X down for everybody"),
        ("throttling", {"platforms": ("x",)}, "X slowed down in Turkey, first via Türk Telekom (AS9121)"),
        ("network-outage", {}, "Türk Telekom (AS9121), Vodafone (AS15897) and AS64500 cut off in Turkey"),
        ("silence", {"networks": (TURK,)}, "Probes silent in Turkey: Türk Telekom (AS9121)"),
        ("void-jump", {"networks": (TURK,)}, "Probes unable to measure in Turkey: Türk Telekom (AS9121)"),
    ],
)
def test_every_kind_has_its_headline(event: str, facts: dict[str, Any], says: str) -> None:
    assert summary(event=event, **facts) == says


def test_the_facts_are_a_sentence_each() -> None:
    told = list(WORDING.sentences(changed(ended_at=ONSET + 16 * 3600), [MEMBER]))
    assert told == [
        "It began at 20:30 UTC on 27 February 2020 (23:30 in Istanbul); the last that still worked was at 20:28:20.",
        "It ended at 12:30 UTC on 28 February 2020 (15:30 in Istanbul), after 16 hours.",
        "Via Türk Telekom (AS9121) since 20:30 UTC: Facebook (web), WhatsApp (messaging in part) and X (api, web),"
        " by sni-drop and dns-forged.",
        "Via Vodafone (AS15897) since 20:41 UTC: X (web), by dns-forged.",
        "Via AS64500 since 20:50 UTC.",
        "How: connections vanish once the site's name is sent (sni-drop);"
        " the name is answered with a wrong address (dns-forged).",
        "Tested there and not affected: Signal, YouTube and WhatsApp (web).",
        "It was seen by the probes of 6 people, in 57 votes.",
        "Meanwhile it worked elsewhere: for controls, or in other countries.",
        "Of the votes, 5 of 5 failed here, 0 of 9 abroad.",
    ]


def test_moments_of_another_day_say_which() -> None:
    late = Affected(asn=15897, onset=ONSET + 5 * 3600)
    began, _, via, *_ = WORDING.sentences(
        changed(onset=ONSET + 3600, onset_after=ONSET - 30 * 3600, networks=(TURK, late)), []
    )
    assert began == (
        "It began at 21:30 UTC on 27 February 2020 (00:30 on 28 February in Istanbul);"
        " the last that still worked was at 14:30:00 on 26 February."
    )
    assert via == "Via Vodafone (AS15897) since 01:30 UTC on 28 February."


def test_an_outage_of_a_platform_names_no_network_as_its_author() -> None:
    outage = changed(event="platform-outage", country="", not_affected=(), contrasts=())
    assert list(WORDING.sentences(outage, [MEMBER])) == [
        "It began at 20:30 UTC on 27 February 2020; the last that still worked was at 20:28:20.",
        "It fails elsewhere, too, for controls or in other countries (seen via Türk Telekom (AS9121),"
        " Vodafone (AS15897) and AS64500): no network restricts it.",
        "It was seen by the probes of 6 people, in 57 votes.",
    ]
    (_, everywhere, _) = WORDING.sentences(msgspec.structs.replace(outage, networks=()), [])
    assert everywhere == "It fails elsewhere, too, for controls or in other countries: no network restricts it."


def test_a_merged_incident_says_where_it_went() -> None:
    notice = WORDING.notice(NATIONAL, Phase.WITHDRAWN, [], id="n", into="tr-restriction-0")
    assert notice.description.startswith("It is told as part of incident tr-restriction-0 from now on.")
    assert notice.url == "https://collector.example/api/v1/incidents/tr-restriction-0"
    assert notice.over


def test_a_country_without_a_known_time_or_name_is_told_without() -> None:
    (began, *_) = WORDING.sentences(changed(country="XZ"), [])
    assert began.startswith("It began at 20:30 UTC on 27 February 2020;")
    assert country_name("XZ") == "XZ"
    assert country_name("GB") == "the United Kingdom"
    assert country_name("TZ") == "Tanzania"


def transition(change: str, incident: Incident, *, correction: bool = False) -> Transition:
    return Transition(change=change, time=ONSET, subject=incident.id, incident=incident, correction=correction)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "change", "facts", "phase"),
    [
        ("", "suspected", {"confirmed_at": None}, None),
        ("", "confirmed", {}, Phase.FIRING),
        ("", "ended", {"ended_at": LIFT}, Phase.RESOLVED),
        ("", "withdrawn", {}, None),
        ("lasting", "spread", {}, Phase.UPDATED),
        ("lasting", "technique", {}, Phase.UPDATED),
        ("lasting", "suspected", {}, None),
        ("lasting", "corrected", {}, Phase.CORRECTED),
        ("lasting", "corrected", {"confirmed_at": None}, Phase.WITHDRAWN),
        ("lasting", "merged", {}, Phase.WITHDRAWN),
        ("lasting", "ended", {"ended_at": LIFT}, Phase.RESOLVED),
        ("over", "ended", {"ended_at": LIFT}, None),
        ("over", "corrected", {"ended_at": LIFT}, Phase.CORRECTED),
        ("over", "reopened", {}, Phase.UPDATED),
        ("over", "withdrawn", {"ended_at": LIFT}, Phase.WITHDRAWN),
        ("withdrawn", "dismissed", {}, None),
        ("withdrawn", "confirmed", {}, Phase.FIRING),
    ],
)
def test_what_is_told_follows_from_what_was_told(
    before: Told, change: str, facts: dict[str, Any], phase: Phase | None
) -> None:
    said = transition(change, changed(**facts), correction=change == "corrected")
    assert phase_of(changed(**facts), [said], before) is phase


def test_nobody_is_woken_by_a_correction_of_seconds() -> None:
    assert facts_of(NATIONAL) == facts_of(changed(onset=ONSET + 4, votes=60))
    for more in ({"onset": ONSET + 120}, {"ended_at": LIFT}, {"networks": (TURK,)}, {"services": {"x.web": "full"}}):
        assert facts_of(NATIONAL) != facts_of(changed(**more))
