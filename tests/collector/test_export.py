"""Exports: OONI's format judged alike by `probe judge`, tables with their columns, nothing of a volunteer in public."""

import csv
import datetime as dt
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.dataset as ds  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
import trio

from probe.collector.analyse.crowds import Names
from probe.collector.analyse.schema import VIEWS, read_views
from probe.collector.archive import archived
from probe.collector.export import Exported, Selecting, Selection
from probe.collector.export_csv import write_csv
from probe.collector.export_ooni import ooni_lines
from probe.collector.export_table import COLUMNS, write_parquet
from probe.collector.log.sqlite import SqliteLog
from probe.verdict.known import Library
from probe.verdict.saved import judge_ooni
from probe.wire.ooni_in import OoniMeasurement
from probe.wire.saved import Saved, read_saved
from tests.collector.analyse import world
from tests.collector.web.conftest import fill

NOW = round((world.START + dt.timedelta(days=2)).timestamp() * 1000)
NAMES = Names(b"secret")
LIBRARY = Library(world.CATALOGUE, None, None, world.TABLES)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    trio.run(fill, folder, 12)
    return folder


@pytest.fixture
def views(state: Path) -> Any:
    connection = read_views(state / VIEWS)
    yield connection
    connection.close()


def selecting(views: Any, now: int = NOW, **filters: Any) -> Selecting:
    return Selecting(views, Selection(**filters), NAMES, now)


async def reports(state: Path, chosen: Selecting) -> list[list[Exported]]:
    log = await SqliteLog.open(state / "log", writable=False)
    found = [report async for report in chosen.exported(log)]
    await log.aclose()
    return found


async def test_ooni_documents_are_judged_as_the_collector_judged_them(state: Path, views: Any) -> None:
    chosen = selecting(views)
    exported = [
        (one, line)
        for report in await reports(state, chosen)
        for one, line in zip(report, lines(report, chosen), strict=True)
    ]
    outcomes: Counter[str] = Counter()
    for one, line in exported:
        (saved,) = read_saved(line, "export")
        assert isinstance(saved, Saved)
        assert isinstance(saved.measurement, OoniMeasurement)
        verdict = judge_ooni(saved.measurement, LIBRARY)
        assert (verdict.outcome, " ".join(verdict.techniques)) == (one.row.outcome, " ".join(one.row.techniques))
        outcomes[verdict.outcome] += 1
    assert outcomes["ok"] > 100
    assert outcomes["blocked"] > 50
    (stored,) = views.execute("SELECT count(*) FROM measurements").fetchone()
    assert sum(outcomes.values()) == stored


def lines(report: list[Exported], chosen: Selecting) -> list[bytes]:
    return ooni_lines(report, chosen.expectations, public=False)


async def test_ooni_documents_have_the_envelope_that_oonis_tools_want(state: Path, views: Any) -> None:
    chosen = selecting(views, country="TR", outcome="blocked")
    (report, *_) = await reports(state, chosen)
    document = json.loads(lines(report, chosen)[0])
    assert (document["data_format_version"], document["probe_ip"]) == ("0.2.0", "127.0.0.1")
    assert (document["probe_cc"], document["probe_asn"], document["test_name"]) == ("TR", "AS9121", "web_connectivity")
    assert {"queries", "tcp_connect", "tls_handshakes", "requests", "network_events"} <= document["test_keys"].keys()


def test_parquet_has_its_columns_described_and_every_row(views: Any) -> None:
    out = io.BytesIO()
    count = write_parquet(selecting(views).rows(), out)
    table = pq.read_table(io.BytesIO(out.getvalue()))
    assert table.column_names == list(COLUMNS)
    assert all(field.metadata[b"description"] for field in table.schema)
    assert table.num_rows == count == views.execute("SELECT count(*) FROM measurements").fetchone()[0]
    blocked = [row for row in table.to_pylist() if row["outcome"] == "blocked"]
    assert ["sni-reset"] in [row["techniques"] for row in blocked]
    assert blocked[0]["time"].tzinfo is not None


def test_csv_has_the_same_rows(views: Any) -> None:
    out = io.StringIO()
    count = write_csv(selecting(views, platform="facebook").rows(), out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert len(rows) == count > 10
    assert rows[0].keys() == COLUMNS.keys()
    assert {row["platform"] for row in rows} == {"facebook"}


async def test_the_archive_is_a_file_a_day_and_country_with_whole_records(
    state: Path, views: Any, tmp_path: Path
) -> None:
    log = await SqliteLog.open(state / "log", writable=False)
    for _ in range(2):  # a second run replaces the first
        count = await archived(selecting(views).exported(log), tmp_path, public=False)
    await log.aclose()
    assert _files(tmp_path) == {f"day=2026-11-22/country={country}/part-0.parquet" for country in ("TR", "DE")}
    table = ds.dataset(tmp_path, partitioning="hive", exclude_invalid_files=True).to_table()
    assert table.num_rows == count > 100
    record = json.loads(table.column("record")[0].as_py())
    assert record["steps"]


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")}


async def test_a_public_export_hides_volunteers(state: Path, views: Any) -> None:
    chosen = selecting(views, public=True)
    rows = list(chosen.rows())
    assert {row.asn for row in rows} == {9121}
    assert all(len(row.probe) == 16 and not row.probe.startswith("turk") for row in rows)
    for report in await reports(state, chosen):
        for line in ooni_lines(report, chosen.expectations, public=True):
            assert b"195.175.39.39" not in line, "the probe's own resolver"
    early = selecting(views, now=round(world.START.timestamp() * 1000) + 3_600_000, public=True)
    assert list(early.rows()) == [], "nothing of the last 24 hours"
    agreed = selecting(views, public=True, agreed=frozenset({15897}))
    assert {row.asn for row in agreed.rows()} == {9121, 15897}


async def test_nothing_of_an_erased_probe_is_given_though_views_and_log_hold_it_yet(state: Path, views: Any) -> None:
    (gone, *_) = [row[0] for row in views.execute("SELECT name FROM probes ORDER BY name")]
    of_gone = "SELECT m.seq FROM measurements m JOIN probes p ON p.id = m.probe WHERE p.name = ?"
    hidden = {str(row[0]) for row in views.execute(of_gone, (gone,))}
    chosen = selecting(views, erased=frozenset({gone}))
    given = {row.id for row in chosen.rows()}
    assert hidden
    assert given == {row.id for row in selecting(views).rows()} - hidden
    assert {one.row.id for report in await reports(state, chosen) for one in report} == given


def test_a_probe_has_another_name_every_day() -> None:
    assert NAMES.of_day("p1", 100) == NAMES.of_day("p1", 100)
    assert len({NAMES.of_day(probe, day) for probe in ("p1", "p2") for day in (100, 101)}) == 4
    assert Names(b"another").of_day("p1", 100) != NAMES.of_day("p1", 100)


def test_filters_of_an_export_hold_together(views: Any) -> None:
    begin = round(world.START.timestamp() * 1000)
    filters: dict[str, Any] = {
        "since": begin + 1_500_000,
        "until": begin + 2_700_000,
        "country": "TR",
        "platform": "x",
        "outcome": "blocked",
    }
    found = list(selecting(views, **filters).rows())
    whole = [
        row
        for row in selecting(views).rows()
        if (row.country, row.platform, row.outcome) == ("TR", "x", "blocked")
        and begin + 1_500_000 <= round(row.time.timestamp() * 1000) < begin + 2_700_000
    ]
    assert msgspec.to_builtins(found) == msgspec.to_builtins(whole)
    assert found
