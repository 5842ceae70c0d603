from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.catalogue.fingerprints import CAUTION, encode_fingerprints, load_fingerprints, merge_fingerprints
from probe.catalogue.model import CatalogueError, Fingerprint

ROW = "{name: n, location: dns, pattern_type: full, pattern: 195.175.254.2, scope: nat, source: s}"


def load(tmp_path: Path, text: str) -> tuple[Fingerprint, ...]:
    file = tmp_path / "f.yaml"
    file.write_text(text)
    return load_fingerprints(file)


def marker(**changes: object) -> Fingerprint:
    fields = {
        "name": "n",
        "location": "body",
        "pattern_type": "contains",
        "pattern": "p",
        "scope": "nat",
        "source": "s",
    }
    return Fingerprint(**{**fields, **changes})  # type: ignore[arg-type]


def test_one_entry_may_hold_several_patterns(tmp_path: Path) -> None:
    text = f"fingerprints: [{ROW.replace('pattern: 195.175.254.2', 'patterns: [192.0.2.1, A.Example.]')}]"
    assert [(f.name, f.pattern) for f in load(tmp_path, text)] == [("n-1", "192.0.2.1"), ("n-2", "a.example")]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"fingerprints: [{ROW[:-1]}, asn: 3}}]", "f.yaml: fingerprints[0]: unknown key 'asn'"),
        (
            f"fingerprints: [{ROW.replace('nat', 'national')}]",
            "f.yaml: fingerprints[0].scope: 'national' is none of its values",
        ),
        (
            f"fingerprints: [{ROW.replace('dns', 'header')}]",
            "f.yaml: fingerprints[0].location: expected text that is dns, body",
        ),
        (
            f"fingerprints: [{ROW.replace('pattern: 195.175.254.2, ', '')}]",
            "f.yaml: fingerprints[0]: the key 'pattern' or 'patterns' is missing",
        ),
        (
            "fingerprints: [{name: n, location: body, pattern_type: regexp, pattern: '(', scope: nat, source: s}]",
            "f.yaml: fingerprints[0]: the pattern is no regular expression",
        ),
        (
            "fingerprints: [{name: n, location: body, pattern_type: contains, pattern: '', scope: nat, source: s}]",
            "f.yaml: fingerprints[0]: the pattern is empty",
        ),
        (
            f"fingerprints: [{ROW[:-1]}, countries: [Turkey]}}]",
            "f.yaml: fingerprints[0].countries[0]: expected text of two capital letters",
        ),
        (
            f"fingerprints: [{ROW[:-1]}, confidence: 11}}]",
            "f.yaml: fingerprints[0].confidence: expected a whole number <= 10",
        ),
        ('{"fingerprints": [', "f.yaml:1: broken YAML"),
        ("[]", "f.yaml: expected a mapping, got a list"),
    ],
)
def test_a_fault_names_the_file_the_entry_and_the_reason(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(fault)
    assert "\n" not in str(caught.value)


def test_json_nested_without_end_is_refused_and_does_not_crash(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="nested too deeply"):
        load(tmp_path, '{"fingerprints":' * 1_500)


def test_of_two_that_say_the_same_marker_the_more_cautious_is_believed() -> None:
    (merged,) = merge_fingerprints(
        [
            marker(scope="nat", confidence=9, countries=("TR",), asns=(9121,), source="one"),
            marker(name="m", scope="opt-in", confidence=5, countries=("TR", "IR"), asns=(12735,), source="two"),
        ]
    )
    assert merged == marker(scope="opt-in", confidence=5, countries=("TR", "IR"), asns=(9121, 12735), source="one; two")


def test_a_marker_of_everywhere_stays_of_everywhere() -> None:
    (merged,) = merge_fingerprints([marker(countries=("TR",)), marker()])
    assert merged.countries == ()


def test_markers_of_another_place_or_kind_are_not_merged() -> None:
    different = [marker(), marker(location="title"), marker(pattern_type="full"), marker(pattern="q")]
    assert merge_fingerprints(different) == tuple(different)


_MARKERS = st.lists(
    st.builds(
        marker,
        pattern=st.sampled_from(["a", "b\n", 'c"<é>']),
        scope=st.sampled_from(CAUTION),
        confidence=st.integers(0, 10),
        countries=st.lists(st.sampled_from(["TR", "NO"]), unique=True).map(tuple),
        source=st.sampled_from(["one", "two"]),
    ),
    max_size=6,
)


@given(_MARKERS)
def test_what_is_written_is_read_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, found: list[Fingerprint]
) -> None:
    file = tmp_path_factory.mktemp("f") / "f.json"
    merged = merge_fingerprints(found)
    file.write_bytes(encode_fingerprints(merged))
    assert load_fingerprints(file) == merged


@given(_MARKERS)
def test_merging_again_changes_nothing_and_never_accuses_more(found: list[Fingerprint]) -> None:
    merged = merge_fingerprints(found)
    assert merge_fingerprints(merged) == merged
    for one in found:
        (kept,) = [m for m in merged if m.pattern == one.pattern]
        assert CAUTION.index(kept.scope) <= CAUTION.index(one.scope)
        assert kept.confidence <= one.confidence
