"""Incidents out of the journal: list, one in full, feed and events; of volunteers nobody learns anything."""

import http.client
import json
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import trio

from probe.collector.analyse.journal import JOURNAL
from probe.collector.compose.shown import JournalIncidents
from probe.collector.log.sqlite import SqliteLog
from probe.collector.web import events
from tests.collector.compose.fleet import WORDING
from tests.collector.compose.replaying import entries, live
from tests.collector.web.conftest import Served, serving

READER = {"Authorization": "Bearer reader"}
LIST, ATOM = "/api/v1/incidents", {"a": "http://www.w3.org/2005/Atom"}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """X blocked and unblocked in Turkey: three probes of Türk Telekom, two of Vodafone."""
    folder = tmp_path_factory.mktemp("incidents")
    live(folder, entries())
    trio.run(_logged, folder)
    return folder


async def _logged(folder: Path) -> None:
    log = await SqliteLog.open(folder / "log", writable=True)
    await log.aclose()


@asynccontextmanager
async def shown(state: Path, **more: Any) -> AsyncIterator[Served]:
    async with serving(state, incidents=JournalIncidents(state / JOURNAL, WORDING), **more) as served:
        yield served


async def test_the_list_has_the_incident_and_its_filters_hold(state: Path) -> None:
    async with shown(state) as served:
        (row,) = (await served.client.get(LIST, headers=READER)).json()["items"]
        assert (row["kind"], row["country"], row["platforms"], row["state"]) == ("restriction", "TR", ["x"], "ended")
        for query, count in (("country=TR", 1), ("country=DE", 0), ("asn=9121", 1), ("asn=1", 0), ("platform=x", 1)):
            found = (await served.client.get(f"{LIST}?{query}", headers=READER)).json()["items"]
            assert len(found) == count, query
        csv = await served.client.get(LIST, headers={**READER, "Accept": "text/csv"})
        assert csv.text.splitlines()[0].startswith("id,kind,state")


async def test_one_incident_has_what_somebody_on_call_needs(state: Path) -> None:
    async with shown(state) as served:
        (row,) = (await served.client.get(LIST, headers=READER)).json()["items"]
        one = (await served.client.get(f"{LIST}/{row['id']}", headers=READER)).json()
    assert (one["kind"], one["country_name"], one["state"]) == ("restriction", "Turkey", "ended")
    assert one["onset"].endswith("Z")
    assert one["onset_local"].endswith("+03:00")
    assert one["duration"] > 0
    assert one["networks"][0]["name"] in {"Türk Telekom", "Vodafone"}
    assert one["networks"][0]["techniques"] == ["sni-reset"]
    assert one["services"]["x.web"] == "full"
    assert "facebook.web" in one["not_affected"]
    changes = [said["change"] for said in one["history"]]
    assert changes.index("suspected") < changes.index("confirmed") < len(changes) - 1
    assert all(said["recorded_at"] for said in one["history"])
    assert any(said["restriction"] for said in one["history"])
    assert one["restrictions"][0]["segments"]
    assert one["restrictions"][0]["evidence"]["contrasts"]


async def test_no_answer_names_a_probe_or_a_steward(state: Path) -> None:
    async with shown(state) as served:
        (row,) = (await served.client.get(LIST, headers=READER)).json()["items"]
        for headers in ({}, READER):
            one = await served.client.get(f"{LIST}/{row['id']}", headers=headers)
            feed = await served.client.get("/feed.atom", headers=headers)
            for text in (one.text, feed.text):
                assert "turk-1" not in text
                assert '"w-' not in text
            assert all(isinstance(r["evidence"]["witnesses"], int) for r in one.json()["restrictions"])


async def test_the_public_sees_no_network_with_few_volunteers_but_the_incident(state: Path) -> None:
    async with shown(state) as served:
        everything = (await served.client.get(LIST, headers=READER)).json()["items"][0]
        public = (await served.client.get(LIST)).json()["items"][0]
        one = (await served.client.get(f"{LIST}/{public['id']}")).json()
        text = (await served.client.get(f"{LIST}/{public['id']}")).text
        feed = (await served.client.get("/feed.atom")).text
        asked = (await served.client.get(f"{LIST}?asn=15897")).json()["items"]
    async with shown(state, agreed=frozenset({15897})) as served:
        agreed = (await served.client.get(LIST)).json()["items"][0]
    assert 15897 in everything["asns"]
    assert public["asns"] == [asn for asn in everything["asns"] if asn != 15897]
    assert one["networks_hidden"] == len(everything["asns"]) - len(public["asns"])
    assert "15897" not in text + feed
    assert "Vodafone" not in text + feed
    assert asked == []
    assert agreed["asns"] == everything["asns"]


async def test_a_closed_collector_shows_strangers_nothing(state: Path) -> None:
    async with shown(state, public=False) as served:
        for path in (LIST, f"{LIST}/a", "/feed.atom", "/events"):
            assert (await served.client.get(path)).status_code == 401, path
        assert (await served.client.get(f"{LIST}/nothing", headers=READER)).status_code == 404


async def test_the_feed_has_an_entry_with_the_last_word(state: Path) -> None:
    async with shown(state) as served:
        answer = await served.client.get("/feed.atom", headers=READER)
        again = await served.client.get("/feed.atom", headers={**READER, "If-None-Match": answer.headers["etag"]})
    assert answer.headers["content-type"].startswith("application/atom+xml")
    (entry,) = ElementTree.fromstring(answer.text).findall("a:entry", ATOM)
    assert (entry.findtext("a:title", namespaces=ATOM) or "").startswith("Over after ")
    assert again.status_code == 304


async def test_metrics_count_incidents(state: Path) -> None:
    async with shown(state) as served:
        text = (await served.client.get("/metrics", headers=READER)).text
    assert 'reachability_incidents_total{country="TR",kind="restriction"} 1' in text
    assert "reachability_incident_active{" not in text
    assert "collector_detect_duration_seconds_count" in text


# --- server-sent events ---


def lines(served: Served, **headers: str) -> Generator[str, None, None]:
    """What a listener gets, line by line, until it goes."""
    connection = http.client.HTTPConnection(served.client.base_url.netloc.decode(), timeout=60)
    try:
        connection.request("GET", "/events", headers={**READER, **headers})
        answer = connection.getresponse()
        assert (answer.getheader("content-type") or "").startswith("text/event-stream")
        while line := answer.readline():
            yield line.decode().rstrip("\n")
    finally:
        connection.close()


def told(served: Served, count: int, **headers: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    number = ""
    with closing(lines(served, **headers)) as listened:
        while len(found) < count:
            line = next(listened)
            number = line[4:] if line.startswith("id: ") else number
            if line.startswith("data: "):
                found.append({**json.loads(line[6:]), "id": int(number)})
    return found


async def heard(served: Served, count: int, **headers: str) -> list[dict[str, Any]]:
    """So many events, as a browser's EventSource takes them."""
    return await trio.to_thread.run_sync(lambda: told(served, count, **headers))


async def test_events_resume_behind_the_last_that_was_heard(state: Path) -> None:
    async with shown(state) as served:
        everything = await heard(served, 2, **{"Last-Event-ID": "0"})
        rest = await heard(served, 1, **{"Last-Event-ID": str(everything[0]["id"])})
    assert everything[0]["change"] in {"suspected", "confirmed"}
    assert rest[0] == everything[1]
    assert everything[0]["incident"]["country"] == "TR"
    assert everything[0]["id"] == everything[0]["serial"]


async def test_who_listens_hears_what_is_decided_from_then_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_LOOK", 0.05)
    monkeypatch.setattr(events, "_BEAT", 0.1)
    everything = entries()
    live(tmp_path, everything[:60])
    await _logged(tmp_path)
    async with shown(tmp_path) as served:
        listened = lines(served)

        def until(beginning: str) -> str:
            return next(line for line in listened if line.startswith(beginning))

        await trio.to_thread.run_sync(until, ": still here")
        await trio.to_thread.run_sync(live, tmp_path, everything)
        line = await trio.to_thread.run_sync(until, "data: ")
        listened.close()
    assert json.loads(line[6:])["incident"]["kind"] == "restriction"


async def test_listeners_are_bounded_and_a_false_id_is_refused(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with shown(state) as served:
        assert (await served.client.get("/events", headers={"Last-Event-ID": "x"})).status_code == 400
        monkeypatch.setattr(events, "MOST", 0)
        assert (await served.client.get("/events")).status_code == 503


async def test_a_listener_that_goes_leaves_its_place(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST", 1)
    monkeypatch.setattr(events, "_LOOK", 0.05)
    monkeypatch.setattr(events, "_BEAT", 0.1)
    async with shown(state) as served:
        first = lines(served)
        await trio.to_thread.run_sync(next, first)
        assert (await served.client.get("/events")).status_code == 503
        first.close()
        with trio.fail_after(60):
            while (await served.client.head("/events")).status_code == 503:  # noqa: ASYNC110 (it is another's event)
                await trio.sleep(0.05)
