from pathlib import Path

import pytest

from probe.catalogue.model import CatalogueError, Tables
from probe.catalogue.tables import load_tables

ZONES = "zones: {source: s, countries: {NO: [Europe/Oslo]}}\n"


def load(tmp_path: Path, text: str) -> Tables:
    file = tmp_path / "tables.yaml"
    file.write_text(text)
    return load_tables(file)


def test_operators_that_share_a_network_are_one_and_the_first_name_holds(tmp_path: Path) -> None:
    tables = load(
        tmp_path,
        "operators:\n"
        "  - {country: TR, asns: {1: One, 2: Two}, source: s}\n"
        "  - {country: TR, asns: {3: Three, 4: Four}, source: s}\n"
        "  - {country: TR, asns: {5: Alone}, source: s}\n"
        "  - {country: TR, asns: {4: Fourth, 2: Second}, source: s}\n" + ZONES,
    )
    assert tables.siblings == (frozenset({1, 2, 3, 4}),)
    assert tables.networks == {1: "One", 2: "Two", 3: "Three", 4: "Four", 5: "Alone"}
    assert tables.zones == {"NO": ("Europe/Oslo",)}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("operators: [{country: TR, asns: {}, source: s}]\n" + ZONES, "tables.yaml: operators[0].asns: "),
        (
            "operators: [{country: TR, asns: {AS9: a}, source: s}]\n" + ZONES,
            "tables.yaml: operators[0].asns: a key: expected a whole number",
        ),
        (
            "operators: [{country: tr, asns: {9: a}, source: s}]\n" + ZONES,
            "tables.yaml: operators[0].country: expected text of two capital letters",
        ),
        (
            "operators: [{country: TR, asns: {9: a}}]\n" + ZONES,
            "tables.yaml: operators[0]: the key 'source' is missing",
        ),
        ("operators: []\n", "tables.yaml: the key 'zones' is missing"),
        ("operators: []\nzones: {source: s, countries: {NO: []}}\n", "tables.yaml: zones.countries"),
    ],
)
def test_a_fault_names_the_place_and_the_reason(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(fault)
