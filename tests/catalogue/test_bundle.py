"""A catalogue as one document: whole when packed, lenient when read, and never about a private network."""

import contextlib
import datetime as dt
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.catalogue.bundle import LARGEST, MOST_FILES, Unpacked, decode_bundle, packed, unpacked
from probe.catalogue.bundle_sieve import MOST_NODES
from probe.catalogue.fingerprints import load_fingerprints
from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.catalogue.model import CatalogueError
from probe.catalogue.tables import load_tables
from probe.catalogue.targets import NotPublic
from probe.wire.signed import CatalogueBundle

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
SHIPPED = default_catalogue_path()
WHOLE = packed(SHIPPED, NOW, NOW)

INFRASTRUCTURE = """\
anchors: [{url: "https://example.com/", operator: IANA, source: made up, conf: M}]
resolvers: [{operator: One, url: "https://one.example/q", addresses: [1.1.1.1], source: made up, conf: M}]
neutral: [{name: example.com, source: made up}]
"""
SHOP = """\
id: shop
name: Shop
services:
  web:
    endpoints:
      - {url: "https://shop.example/", source: made up, conf: M}
"""


def bundle(platform: str = SHOP, **files: str) -> CatalogueBundle:
    """`files` by name with `__` for `/` and without suffix."""
    named = {f"{name.replace('__', '/')}.yaml": text for name, text in files.items()}
    all_files = {"platforms/shop.yaml": platform, "infrastructure.yaml": INFRASTRUCTURE, **named}
    return CatalogueBundle(version="1", made_at=NOW, expires_at=NOW, files=all_files)


def urls(result: Unpacked) -> list[str]:
    return [endpoint.url for endpoint in result.catalogue.endpoints()]


def test_the_shipped_catalogue_goes_there_and_back_whole() -> None:
    result = unpacked(decode_bundle(msgspec.json.encode(WHOLE)))
    shipped = load_catalogue(SHIPPED)
    assert result.skipped == ()
    assert msgspec.structs.replace(result.catalogue, version=shipped.version) == shipped
    assert result.fingerprints == load_fingerprints(SHIPPED / "fingerprints.yaml")
    assert result.tables == load_tables(SHIPPED / "tables.yaml")


def test_a_folder_gets_what_it_lacks_from_the_shipped_catalogue(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP)
    result = unpacked(packed(tmp_path, NOW, NOW))
    assert urls(result) == ["https://shop.example/"]
    assert result.catalogue.infrastructure == load_catalogue(SHIPPED).infrastructure
    assert result.fingerprints


def test_equal_files_have_equal_versions_and_others_another(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP)
    first = packed(tmp_path, NOW, NOW).version
    assert packed(tmp_path, NOW + dt.timedelta(days=1), NOW).version == first
    (tmp_path / "shop.yaml").write_text(f"{SHOP}# more\n")
    assert packed(tmp_path, NOW, NOW).version != first


def test_packing_is_strict(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP.replace("name: Shop", "nam: Shop"))
    with pytest.raises(CatalogueError, match=r"shop\.yaml: unknown key 'nam'"):
        packed(tmp_path, NOW, NOW)


@pytest.mark.parametrize(
    ("platform", "skipped"),
    [
        (f"{SHOP}colour: red\n", "platforms/shop.yaml: unknown key 'colour'"),
        (SHOP.replace("  web:\n", "  web:\n    weight: 3\n"), "services.web: unknown key 'weight'"),
        (SHOP.replace("conf: M}", "conf: M, mood: good}"), "endpoints[0]: unknown key 'mood'"),
        (f'{SHOP}      - {{url: "masque://shop.example/", source: x, conf: M}}\n', "unknown scheme 'masque'"),
        (f'{SHOP}      - {{url: "https://b.example/", method: BREW, source: x, conf: M}}\n', "'BREW' is none of"),
        (f'{SHOP}      - {{url: "https://b.example/", roots: unknown, source: x, conf: M}}\n', "roots/unknown.pem"),
        (f"{SHOP}      - just text\n", "endpoints[1]: not a mapping"),
        (f"{SHOP}  odd:\n    endpoints: []\n", "services.odd: no endpoint is left"),
    ],
)
def test_what_a_probe_does_not_know_is_left_out_and_named(platform: str, skipped: str) -> None:
    result = unpacked(bundle(platform))
    assert urls(result) == ["https://shop.example/"]
    assert [line for line in result.skipped if skipped in line], result.skipped
    assert len(result.skipped) == 1


def test_platforms_and_files_that_cannot_be_read_are_left_out_and_named() -> None:
    files = {"platforms__broken": "a: [", "platforms__nameless": "id: nameless\n", "notes": "hello", "roots__x": ""}
    result = unpacked(bundle(**files))
    assert [platform.id for platform in result.catalogue.platforms] == ["shop"]
    named = (
        "platforms/broken.yaml",
        "platforms/nameless.yaml",
        "notes.yaml: unknown file",
        "roots/x.yaml: unknown file",
    )
    assert all(any(line.startswith(name) for line in result.skipped) for name in named), result.skipped


def test_markers_and_tables_that_are_not_known_are_left_out() -> None:
    good = "{name: a, location: dns, pattern_type: full, pattern: 195.175.254.2, scope: nat, source: x}"
    rows = f"fingerprints:\n  - {good}\n  - {{name: b, location: moon, scope: nat}}\n"
    result = unpacked(bundle(fingerprints=rows, tables="planets: []"))
    assert [marker.name for marker in result.fingerprints] == ["a"]
    assert result.tables.networks == {}
    assert len(result.skipped) == 2


def test_infrastructure_may_grow_but_not_be_missing() -> None:
    more = 'trees: [oak]\nanchors:\n  - {url: "gopher://a.example/", operator: x, source: x, conf: M}\n'
    grown = INFRASTRUCTURE.replace("anchors: [", "anchors: [{url: 'gopher://a.example/'}, ", 1) + "trees: [oak]\n"
    result = unpacked(bundle(infrastructure=grown))
    assert [anchor.url for anchor in result.catalogue.infrastructure.anchors] == ["https://example.com/"]
    assert len(result.skipped) == 2
    for lacking in (more, "", INFRASTRUCTURE.replace("neutral", "neutrals")):
        with pytest.raises(CatalogueError, match=r"^infrastructure\.yaml"):
            unpacked(bundle(infrastructure=lacking))


PRIVATE = [
    "127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "[::1]", "[fe80::1]", "[fd00::1]", "100.64.0.1",
    "0.0.0.0", "224.0.0.1", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "localhost", "router.local",
    "metadata.google.internal", "intranet", "nas.home.arpa", "x.localhost", "LOCALHOST", "localhost.",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_a_bundle_that_names_a_private_network_is_refused_whole(host: str) -> None:
    endpoint = f'{SHOP}      - {{url: "https://{host}/", source: x, conf: M}}\n'
    anchor = INFRASTRUCTURE.replace("https://example.com/", f"https://{host}/")
    for each in (bundle(endpoint), bundle(infrastructure=anchor)):
        with pytest.raises(NotPublic, match=r"not a public (address|name)"):
            unpacked(each)


@pytest.mark.parametrize("address", ["192.168.1.1", "::1", "fe80::1%eth0", "10.0.0.1"])
def test_a_resolver_at_a_private_address_refuses_the_bundle(address: str) -> None:
    with pytest.raises(NotPublic):
        unpacked(bundle(infrastructure=INFRASTRUCTURE.replace("1.1.1.1", f'"{address}"')))


@pytest.mark.parametrize("spelling", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.1.", "１２７.0.0.1"])
def test_no_spelling_of_a_loopback_address_gets_through(spelling: str) -> None:
    endpoint = f'{SHOP}      - {{url: "https://{spelling}/", source: x, conf: M}}\n'
    with contextlib.suppress(NotPublic):
        assert urls(unpacked(bundle(endpoint))) == ["https://shop.example/"]


@pytest.mark.parametrize(
    "files",
    [
        {f"platforms__p{number}": "" for number in range(MOST_FILES)},
        {"platforms__big": "#" * LARGEST},
        {"infrastructure": "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(8))},
    ],
    ids=["files", "characters", "aliases"],
)  # fmt: skip
def test_what_is_too_large_is_refused_before_it_costs_anything(files: dict[str, str]) -> None:
    with pytest.raises(CatalogueError, match=f"more than|larger than|{MOST_NODES}"):
        unpacked(bundle(**files))


def test_a_bundle_without_anything_to_test_is_refused() -> None:
    with pytest.raises(CatalogueError, match="no platform that can be tested"):
        unpacked(bundle("id: shop\n"))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["platforms/a.yaml", "infrastructure.yaml", "roots/a.pem", "x"]), st.text()))
def test_rubbish_is_refused_and_breaks_nothing(files: dict[str, str]) -> None:
    with pytest.raises(CatalogueError):
        unpacked(CatalogueBundle(version="1", made_at=NOW, expires_at=NOW, files=files))
