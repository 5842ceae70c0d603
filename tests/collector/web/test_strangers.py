"""Nobody becomes somebody on this machine, or at another address, by what a request says of itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from probe.collector.config import parse_config
from probe.collector.web.access import only_here
from tests.collector.analyse import world
from tests.collector.web.conftest import Served, serving

ROWS = "/api/v1/reachability"
SPAN = {"from": world.START.isoformat(), "limit": "1000"}
ALL, PUBLIC = {9121, 15897, 3320}, {9121}


@pytest.fixture
async def behind_ingest(state: Path, tmp_path: Path) -> AsyncIterator[Served]:
    """The pages of a collector that listens on this machine alone, with ingest before them."""
    async with serving(state, own=True, behind=tmp_path / "web.sock") as served:
        yield served


async def seen(client: httpx.AsyncClient, headers: dict[str, str]) -> set[int]:
    answer = await client.get(ROWS, params=SPAN, headers=headers)
    assert answer.status_code == 200, answer.text
    return {row["asn"] for row in answer.json()["items"]}


async def test_somebody_on_this_machine_sees_everything_through_ingest_too(behind_ingest: Served) -> None:
    assert await seen(behind_ingest.client, {}) == ALL
    assert await seen(behind_ingest.client, {"Host": "localhost"}) == ALL


@pytest.mark.parametrize(
    "header",
    [
        {"X-Forwarded-For": "192.0.2.1"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": ""},
        {"X-Real-IP": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Via": "1.1 ingest"},
        {"X-Forwarded-Host": "localhost"},
        {"CF-Connecting-IP": "127.0.0.1"},
        {"Connection": "close, X-Forwarded-For", "X-Forwarded-For": "127.0.0.1"},
    ],
    ids=str,
)
async def test_whoever_comes_through_a_proxy_sees_what_is_public(behind_ingest: Served, header: dict[str, str]) -> None:
    """A proxy on this machine passes strangers on, with this machine's name as Host."""
    assert await seen(behind_ingest.client, {**header, "Host": "127.0.0.1:8640"}) == PUBLIC


async def test_another_name_of_this_machine_is_a_strangers(behind_ingest: Served) -> None:
    assert await seen(behind_ingest.client, {"Host": "rebound.example"}) == PUBLIC


@pytest.mark.parametrize(
    ("settings", "here"),
    [
        ("listen: 127.0.0.1:8640", True),
        ("listen: ['127.0.0.1:8640', '[::1]:8640']\nurl: http://localhost:8640", True),
        ("listen: 0.0.0.0:8640", False),
        ("listen: ['127.0.0.1:8640', '192.0.2.1:8640']\nurl: http://127.0.0.1:8640", False),
        ("listen: 127.0.0.1:8640\ntrusted_proxies: [127.0.0.1]", False),
        ("listen: 127.0.0.1:8640\nurl: https://collector.example", False),
        ("listen: unix:run/public.sock", False),
        ("listen: ['127.0.0.1:8640', 'unix:run/public.sock']", False),
    ],
)
def test_only_a_collector_that_nothing_stands_before_takes_anybody_for_its_owner(settings: str, here: bool) -> None:
    assert only_here(parse_config(f"state: state\n{settings}\n", Path("/collector.yaml"))) is here
