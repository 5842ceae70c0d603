"""The reading API over real HTTP: pages, filters, forms, refusals, and what strangers do not see."""

import csv
import datetime as dt
import io
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.collector.analyse import world
from tests.collector.web.conftest import DAY, Served, serving

READER = {"Authorization": "Bearer reader"}
R, M, INCIDENTS = "/api/v1/reachability", "/api/v1/measurements", "/api/v1/incidents"
SPAN = {"from": "2026-11-22T05:00:00Z", "to": "2026-11-22T09:00:00Z"}


async def pages(client: httpx.AsyncClient, path: str, **parameters: Any) -> list[dict[str, Any]]:
    """All rows, page by page."""
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get(path, params={**parameters, **cursor}, headers=READER)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += page["items"]
        if page["next"] is None:
            return rows
        cursor = {"cursor": page["next"]}


async def test_reachability_tells_each_service_of_each_network_by_steps_of_time(served: Served) -> None:
    rows = await pages(served.client, R, **SPAN, step="900", country="TR", asn=9121, platform="x")
    assert {row["service"] for row in rows} == {"web", "api"}
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    blocked = [row for row in rows if row["time"] == "2026-11-22T06:30:00Z" and row["service"] == "api"]
    assert [row["votes"]["blocked"] for row in blocked] == [sum(blocked[0]["votes"].values())]
    assert blocked[0]["ratio"] == 0
    assert blocked[0]["network"] == "Türk Telekom"


@pytest.mark.parametrize("step", ["60", "300", "900", "3600", "21600", "86400"])
async def test_every_step_counts_the_same_votes(served: Served, step: str) -> None:
    rows = await pages(served.client, R, **SPAN, step=step, limit=7)
    total = sum(sum(row["votes"].values()) for row in rows)
    whole = await pages(served.client, R, **SPAN, step="86400")
    assert total == sum(sum(row["votes"].values()) for row in whole) > 100
    keys = [(row["time"], row.get("country"), row.get("asn"), row["platform"], row["service"]) for row in rows]
    assert len(keys) == len(set(keys)), "no row comes twice, whatever the page"


@pytest.mark.parametrize("limit", [1, 7, 1000])
async def test_measurements_come_newest_first_and_whole_whatever_the_page(served: Served, limit: int) -> None:
    filters = {"country": "TR", "platform": "facebook"} if limit == 1 else {}
    rows = await pages(served.client, M, limit=limit, **filters)
    assert [row["time"] for row in rows] == sorted((row["time"] for row in rows), reverse=True)
    assert len({row["id"] for row in rows}) == len(rows)
    everything = await pages(served.client, M, limit=500, **filters)
    assert [row["id"] for row in everything] == [row["id"] for row in rows]


async def test_filters_of_measurements_hold_together(served: Served) -> None:
    everything = await pages(served.client, M, limit=1000)
    asked = {"country": "TR", "asn": "9121", "platform": "x", "service": "web", "outcome": "blocked"}
    rows = await pages(served.client, M, limit=3, **asked)
    wanted = [row for row in everything if all(str(row.get(name)) == value for name, value in asked.items())]
    assert rows == wanted
    assert len(rows) > 10
    assert ["sni-reset"] in [row["techniques"] for row in rows]


async def test_one_measurement_has_its_record_and_its_reasons(served: Served) -> None:
    row = (await pages(served.client, M, outcome="blocked", platform="x"))[0]
    full = (await served.client.get(f"{M}/{row['id']}", headers=READER)).json()
    assert full["row"] == row
    assert full["measurement"]["endpoint"] == row["endpoint"]
    assert {step["step"] for step in full["measurement"]["steps"]} >= {"dns", "tcp", "tls"}
    assert full["evidence"][0]["rule"] == row["rule"]


@pytest.mark.parametrize("path", [R, M, INCIDENTS])
async def test_csv_has_the_same_rows(served: Served, path: str) -> None:
    headers = {**READER, "Accept": "text/csv"}
    answer = await served.client.get(path, params={**SPAN, "limit": 5}, headers=headers)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    json = (await served.client.get(path, params={**SPAN, "limit": 5}, headers=READER)).json()
    assert len(rows) == len(json["items"])
    for row, item in zip(rows, json["items"], strict=True):
        assert (row["platform"], row["country"]) == (item["platform"], item["country"])
    if json["next"]:
        assert json["next"] in answer.headers["link"]
        following = answer.headers["link"].partition("<")[2].partition(">")[0]
        assert (await served.client.get(following, headers=headers)).status_code == 200


async def test_what_did_not_change_is_not_sent_again(served: Served) -> None:
    first = await served.client.get(R, params=SPAN, headers=READER)
    again = await served.client.get(R, params=SPAN, headers={**READER, "If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "parameters", "status", "says"),
    [
        (R, {"contry": "TR"}, 400, "unknown parameter 'contry'"),
        (R, {"country": "tr"}, 422, "country"),
        (R, {"asn": "x"}, 422, "asn"),
        (R, {"asn": "0"}, 422, "asn"),
        (R, {"step": "61"}, 422, "step"),
        (R, {"from": "yesterday"}, 422, "from"),
        (R, {"from": "2026-11-22T06:00:00"}, 422, "from"),
        (R, {"from": "0001-01-01T00:00:00Z"}, 422, "from"),
        (R, {"from": "2026-11-23T06:00:00Z", "to": "2026-11-22T06:00:00Z"}, 422, "from"),
        (R, {"limit": "0"}, 422, "limit"),
        (R, {"cursor": "a"}, 400, "not a cursor"),
        (M, {"outcome": "bad"}, 422, "outcome"),
        (M, {"platform": "X; DROP"}, 422, "platform"),
        (R, {"cursor": "abcd"}, 400, "another question"),
        (M, {"cursor": "ä"}, 400, "not a cursor"),
        (f"{M}/abc", {}, 404, "no such measurement"),
        (f"{M}/99999999999999999999999", {}, 404, "no such measurement"),
        (f"{M}/1", {"x": "1"}, 400, "unknown parameter"),
        (f"{INCIDENTS}/none", {}, 404, "no such incident"),
        ("/api/v1/nothing", {}, 404, "Not Found"),
    ],
)
async def test_what_cannot_be_is_refused_in_one_line(
    served: Served, path: str, parameters: dict[str, str], status: int, says: str
) -> None:
    answer = await served.client.get(path, params=parameters, headers=READER)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert says in error
    assert "\n" not in error


async def test_a_cursor_holds_for_its_own_question_only(served: Served) -> None:
    first = (await served.client.get(M, params={"limit": 1}, headers=READER)).json()
    other = await served.client.get(M, params={"cursor": first["next"], "country": "TR"}, headers=READER)
    assert (other.status_code, other.json()["path"]) == (400, "cursor")
    wider = await served.client.get(M, params={"cursor": first["next"], "limit": 50}, headers=READER)
    assert wider.status_code == 200, "another length of page is the same question"


async def test_a_parameter_given_twice_is_refused(served: Served) -> None:
    answer = await served.client.get(f"{R}?country=TR&country=DE")
    assert (answer.status_code, answer.json()["path"]) == (400, "country")


async def test_neither_json_nor_csv_is_not_acceptable(served: Served) -> None:
    assert (await served.client.get(R, headers={"Accept": "image/png"})).status_code == 406
    assert (await served.client.get(R, headers={"Accept": "text/csv;q=0.1, */*;q=0.5"})).json()["items"] is not None


# --- who sees what ---


async def test_a_stranger_sees_no_network_with_fewer_than_three_probes(served: Served) -> None:
    for path in (R, M):
        rows = (await served.client.get(path, params={**SPAN, "limit": 1000})).json()["items"]
        assert {row["asn"] for row in rows} == {9121}
        hidden = (await served.client.get(path, params={**SPAN, "asn": 15897})).json()
        assert hidden["items"] == []


async def test_a_network_whose_volunteers_agreed_is_shown(state: Path) -> None:
    async with serving(state, agreed=frozenset({15897})) as served:
        rows = (await served.client.get(R, params={**SPAN, "limit": 1000})).json()["items"]
    assert {row["asn"] for row in rows} == {9121, 15897}


async def test_single_measurements_are_public_only_after_a_day(state: Path) -> None:
    async with serving(state, at=world.START + dt.timedelta(hours=23)) as served:
        assert (await served.client.get(M)).json() == {"items": [], "next": None}
        (row, *_) = (await served.client.get(M, headers=READER)).json()["items"]
        assert (await served.client.get(f"{M}/{row['id']}")).status_code == 404
        served.clock.at += 3 * DAY
        assert (await served.client.get(M)).json()["items"] != []


async def test_the_public_record_has_no_resolver_of_the_volunteers_and_no_probe_that_can_be_followed(
    served: Served,
) -> None:
    row = (await served.client.get(M, params={"platform": "x"})).json()["items"][0]
    record = (await served.client.get(f"{M}/{row['id']}")).json()["measurement"]
    own = [step["resolver"] for step in record["steps"] if step["step"] == "dns" and "purpose" not in step]
    assert own == ["0.0.0.0"]
    assert row["probe"] not in {"turk-1", "turk-2", "turk-3"}


async def test_a_stranger_learns_nothing_where_public_reading_is_off(state: Path) -> None:
    async with serving(state, public=False) as served:
        for path in (R, M, INCIDENTS, f"{M}/1", "/metrics"):
            answer = await served.client.get(path)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert (await served.client.get(path, headers={"Authorization": "Bearer nobody"})).status_code == 401
            assert (await served.client.get(path, headers={"Authorization": "Bearer volunteer"})).status_code == 403
            assert (await served.client.get(path, headers=READER)).status_code in {200, 404}
        assert (await served.client.get("/healthz")).status_code == 200


async def test_a_wrong_token_does_not_fall_back_to_what_is_public(served: Served) -> None:
    assert (await served.client.get(R, headers={"Authorization": "Bearer nobody"})).status_code == 401
    assert (await served.client.get(R, headers={"Authorization": "Basic cmVhZGVy"})).status_code == 401


async def test_whoever_is_on_the_collectors_own_machine_sees_everything_but_no_web_page_does(state: Path) -> None:
    async with serving(state, own=True) as served:
        here = await served.client.get(R, params={**SPAN, "limit": 1000})
        assert {row["asn"] for row in here.json()["items"]} == {9121, 15897, 3320}
        assert "access-control-allow-origin" not in here.headers
        for header in ({"Host": "rebound.example"}, {"X-Forwarded-For": "192.0.2.1"}):
            other = await served.client.get(R, params=SPAN, headers=header)
            assert {row["asn"] for row in other.json()["items"]} == {9121}


async def test_public_answers_are_open_to_the_pages_of_others(served: Served) -> None:
    answer = await served.client.get(R)
    assert answer.headers["access-control-allow-origin"] == "*"
    preflight = await served.client.options(R, headers={"Access-Control-Request-Headers": "authorization"})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "*")


async def test_health_and_readiness(served: Served) -> None:
    assert (await served.client.get("/healthz")).text == "ok\n"
    assert (await served.client.get("/readyz")).status_code == 200


async def test_what_comes_meanwhile_shifts_no_page(state: Path, tmp_path: Path) -> None:
    """Newer and older rows are added between two pages: the pages of what was there stay whole and without repeats."""
    import shutil  # noqa: PLC0415

    copy = tmp_path / "state"
    shutil.copytree(state, copy)
    async with serving(copy) as served:
        before = await pages(served.client, M, limit=1000)
        first = (await served.client.get(M, params={"limit": 40}, headers=READER)).json()
        analysis = world.analysis(copy / "views.db")
        for number, at in enumerate((world.START + DAY, world.START + dt.timedelta(minutes=31))):
            item = world.reported(world.healthy("x.com"), at=at, sent=world.START + DAY, number=number)
            report = world.report([item], world.START + DAY, number=1000 + number)
            analysis.advance([world.entry(report, 100_000 + number, world.START + DAY, probe="late")])
        analysis.close()
        rest = await pages(served.client, M, limit=40, cursor=first["next"])
    ids = [row["id"] for row in [*first["items"], *rest]]
    assert len(ids) == len(set(ids))
    assert set(ids) >= {row["id"] for row in before}
