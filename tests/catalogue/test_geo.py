"""Whatever table a person has, in whichever layout, tells the network, or says in one line why it cannot."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]

from probe.catalogue.geo import GeoError, GeoTables, Place

MAXMIND_ASN = {"autonomous_system_number": 9121, "autonomous_system_organization": "TTNET"}
MAXMIND_COUNTRY = {"country": {"iso_code": "TR", "names": {"en": "Türkiye"}}, "registered_country": {"iso_code": "CY"}}
IPINFO_LITE = {"asn": "AS9121", "as_name": "Turk Telekom", "country": "Turkey", "country_code": "TR"}
IPINFO_COUNTRY_ASN = {"asn": "AS9121", "as_name": "Turk Telekom", "country": "TR", "country_name": "Turkey"}
ADDRESS = "88.255.1.10"


def table(path: Path, records: dict[str, dict[str, Any]], *, version: int = 6) -> Path:
    writer = MMDBWriter(ip_version=version, ipv4_compatible=version == 6, database_type="Test-ASN", int_type="u32")
    for prefix, record in records.items():
        writer.insert_network(IPSet([prefix]), record)
    writer.to_db_file(str(path))
    return path


@pytest.mark.parametrize(
    ("record", "place"),
    [
        (MAXMIND_ASN, Place(asn=9121, name="TTNET")),
        (MAXMIND_COUNTRY, Place(country="TR")),
        ({"registered_country": {"iso_code": "CY"}}, Place(country="CY")),
        ({"traits": MAXMIND_ASN | {"is_hosting_provider": True}}, Place(asn=9121, name="TTNET", hosting=True)),
        ({"is_anonymous": True, "is_anonymous_vpn": True}, Place(vpn=True)),
        (IPINFO_LITE, Place(asn=9121, country="TR", name="Turk Telekom")),
        (IPINFO_COUNTRY_ASN, Place(asn=9121, country="TR", name="Turk Telekom")),
        ({"vpn": "", "hosting": "true"}, Place(vpn=False, hosting=True)),
        ({"country_code": "TR"}, Place(country="TR")),
        ({"asn": "", "country": "Somewhere"}, Place()),
        ({"asn": "AS0", "autonomous_system_number": 0, "country": {"iso_code": "tr"}}, Place()),
    ],
)
def test_every_publishers_layout_is_understood(tmp_path: Path, record: dict[str, Any], place: Place) -> None:
    with GeoTables.open([table(tmp_path / "a.mmdb", {"88.255.0.0/16": record})]) as tables:
        assert tables.locate(ADDRESS) == place


def test_tables_complete_each_other_and_the_first_named_holds(tmp_path: Path) -> None:
    files = [
        table(tmp_path / "asn.mmdb", {"88.255.0.0/16": MAXMIND_ASN}),
        table(tmp_path / "country.mmdb", {"88.0.0.0/8": MAXMIND_COUNTRY}),
        table(tmp_path / "other.mmdb", {"88.0.0.0/8": IPINFO_LITE | {"country_code": "DE"}}),
    ]
    with GeoTables.open(files) as tables:
        assert tables.locate(ADDRESS) == Place(asn=9121, country="TR", name="TTNET")
        assert tables.locate("88.1.1.1") == Place(asn=9121, country="TR", name="Turk Telekom")
        assert [known.file for known in tables.tables] == ["asn.mmdb", "country.mmdb", "other.mmdb"]
        assert {known.kind for known in tables.tables} == {"Test-ASN"}


def test_nothing_is_said_of_addresses_that_no_table_has_or_that_are_not_public(tmp_path: Path) -> None:
    with GeoTables.open([table(tmp_path / "a.mmdb", {"0.0.0.0/1": MAXMIND_ASN})]) as tables:
        assert tables.locate("10.1.2.3") is None
        assert tables.locate("127.0.0.1") is None
        assert tables.locate("223.5.5.5") is None
        assert tables.locate("no address") is None
    with GeoTables.open([]) as tables:
        assert tables.locate(ADDRESS) is None


def test_an_ipv4_table_is_silent_about_ipv6_and_knows_what_ipv6_wraps(tmp_path: Path) -> None:
    with GeoTables.open([table(tmp_path / "four.mmdb", {"88.255.0.0/16": MAXMIND_ASN}, version=4)]) as tables:
        assert tables.locate("2a01:358::1") is None
        for wrapped in ("::ffff:88.255.1.10", "64:ff9b::58ff:10a", "2002:58ff:10a::1"):
            assert tables.locate(wrapped) == Place(asn=9121, name="TTNET"), wrapped


def test_a_table_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path) -> None:
    good = table(tmp_path / "good.mmdb", {"0.0.0.0/1": MAXMIND_ASN, "128.0.0.0/1": IPINFO_LITE})
    raw = good.read_bytes()
    files = {
        "missing.mmdb": (None, "no such file"),
        "empty.mmdb": (b"", "broken, or no table"),
        "text.mmdb": (b"asn,country\n" * 99, "broken, or no table"),
        "cut.mmdb": (raw[: len(raw) // 2], "broken, or no table"),
        "packed.mmdb.gz": (gzip.compress(raw), "unpack it first"),
    }
    for name, (content, fault) in files.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(GeoError) as caught:
            GeoTables.open([good, tmp_path / name])
        assert str(caught.value).startswith(str(tmp_path / name))
        assert fault in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(GeoError, match="a folder: name a table in it"):
        GeoTables.open([tmp_path])


def test_a_hole_in_one_table_leaves_the_others_speaking(tmp_path: Path) -> None:
    """Damage that opening does not meet: the record of one address points beyond the file."""
    good = table(tmp_path / "good.mmdb", {"92.44.0.0/16": MAXMIND_COUNTRY})
    file = table(tmp_path / "asn.mmdb", {"41.0.0.0/8": MAXMIND_ASN, "92.44.0.0/16": {"asn": "AS1" * 40}})
    raw = bytearray(file.read_bytes())
    start = raw.index(b"AS1AS1")
    raw[start - 4 : start] = b"\x2f\xff\xff\xff"  # a pointer to nowhere in place of the text's length
    file.write_bytes(raw)
    with GeoTables.open([file, good]) as tables:
        assert tables.locate("92.44.1.1") == Place(country="TR")
        assert tables.locate("41.1.1.1") == Place(asn=9121, name="TTNET")
