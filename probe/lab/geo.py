"""The lab's addresses as a MaxMind DB: who announces them and in which country, so that a lookup is the real one.

Records have the keys of GeoLite2-ASN and GeoLite2-Country together.
"""

from importlib.util import find_spec
from pathlib import Path

from probe.lab.model import LabError, Origin


def check_writer() -> None:
    """Raises LabError where the package that writes tables is missing."""
    if find_spec("mmdb_writer") is None or find_spec("netaddr") is None:
        raise LabError(
            "the lab's table of networks needs mmdb-writer, which is missing: in the project's folder, "
            "`.venv/bin/pip install '.[lab]'`"
        )


def write_mmdb(origins: tuple[Origin, ...], path: Path) -> Path:
    """Raises LabError where the package that writes it is missing."""
    check_writer()
    from mmdb_writer import MMDBWriter  # noqa: PLC0415 (an extra)
    from netaddr import IPSet  # type: ignore[import-untyped]  # noqa: PLC0415

    table = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Lab-ASN-Country", int_type="u32")
    for origin in sorted(origins, key=_length):
        table.insert_network(IPSet([origin.prefix]), _record(origin))
    table.to_db_file(str(path))
    return path


def _length(origin: Origin) -> int:
    """Longer prefixes are written over shorter ones."""
    return int(origin.prefix.partition("/")[2])


def _record(origin: Origin) -> dict[str, object]:
    return {
        "autonomous_system_number": origin.asn,
        "autonomous_system_organization": origin.name,
        "country": {"iso_code": origin.country},
    }
