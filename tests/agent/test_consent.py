"""Nothing is sent before the owner has read and agreed; and what they read is whole."""

import hashlib
from pathlib import Path

import pytest

from probe.agent import consent_text
from probe.agent.consent import (
    Consent,
    ConsentError,
    consented,
    read_consent,
    record_consent,
    require_consent,
    withdraw_consent,
)
from probe.agent.consent_countries import note
from probe.agent.contacts import agreed_only, contacts
from probe.agent.durable import StateError
from probe.catalogue.loader import default_catalogue_path, load_catalogue

from .publishing import NOW

SHIPPED = load_catalogue(default_catalogue_path())

# Whoever changes what the text means raises VERSION, and everybody is asked again. Whoever only mends a word may put
# the new digest here alone.
DIGESTS = {"1": "6421915fb8db42a1"}


def text(collector: str | None = "https://c.example", country: str | None = None) -> str:
    return "\n".join("\n".join((s.title, *s.paragraphs)) for s in consent_text.sections(SHIPPED, collector, country))


def test_the_text_does_not_change_without_its_version() -> None:
    whole = "\n".join("\n".join((section.title, *section.paragraphs)) for section in consent_text.STATIC)
    assert DIGESTS[consent_text.VERSION] == hashlib.sha256(whole.encode()).hexdigest()[:16]


def test_the_text_names_every_platform_and_everybody_else_who_is_contacted() -> None:
    said, infrastructure = text(), SHIPPED.infrastructure
    operators = {resolver.operator for resolver in infrastructure.resolvers}
    operators |= {page.operator for page in infrastructure.traces}
    operators |= {name.operator for name in infrastructure.whoami}
    operators |= {anchor.operator for anchor in infrastructure.anchors if anchor.country is None}
    operators |= {zone.operator for zone in infrastructure.origins}
    names = {platform.name for platform in SHIPPED.platforms} | operators | set(infrastructure.neutral)
    assert [name for name in names if name not in said] == []


@pytest.mark.parametrize(
    "word", ["provider", "recorded", "IP address", "risk", "budget", "probe leave", "24 hours", "collector", "VPN"]
)
def test_the_text_speaks_of_what_matters(word: str) -> None:
    assert word in text()


def test_who_sees_the_results_depends_on_the_collector() -> None:
    assert "https://c.example" in text("https://c.example")
    assert "nothing is sent to one" in text(None)
    assert "published" not in text(None).split("What risk")[0]


@pytest.mark.parametrize(
    "country", ["TR", "IR", "RU", "CN", "IN", "ID", "PK", "VE", "UG", "ET", "MM", "KE", "EG", "VN", "BY"]
)
def test_countries_that_block_have_a_note_that_claims_no_certainty(country: str) -> None:
    words = note(country)
    assert words is not None
    assert words[0] in text(country=country.lower())
    assert "no legal advice" in words[-1]


def test_a_country_without_a_note_changes_nothing() -> None:
    assert text(country="CH") == text()


def test_consent_is_to_one_version_of_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not consented(tmp_path)
    with pytest.raises(ConsentError, match=r"no consent is recorded .* `probe setup`"):
        require_consent(tmp_path)
    given = record_consent(tmp_path, NOW, "terminal", ("b", "a"), "https://c.example")
    assert require_consent(tmp_path) == given == read_consent(tmp_path)
    assert given == Consent(
        agreed_at=NOW, text=consent_text.VERSION, by="terminal", contacts=("a", "b"), collector="https://c.example"
    )
    monkeypatch.setattr("probe.agent.consent.VERSION", "next")
    assert not consented(tmp_path)
    with pytest.raises(ConsentError, match="has changed since"):
        require_consent(tmp_path)


def test_consent_can_be_withdrawn(tmp_path: Path) -> None:
    record_consent(tmp_path, NOW, "accept-risks", ())
    withdraw_consent(tmp_path)
    assert not consented(tmp_path)
    withdraw_consent(tmp_path)


@pytest.mark.parametrize("broken", ["", "{}", "[1]", '{"agreed_at": "soon", "text": "1", "by": "me"}'])
def test_a_record_that_cannot_be_read_is_no_consent(broken: str, tmp_path: Path) -> None:
    (tmp_path / "consent.json").write_text(broken)
    assert not consented(tmp_path)
    with pytest.raises(StateError, match=r"consent\.json: broken: run `probe setup`"):
        read_consent(tmp_path)
    with pytest.raises(ConsentError):
        require_consent(tmp_path)


def test_everything_of_the_infrastructure_is_a_contact() -> None:
    known = contacts(SHIPPED.infrastructure)
    assert {"1.1.1.1", "dns.google", "captive.apple.com", "example.com", "origin.asn.cymru.com"} <= known
    assert agreed_only(SHIPPED.infrastructure, known) == (SHIPPED.infrastructure, ())


def test_an_entry_with_one_contact_that_nobody_agreed_to_is_left_out() -> None:
    known = contacts(SHIPPED.infrastructure) - {"8.8.4.4"}
    kept, strange = agreed_only(SHIPPED.infrastructure, known)
    assert strange == ("8.8.4.4",)
    assert "Google" not in {resolver.operator for resolver in kept.resolvers}
