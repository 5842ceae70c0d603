"""A case is judged the same with other details, and a server's odd manners are nobody's censorship."""

import pytest

from probe.lab.accuracy import run_case
from probe.lab.cases import CASES, VARIANTS
from probe.lab.cases.case import ADDRESSES, NAME, SITE
from probe.lab.cases.variants import Variant
from probe.lab.interference import NameFilter
from probe.lab.model import Site


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_a_variant_changes_its_details_and_nothing_else(variant: Variant) -> None:
    case = variant.of(CASES["sni-reset"])
    assert case is not None
    assert (case.expected, case.name) == (CASES["sni-reset"].expected, f"sni-reset/{variant.name}")
    assert case.targets == (f"https://{variant.host}/",)
    assert case.sites == (Site(name=variant.host, addresses=variant.addresses, content=SITE.content),)
    assert case.interferences == (NameFilter(names=(variant.host,), action="reset"),)
    assert case.options == variant.options


def test_most_cases_have_every_variant_and_platforms_none() -> None:
    for variant in VARIANTS.values():
        made = [case.name for case in CASES.values() if variant.of(case) is not None]
        assert len(made) > 0.8 * len(CASES)
        assert not [name for name in made if name.startswith(("whatsapp", "telegram", "facebook"))]
        assert variant.except_for <= CASES.keys()


def test_an_address_that_a_recipe_names_is_the_variants_too() -> None:
    lone = VARIANTS["one-address"].of(CASES["dns-other-cdn-node"])
    assert lone is not None
    assert lone.sites[0].published == ADDRESSES[:1]
    assert ADDRESSES[1] not in lone.sites[0].addresses
    assert NAME not in repr(VARIANTS["catalogue-host"].of(CASES["dns-ad-blocker"]))


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("sni-reset", "one-address"),
        ("ip-reset", "four-addresses"),
        ("dns-bogon", "catalogue-host"),
        ("tls-interception", "light"),
        ("http-reset", "deep"),
    ],
)
def test_a_variant_is_judged_as_its_case_is(name: str, variant: str) -> None:
    case = VARIANTS[variant].of(CASES[name])
    assert case is not None
    result = run_case(case, with_expectations=True)
    assert not result.wrong, f"expected {result.expected}, got {result.got}: {result.wrong}"
