"""`/openapi.json` is true to the code: whatever is asked is answered as it says, and never with a server's error."""

import json
import os
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe.collector.ingest_operations import OPERATIONS
from probe.collector.web.endpoints import Endpoints
from probe.collector.web.openapi import openapi
from probe.collector.web.routes import api_routes
from probe.collector.web.rows import ErrorBody
from tests.collector.web.conftest import serving

ROUTES = api_routes(Endpoints(None))  # type: ignore[arg-type]
DOCUMENT = json.loads(msgspec.json.encode(openapi(ROUTES, OPERATIONS)))
READER = {"Authorization": "Bearer reader"}

_SERVER = """
import sys, pathlib, trio
from tests.collector.web.conftest import serving
async def main():
    async with serving(pathlib.Path(sys.argv[1])) as served:
        print(served.client.base_url, flush=True)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
trio.run(main)
"""


@pytest.fixture(scope="module")
def address(state: Path) -> Iterator[str]:
    """The web process over the history, as a process of its own."""
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(state)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip().rstrip("/")
    process.terminate()
    process.communicate()


def test_every_route_of_the_api_is_in_the_document_and_nothing_else() -> None:
    told = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert told == {(r.path, "get") for r in ROUTES} | {(one.path, one.method.lower()) for one in OPERATIONS}
    for route in ROUTES:
        names = {parameter["name"] for parameter in DOCUMENT["paths"][route.path]["get"]["parameters"]}
        assert names == {field.encode_name for field in msgspec.structs.fields(route.query)} | set(route.placeholders)


def test_every_reference_of_the_document_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    names = {piece.partition('"')[0] for piece in text.split("#/components/schemas/")[1:]}
    assert names <= DOCUMENT["components"]["schemas"].keys()
    described = [one for path in DOCUMENT["paths"].values() for method in path.values() for one in method["parameters"]]
    assert "null" not in [parameter["schema"].get("type") for parameter in described]


def test_expressions_are_those_of_json_schema() -> None:
    """Python's \\A and \\Z mean nothing there."""
    text = json.dumps(DOCUMENT)
    assert '"pattern"' in text
    assert "\\\\A" not in text
    assert "\\\\Z" not in text


async def test_it_is_served(state: Path) -> None:
    async with serving(state) as served:
        assert (await served.client.get("/openapi.json")).json() == DOCUMENT


# --- whatever is asked ---

_odd = st.text(st.characters(codec="utf-8"), max_size=30)
_sensible: dict[str, st.SearchStrategy[str]] = {
    "country": st.sampled_from(["TR", "DE", "XX", ""]),
    "asn": st.sampled_from(["9121", "15897", "4294967295", "1"]),
    "platform": st.sampled_from(["x", "facebook", "nobody"]),
    "service": st.sampled_from(["web", "api"]),
    "outcome": st.sampled_from(["ok", "blocked", "void"]),
    "step": st.sampled_from(["60", "300", "900", "3600", "21600", "86400"]),
    "limit": st.integers(-1, 1001).map(str),
    "from": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    "to": st.datetimes().map(lambda moment: f"{moment.isoformat()}+14:00"),
    "cursor": st.text(string.ascii_letters + string.digits + "-_=", max_size=60),
    "id": st.integers(0, 1 << 70).map(str),
}


@st.composite
def questions(draw: st.DrawFn) -> tuple[Any, dict[str, str], dict[str, str], str]:
    """A route, its path's part, some of its parameters (mostly such as it takes), and what is accepted."""
    route = draw(st.sampled_from(ROUTES))
    names = [parameter["name"] for parameter in DOCUMENT["paths"][route.path]["get"]["parameters"]]
    chosen = draw(st.lists(st.sampled_from([*names, "other"]), unique=True, max_size=5))
    values = {
        name: draw(_sensible.get(name, _odd) if draw(st.integers(0, 4)) else _odd) for name in chosen if name != "id"
    }
    accept = draw(st.sampled_from(["*/*", "application/json", "text/csv", "text/csv;q=x", "image/png", ""]))
    return route, {"id": draw(_sensible["id"])}, values, accept


@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(questions())
def test_whatever_is_asked_is_answered_as_the_document_says(
    address: str, question: tuple[Any, dict[str, str], dict[str, str], str]
) -> None:
    route, parts, values, accept = question
    url = address + route.path.format(**parts)
    answer = httpx.get(url, params=values, headers={**READER, "Accept": accept}, trust_env=False)
    assert str(answer.status_code) in DOCUMENT["paths"][route.path]["get"]["responses"], answer.text
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert "\n" not in msgspec.json.decode(answer.content, type=ErrorBody).error
    elif route.paged and answer.headers["content-type"] == "application/json":
        page = answer.json()
        for item in page["items"]:
            msgspec.convert(item, route.row)
        assert page["next"] is None or isinstance(page["next"], str)


def test_a_stranger_may_ask_whatever_he_likes_without_breaking_anything(address: str) -> None:
    """Bytes that no client of good manners sends."""

    async def ask() -> list[bytes]:
        host, _, port = address.removeprefix("http://").partition(":")
        heads = []
        for target in (
            b"/api/v1/measurements?cursor=%ff%fe",
            b"/api/v1/reachability?%00=%0a",
            b"/api/v1/measurements/%2e%2e",
            b"/%f0%28",
        ):
            stream = await trio.open_tcp_stream(host, int(port))
            async with stream:
                await stream.send_all(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                heads.append(await stream.receive_some(12))
        return heads

    for head in trio.run(ask):
        assert head[:9] == b"HTTP/1.1 "
        assert head[9:10] == b"4"
