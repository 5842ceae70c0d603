import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.catalogue import reading
from probe.catalogue.loader import CatalogueFaults, default_catalogue_path, load_catalogue
from probe.catalogue.model import CatalogueError

GOOD = """\
id: x
name: X
domains: [x.com, t.co]
services:
  web:
    endpoints:
      - url: https://x.com/
        source: somebody's list
        conf: C
"""

INFRASTRUCTURE = """\
anchors:
  - {url: "http://anchor.example.net/", operator: one, status: 204, source: s, conf: D}
resolvers:
  - {operator: two, url: "https://dns.example.net/dns-query", addresses: [1.1.1.1], source: s, conf: D}
neutral:
  - {name: Example.com, source: s}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "platforms").mkdir()
    (tmp_path / "roots").mkdir()
    (tmp_path / "platforms" / "x.yaml").write_text(GOOD)
    (tmp_path / "infrastructure.yaml").write_text(INFRASTRUCTURE)
    return tmp_path


def faults(path: Path) -> tuple[str, ...]:
    with pytest.raises(CatalogueFaults) as caught:
        load_catalogue(path)
    return caught.value.faults


def endpoint(**keys: object) -> str:
    """A platform's file whose second endpoint has the keys."""
    lines = "".join(f"        {key}: {value}\n" for key, value in keys.items())
    return f"{GOOD}      -\n{lines}"


def test_a_folder_of_its_own_is_read_whole(folder: Path) -> None:
    catalogue = load_catalogue(folder)
    (found,) = catalogue.endpoints()
    assert (found.platform, found.service, found.url, found.confidence) == ("x", "web", "https://x.com/", "C")
    assert catalogue.platforms[0].domains == ("x.com", "t.co")
    assert catalogue.infrastructure.anchors[0].status == 204
    assert catalogue.infrastructure.resolvers[0].addresses == ("1.1.1.1",)
    assert catalogue.infrastructure.neutral == ("example.com",)


def test_a_single_file_takes_what_it_lacks_from_the_shipped_catalogue(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"{GOOD}        roots: signal\n")
    catalogue = load_catalogue(file)
    shipped = load_catalogue(default_catalogue_path())
    assert [platform.id for platform in catalogue.platforms] == ["x"]
    assert catalogue.infrastructure == shipped.infrastructure
    assert catalogue.roots == shipped.roots


def test_a_folder_of_platform_files_takes_what_it_lacks_from_the_shipped_catalogue(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD)
    (tmp_path / "two.yml").write_text(GOOD.replace("id: x", "id: y"))
    catalogue = load_catalogue(tmp_path)
    assert {platform.id for platform in catalogue.platforms} == {"x", "y"}
    assert catalogue.infrastructure.resolvers


def test_the_version_is_that_of_the_content_and_not_of_the_place(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert load_catalogue(copy).version == load_catalogue(folder).version
    (copy / "platforms" / "x.yaml").write_text(GOOD.replace("conf: C", "conf: D"))
    assert load_catalogue(copy).version != load_catalogue(folder).version


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"{GOOD}sample: 3\n", "platforms/x.yaml: unknown key 'sample': the keys are id, name, services, domains"),
        (
            endpoint(url="https://x.com/a", source="s", conf="C", health="[200]"),
            "platforms/x.yaml: services.web.endpoints[1]: unknown key 'health': "
            "the keys are url, source, conf, group, method, healthy, roots, note",
        ),
        (
            endpoint(url="https//x.com", source="s", conf="C"),
            "platforms/x.yaml: services.web.endpoints[1].url: 'https//x.com': "
            "malformed URL: it must begin with a scheme, such as https://",
        ),
        (
            endpoint(url="https://192.168.0.1/", source="s", conf="C"),
            "platforms/x.yaml: services.web.endpoints[1].url: 'https://192.168.0.1/': 192.168.0.1 is not a public "
            "address: private, loopback and link-local ones are never tested",
        ),
        (
            endpoint(url="https://X.com:443", source="s", conf="C"),
            "platforms/x.yaml: services.web.endpoints[1].url: duplicate endpoint https://x.com/, "
            "also at services.web.endpoints[0]",
        ),
        (
            endpoint(url="https://x.com/a", conf="C"),
            "platforms/x.yaml: services.web.endpoints[1]: the key 'source' is missing",
        ),
        (
            endpoint(url="https://x.com/a", source="s", conf="X"),
            "platforms/x.yaml: services.web.endpoints[1].conf: 'X' is none of its values: D, C, M",
        ),
        (
            endpoint(url="https://x.com/a", source=3, conf="C"),
            "platforms/x.yaml: services.web.endpoints[1].source: expected text, got a whole number",
        ),
        (
            endpoint(url="https://x.com/a", source="s", conf="C", healthy="[20]"),
            "platforms/x.yaml: services.web.endpoints[1].healthy[0]: expected a whole number >= 100",
        ),
        (
            endpoint(url="tcp://x.com:5222", source="s", conf="C", healthy="[200]"),
            "platforms/x.yaml: services.web.endpoints[1].healthy: only http:// and https:// have a status",
        ),
        (
            endpoint(url="tls://x.com:443", source="s", conf="C", method="POST"),
            "platforms/x.yaml: services.web.endpoints[1].method: only http:// and https:// have a method",
        ),
        (
            endpoint(url="http://x.com/", source="s", conf="C", roots="own"),
            "platforms/x.yaml: services.web.endpoints[1].roots: http: shows no certificate",
        ),
        (
            endpoint(url="https://x.com/a", source="s", conf="C", roots="own"),
            "platforms/x.yaml: services.web.endpoints[1].roots: no file roots/own.pem (there are: none)",
        ),
        (
            endpoint(url="https://x.com/a", source="s", conf="C", group="g")
            + "  api:\n    endpoints:\n      - {url: 'https://api.x.com/', source: s, conf: C, group: g}\n",
            "platforms/x.yaml: services.api.endpoints[0].group: 'g' is a group of the service web already: "
            "a group has one service",
        ),
        (
            GOOD.replace("  web:", "  Web:"),
            "platforms/x.yaml: services: a key: expected text of lower-case letters, digits and hyphens",
        ),
        (
            GOOD.replace("    endpoints", "    sample: 0\n    endpoints"),
            "platforms/x.yaml: services.web.sample: expected a whole number >= 1",
        ),
        (
            GOOD.replace("    endpoints", "    blocked_share: 1.5\n    endpoints"),
            "platforms/x.yaml: services.web.blocked_share: expected a number <= 1.0",
        ),
        ("id: x\nname: X\nservices: {}\n", "platforms/x.yaml: services: a platform needs at least one"),
        (
            "id: x\nname: X\nservices: {web: {endpoints: []}}\n",
            "platforms/x.yaml: services.web.endpoints: a service needs at least one",
        ),
        (
            GOOD.replace("t.co", "'t co'"),
            "platforms/x.yaml: domains[1]: 't co': malformed URL: 't co' cannot be part of a host name",
        ),
        ("- a\n", "platforms/x.yaml: expected a mapping, got a list"),
        ("", "platforms/x.yaml: expected a mapping, got nothing"),
        ("id: x\nname: [\n", "platforms/x.yaml:3: broken YAML: expected the node content, but found '<stream end>'"),
        (
            "id: x\n\tname: X\n",
            "platforms/x.yaml:2: broken YAML: found character '\\t' that cannot start any token "
            "(a tab cannot indent: use spaces)",
        ),
        (
            "id: x\nid: y\n",
            'platforms/x.yaml:2: broken YAML: found duplicate key "id" with value "y" (original value: "x")',
        ),
        ("id: 2020-13-40\n", "platforms/x.yaml: broken YAML: month must be in 1..12"),
        ("id: &a [*b]\n", "platforms/x.yaml:1: broken YAML: found undefined alias 'b'"),
        ("[" * 1000, "platforms/x.yaml: broken YAML: nested too deeply"),
    ],
)
def test_a_fault_names_the_file_the_place_and_the_reason(folder: Path, text: str, fault: str) -> None:
    (folder / "platforms" / "x.yaml").write_text(text)
    assert faults(folder) == (fault,)


def test_bytes_that_are_no_text_are_named_with_their_line(folder: Path) -> None:
    (folder / "platforms" / "x.yaml").write_bytes(GOOD.encode() + b"# \xff\n")
    assert faults(folder) == ("platforms/x.yaml:10: not UTF-8 text: save the file as UTF-8",)


def test_two_files_of_one_id_are_named_both(folder: Path) -> None:
    (folder / "platforms" / "y.yaml").write_text(GOOD)
    assert faults(folder) == ("platforms/y.yaml: id: duplicate id 'x', also in platforms/x.yaml",)


def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "platforms" / "dir.yaml").mkdir()
    assert faults(folder) == ("platforms/dir.yaml: cannot be read: Is a directory",)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("operator: one, status", "operator: one, state", "infrastructure.yaml: anchors[0]: unknown key 'state'"),
        (
            ", status: 204",
            "",
            "infrastructure.yaml: anchors[0]: an http:// anchor needs its known answer: status, body or title",
        ),
        (
            "[1.1.1.1]",
            "[10.0.0.1]",
            "infrastructure.yaml: resolvers[0].addresses[0]: '10.0.0.1' is not a public address",
        ),
        (
            "[1.1.1.1]",
            "[dns.example.net]",
            "infrastructure.yaml: resolvers[0].addresses[0]: 'dns.example.net' is not a public address",
        ),
        (
            "https://dns",
            "http://dns",
            "infrastructure.yaml: resolvers[0].url: 'http://dns.example.net/dns-query': must be https://",
        ),
        (
            "Example.com",
            "localhost",
            "infrastructure.yaml: neutral[0].name: 'localhost': localhost is not a public name",
        ),
    ],
)
def test_a_fault_of_the_infrastructure_names_the_place_and_the_reason(
    folder: Path, old: str, new: str, fault: str
) -> None:
    (folder / "infrastructure.yaml").write_text(INFRASTRUCTURE.replace(old, new))
    assert faults(folder) == (fault,)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must hold certificates in PEM form and no keys"),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "must hold certificates in PEM form and no keys",
        ),
        ("-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n", "a certificate is not valid base64"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "a certificate is not DER inside"),
    ],
)
def test_a_root_that_is_no_certificate_is_refused(folder: Path, text: str, reason: str) -> None:
    (folder / "roots" / "own.pem").write_text(text)
    assert faults(folder) == (f"roots/own.pem: {reason}",)


def test_all_faults_of_all_files_are_told_and_the_first_is_the_text(folder: Path) -> None:
    (folder / "platforms" / "x.yaml").write_text(endpoint(url="ftp://x.com/", source="s", conf="Z"))
    (folder / "platforms" / "y.yaml").write_text("id: y\n")
    (folder / "infrastructure.yaml").write_text("anchors: []\n")
    with pytest.raises(CatalogueFaults) as caught:
        load_catalogue(folder)
    assert [fault.split(":")[0] for fault in caught.value.faults] == [
        "platforms/x.yaml",
        "platforms/y.yaml",
        "infrastructure.yaml",
    ]
    assert str(caught.value) == f"{caught.value.faults[0]} (and 2 more: run `probe catalogue check`)"


def test_a_path_without_a_catalogue_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="no such file or folder"):
        load_catalogue(tmp_path / "nowhere")
    with pytest.raises(CatalogueError, match="holds no platforms: expected one YAML file for each"):
        load_catalogue(tmp_path)


def test_yaml_is_of_version_1_2_with_both_parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "at: 20:30\nNO: off\nn: 052\n"
    expected = {"at": "20:30", "NO": "off", "n": 52}
    assert reading.parse_yaml(text, "f") == expected
    monkeypatch.setattr(reading, "_MOST_OPENINGS", 0)
    assert reading.parse_yaml(text, "f") == expected


def test_flow_style_that_the_quick_parser_does_not_know_is_read_all_the_same() -> None:
    assert reading.parse_yaml("{url: https://x.com/, n: 1}", "f") == {"url": "https://x.com/", "n": 1}


@given(st.text(alphabet=st.sampled_from("a1:-?[]{}&*!|>%@`'\"# \n\t<~\x00é"), max_size=60))
def test_any_text_is_read_as_yaml_or_refused_in_one_line(text: str) -> None:
    fault = ""
    try:
        reading.parse_yaml(text, "f.yaml")
    except CatalogueError as error:
        fault = str(error)
    assert fault == "" or (fault.startswith("f.yaml:") and "\n" not in fault)


@pytest.mark.parametrize("opening", ["- ", "? "])
def test_nesting_that_would_overflow_the_quick_parsers_stack_is_refused(opening: str) -> None:
    with pytest.raises(CatalogueError, match="nested too deeply"):
        reading.parse_yaml(opening * 60_000, "f.yaml")


def test_a_huge_file_that_is_not_json_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(CatalogueError, match="larger than 2 MiB, and not JSON"):
        reading.parse_yaml("- a\n" * 600_000, "f.yaml")
