"""When a whole round cannot speak about anybody but the probe's own network."""

import msgspec
import pytest

from probe.verdict.surroundings import judge_surroundings
from probe.wire.measurement import AnchorSeen, Surroundings
from probe.wire.vocabulary import Outcome, Void

from .records import FIT, FORGED, RESET, RIGHT, TIMEOUT, https, says, verdict

GSTATIC, FIREFOX, EXAMPLE, IANA = RIGHT
DOMESTIC = AnchorSeen(url="http://e-devlet.example/", operator="TR", seen="right", country="TR")


def seen(anchor: AnchorSeen, what: str, **more: str) -> AnchorSeen:
    return msgspec.structs.replace(anchor, seen=what, **more)


def reason(*anchors: AnchorSeen) -> Void | None:
    void = judge_surroundings(Surroundings(anchors=anchors))
    return void[0] if void else None


SILENT = [seen(anchor, "silent", failure=TIMEOUT) for anchor in RIGHT]
PORTAL = [seen(anchor, "wrong") for anchor in (GSTATIC, FIREFOX)]
INTERCEPTED = [seen(anchor, "wrong", issuer="CN=Antivirus") for anchor in (EXAMPLE, IANA)]


def test_no_look_around_voids_nothing() -> None:
    assert judge_surroundings(None) is None
    assert reason() is None


def test_anchors_that_answer_rightly_void_nothing() -> None:
    assert reason(*RIGHT, DOMESTIC) is None


def test_all_silent_is_offline() -> None:
    assert reason(*SILENT) is Void.OFFLINE
    assert reason(*SILENT, seen(DOMESTIC, "silent", failure=TIMEOUT)) is Void.OFFLINE


def test_only_domestic_ones_is_a_cut_to_the_outside() -> None:
    assert reason(*SILENT, DOMESTIC) is Void.INTERNATIONAL_CUT


def test_most_wrong_is_a_portal() -> None:
    assert reason(*PORTAL, seen(EXAMPLE, "wrong", issuer="CN=portal"), seen(IANA, "silent")) is Void.CAPTIVE_PORTAL


@pytest.mark.parametrize("anchor", RIGHT, ids=lambda anchor: anchor.operator)
def test_one_wrong_is_no_more_than_a_note(anchor: AnchorSeen) -> None:
    others = [other for other in RIGHT if other is not anchor]
    assert reason(seen(anchor, "wrong", issuer="CN=Censor"), *others) is None


def test_one_silent_is_nothing() -> None:
    assert reason(SILENT[0], *RIGHT[1:]) is None


def test_two_neutral_names_with_one_unknown_issuer_is_local_interception() -> None:
    assert reason(GSTATIC, FIREFOX, *INTERCEPTED) is Void.LOCAL_INTERCEPTION


def test_one_neutral_name_with_a_valid_certificate_speaks_against_local_interception() -> None:
    assert reason(GSTATIC, FIREFOX, INTERCEPTED[0], IANA) is None


def test_two_issuers_are_no_one_interceptor() -> None:
    assert reason(GSTATIC, FIREFOX, INTERCEPTED[0], seen(IANA, "wrong", issuer="CN=Other")) is not (
        Void.LOCAL_INTERCEPTION
    )


def test_on_an_unfit_network_nothing_is_blocked() -> None:
    portal = msgspec.structs.replace(FIT, anchors=(*PORTAL, *INTERCEPTED))
    found = verdict(https(tls=FORGED, around=portal))
    assert (found.outcome, found.void, found.techniques) == (Outcome.VOID, Void.CAPTIVE_PORTAL, ())
    antivirus = msgspec.structs.replace(FIT, anchors=(GSTATIC, FIREFOX, *INTERCEPTED))
    assert verdict(https(tls=FORGED, around=antivirus)).void is Void.LOCAL_INTERCEPTION


def test_all_silent_and_yet_a_valid_certificate_is_no_offline_network() -> None:
    silent = msgspec.structs.replace(FIT, anchors=tuple(SILENT))
    assert says(https(around=silent)) == "ok"
    assert verdict(https(tls=RESET, around=silent)).void is Void.OFFLINE


def test_a_void_names_what_was_seen() -> None:
    found = verdict(https(around=msgspec.structs.replace(FIT, anchors=(*SILENT, DOMESTIC))))
    assert found.evidence[0].rule == "void-international-cut"
    assert TIMEOUT in found.evidence[0].text
