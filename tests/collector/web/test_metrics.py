"""`/metrics`: what the last minutes were, absent where nothing was measured, readable by Prometheus' own parsers."""

import datetime as dt
import shutil
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from probe.collector.web.incidents import Active, NoIncidents, Restricted
from tests.collector.analyse import world
from tests.collector.web.conftest import serving

READER = {"Authorization": "Bearer reader"}
AT = world.START + dt.timedelta(minutes=41)  # in the eighth round: X is blocked in Turkey

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def series(text: str) -> Series:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in plain(text)
        for sample in family.samples
    }


def value(found: Series, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


async def scraped(client: httpx.AsyncClient, **headers: str) -> Series:
    answer = await client.get("/metrics", headers={**READER, **headers})
    assert answer.status_code == 200
    return series(answer.text)


async def test_the_share_of_probes_that_reach_a_service_is_told_by_network(blocked: Path) -> None:
    async with serving(blocked, at=AT) as served:
        found = await scraped(served.client)
    where = {"country": "TR", "asn": "9121", "platform": "x", "service": "api"}
    assert value(found, "reachability_ratio", network="Türk Telekom", **where) == 0
    assert value(found, "reachability_votes", outcome="blocked", **where) == 3
    assert value(found, "reachability_votes", outcome="ok", **where) is None, "absent is not zero"
    free = {**where, "platform": "facebook", "service": "web"}
    assert value(found, "reachability_ratio", network="Türk Telekom", **free) == 1
    assert value(found, "reachability_probes_online", country="TR", asn="9121") == 3
    assert value(found, "collector_log_lag_seconds") == 0


async def test_what_is_not_measured_any_more_is_absent(blocked: Path) -> None:
    async with serving(blocked, at=world.START + dt.timedelta(days=2)) as served:
        found = await scraped(served.client)
    assert not [name for name, _ in found if name.startswith("reachability")]
    assert value(found, "collector_log_lag_seconds") == 0


async def test_new_votes_show_and_old_ones_go(blocked: Path, tmp_path: Path) -> None:
    copy = tmp_path / "state"
    shutil.copytree(blocked, copy)
    where = {"country": "TR", "asn": "9121", "platform": "x", "service": "api"}
    async with serving(copy, at=AT) as served:
        assert value(await scraped(served.client), "reachability_votes", outcome="blocked", **where) == 3
        analysis = world.analysis(copy / "views.db")
        later = AT + dt.timedelta(hours=3)
        item = world.reported(world.healthy("api.x.com"), at=later, round=world.identifier(later))
        analysis.advance([world.entry(world.report([item], later), 100_000, later, probe="turk-1")])
        analysis.caught_up(yes=False)
        analysis.close()
        served.clock.at = later + dt.timedelta(seconds=90)
        found = await scraped_afresh(served.client)
    assert value(found, "reachability_votes", outcome="ok", **where) == 1
    assert value(found, "reachability_votes", outcome="blocked", **where) is None
    assert value(found, "reachability_ratio", network="Türk Telekom", **where) == 1
    assert value(found, "collector_log_lag_seconds") == 90


async def scraped_afresh(client: httpx.AsyncClient) -> Series:
    """The window is looked through again some seconds after the last time."""
    import trio  # noqa: PLC0415

    await trio.sleep(10.5)
    return await scraped(client)


@pytest.mark.parametrize("accept", ["", "text/plain", "application/openmetrics-text; version=1.0.0"])
async def test_it_reads_as_both_formats(blocked: Path, accept: str) -> None:
    async with serving(blocked, at=AT) as served:
        answer = await served.client.get("/metrics", headers={**READER, "Accept": accept})
    families = list(openmetrics(answer.text) if "openmetrics" in accept else plain(answer.text))  # type: ignore[no-untyped-call]
    assert {"reachability_ratio", "reachability_votes"} <= {family.name for family in families}
    assert all(family.documentation for family in families)
    assert answer.headers["content-type"].startswith(accept.partition(";")[0] or "text/plain")


async def test_a_stranger_sees_no_network_with_few_probes(blocked: Path) -> None:
    async with serving(blocked, at=AT) as served:
        public = (await served.client.get("/metrics")).text
        everything = (await served.client.get("/metrics", headers=READER)).text
    assert 'asn="9121"' in public
    assert 'asn="15897"' not in public
    assert 'asn="15897"' in everything


class OneIncident(NoIncidents):
    async def active(self) -> list[Active]:
        part = Restricted(
            asn=9121, platform="x", service="web", technique="sni-reset", state="confirmed", network='T"T\\'
        )
        return [Active(incident="TR-1", country="TR", kind="restriction", onset=1e9, restrictions=(part,))]

    async def totals(self) -> dict[tuple[str, str], int]:
        return {("TR", "restriction"): 4}


async def test_incidents_that_last_are_told_with_labels_that_stay(blocked: Path) -> None:
    async with serving(blocked, at=AT, incidents=OneIncident()) as served:
        found = await scraped(served.client)
        strict = (
            await served.client.get("/metrics", headers={**READER, "Accept": "application/openmetrics-text"})
        ).text
    labels = {"incident": "TR-1", "country": "TR", "kind": "restriction"}
    assert value(found, "reachability_incident_active", **labels) == 1
    assert value(found, "reachability_incident_onset_timestamp_seconds", **labels) == 1e9
    assert value(found, "reachability_incidents_total", country="TR", kind="restriction") == 4
    (info,) = [labels for name, labels in found if name == "reachability_restriction_info"]
    assert ("network", 'T"T\\') in info
    assert "# TYPE reachability_incidents counter" in strict
    assert list(openmetrics(strict))  # type: ignore[no-untyped-call]
