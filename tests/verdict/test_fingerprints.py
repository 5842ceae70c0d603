"""Which marker is proof, which is a hint, and which is none."""

from typing import Any

import msgspec
import pytest

from probe.catalogue.model import Fingerprint
from probe.verdict.fingerprints import Fingerprints, concludes
from probe.verdict.known import Known
from probe.wire.measurement import Measurement

from .records import (
    ALONE,
    FIT,
    NOTICE,
    NXDOMAIN,
    STRANGER,
    WORKS,
    connect,
    http,
    https,
    known,
    lookup,
    measured,
    page,
    reply,
    says,
    verdict,
)

INCONCLUSIVE_SCOPES = ["fp", "prod", "vbw", "inst", "injb", "prov"]


def marks(*rows: Fingerprint) -> Known:
    return known(fingerprints=Fingerprints(rows), public=False, domains=())


def row(scope: str, location: str = "body", pattern: str = "Notice of the ministry", **more: Any) -> Fingerprint:
    facts: dict[str, Any] = {"name": f"m-{scope}", "pattern_type": "contains", "source": "test"}
    return Fingerprint(scope=scope, location=location, pattern=pattern, **facts | more)


def notice(**more: Any) -> Measurement:
    return http("site.example", page("http://site.example/", body=b"<p>Notice of the ministry", **more))


@pytest.mark.parametrize("scope", INCONCLUSIVE_SCOPES)
def test_a_page_with_a_marker_that_proves_nothing_is_not_blocked(scope: str) -> None:
    assert says(notice(), marks(row(scope))) == "inconclusive"


@pytest.mark.parametrize("scope", INCONCLUSIVE_SCOPES)
def test_an_answer_with_a_marker_that_proves_nothing_is_not_blocked(scope: str) -> None:
    mark = row(scope, "dns", STRANGER, pattern_type="full")
    seen = measured("https://site.example/", lookup("site.example", (STRANGER,)), connect(STRANGER))
    assert says(seen, marks(mark)) == "inconclusive"


@pytest.mark.parametrize("scope", ["nat", "isp"])
def test_a_national_or_isp_marker_is_proof(scope: str) -> None:
    found = verdict(notice(), marks(row(scope)))
    assert (found.technique, found.scope) == ("http-blockpage", None)
    assert f"m-{scope}" in found.evidence[0].text


def test_an_opt_in_filter_keeps_its_scope_on_pages_too() -> None:
    assert verdict(notice(), marks(row("opt-in"))).scope == "opt-in"


def test_a_known_false_positive_overrules_every_other_marker() -> None:
    assert says(notice(), marks(row("nat", confidence=10), row("fp", confidence=1))) == "inconclusive"


def test_a_marker_below_the_least_confidence_is_no_proof() -> None:
    assert not concludes(row("nat", confidence=2))
    assert concludes(row("nat", confidence=3))
    assert says(notice(), marks(row("nat", confidence=0))) == "inconclusive"


@pytest.mark.parametrize("scope", ["nat", "isp", "opt-in"])
def test_over_valid_tls_no_marker_is_matched(scope: str) -> None:
    seen = measured(
        "https://x.com/",
        lookup("x.com", ("104.244.42.1",)),
        *https().steps[2:4],
        page("https://x.com/", body=b"Notice of the ministry"),
    )
    assert says(seen, marks(row(scope))) == "ok"
    assert says(seen, known(WORKS, fingerprints=Fingerprints([row(scope)]))) == "ok"


@pytest.mark.parametrize(
    ("mark", "got"),
    [
        (row("nat", "title", "Blocked", pattern_type="full"), {"title": "Blocked"}),
        (row("nat", "header.Location", "http://notice.", pattern_type="prefix"), {"headers": (("location", "http://notice.isp"),)}),
        (row("nat", "header.via", "1.0 middlebox", pattern_type="full"), {"headers": (("Via", "1.0 middlebox"),)}),
        (row("nat", "url", "http://notice.isp/", pattern_type="prefix"), {"status": 302, "location": "http://notice.isp/?u=1"}),
        (row("nat", "status", "451", pattern_type="full"), {"status": 451}),
        (row("nat", "body", r"policy-\d+ of", pattern_type="regexp"), {"body": b"x\npolicy-17 of\n"}),
    ],
    ids=["title", "location-header", "via", "redirect", "status", "regexp"],
)  # fmt: skip
def test_a_marker_is_looked_for_where_it_says(mark: Fingerprint, got: dict[str, Any]) -> None:
    assert says(http("site.example", page("http://site.example/", **got)), marks(mark)) == "blocked http-blockpage"
    assert says(http("site.example", page("http://site.example/")), marks(mark)) == "inconclusive"


def test_an_address_is_compared_as_an_address_and_a_name_without_case_and_final_dot() -> None:
    index = Fingerprints(
        [
            row("nat", "dns", "d0::11", pattern_type="full"),
            row("isp", "dns", "internet-positif.org", pattern_type="full"),
        ]
    )
    assert index.of_answer(["00d0:0:0::11"]) is not None
    assert index.of_answer(["Internet-Positif.org."]) is not None
    assert index.of_answer(["other.org", "1.2.3.4"]) is None


def test_a_marker_among_the_cnames_of_the_answer_counts() -> None:
    index = Fingerprints([row("isp", "dns", "internet-positif.org", pattern_type="full")])
    asked = lookup("x.com", (STRANGER,), replies=(reply(STRANGER, cnames=("internet-positif.org",)),))
    seen = measured("https://x.com/", asked, connect(STRANGER, "connection_refused"))
    assert says(seen, known(fingerprints=index)) == "blocked dns-forged"


def test_this_countrys_marker_is_told_before_anothers() -> None:
    index = Fingerprints([row("nat", countries=("MM",), name="far"), row("nat", countries=("TR",), name="near")])
    found = index.of_page(page("http://x.com/", body=b"Notice of the ministry"), "TR")
    assert found is not None
    assert found.name == "near"


def test_a_broken_pattern_matches_nothing() -> None:
    assert says(notice(), marks(row("nat", pattern="(", pattern_type="regexp"))) == "inconclusive"


def test_the_usual_answer_of_a_rewriting_resolver_is_no_marker() -> None:
    """On some lines the notice server is the answer to every name that does not exist."""
    rewriting = msgspec.structs.replace(FIT, rewrite=(NOTICE,))
    gone = https("gone.example", dns=(NOTICE,), true=NXDOMAIN, tcp="connection_refused", around=rewriting)
    assert says(gone, ALONE) == "down"
