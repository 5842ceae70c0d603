"""Tables of networks, as a person names them to `probe measure`."""

import json
from pathlib import Path

import pytest

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.lab.geo import write_mmdb
from probe.lab.internet import internet
from probe.lab.lab import Lab
from probe.lab.model import Origin

from .running import run_in, run_nowhere
from .world import FILTERED, HEALTHY

URL = "https://example.com/"


@pytest.fixture
def tables(tmp_path: Path) -> list[Path]:
    """A table that knows the networks, and one that knows other countries for them."""
    origins = internet(load_catalogue(default_catalogue_path()), platforms=()).origins
    abroad = (Origin(prefix="88.255.0.0/16", asn=1, country="XX", name="nobody"),)
    return [write_mmdb(origins, tmp_path / "networks.mmdb"), write_mmdb(abroad, tmp_path / "others.mmdb")]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [("absent.mmdb", None, "no such file"), ("page.mmdb", b"<html>Sign in to download</html>", "broken, or no table")],
)
def test_a_table_that_cannot_be_used_is_one_line_before_anything_is_sent(
    tmp_path: Path, name: str, content: bytes | None, fault: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    run = run_nowhere("measure", URL, "--geo", tmp_path / name)
    assert (run.status, run.stdout) == (2, "")
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"Error: {tmp_path / name}: {fault}")


def test_the_network_is_told_and_the_first_table_holds(lab: Lab, tables: list[Path]) -> None:
    run = run_in(lab, "measure", HEALTHY, "--geo", tables[0], "--geo", tables[1], "--format", "json")
    network = {"asn": 9121, "country": "TR", "name": "Türk Telekom", "resolver_asn": 9121}
    assert run.endpoints[HEALTHY]["network"] == network | {"vpn": False, "hosting": False}
    assert "Measuring from AS9121 Türk Telekom (TR)." in run.stderr.splitlines()
    assert lab.network.clients[0].address not in run.stdout + run.stderr


def test_tables_come_from_the_environment_too(lab: Lab, tables: list[Path]) -> None:
    run = run_in(lab, "measure", FILTERED, "--format", "ooni", env={"PROBE_GEO": f"{tables[0]}:{tables[1]}"})
    document = json.loads(run.stdout)
    assert (document["probe_asn"], document["probe_cc"], document["resolver_asn"]) == ("AS9121", "TR", "AS9121")
