"""The feed is well-formed whatever an incident's text holds."""

import datetime as dt
from xml.etree import ElementTree

from probe.notify.atom import feed
from probe.notify.notice import Phase
from tests.notify.notices import INCIDENT, ONSET, notice

ATOM = {"a": "http://www.w3.org/2005/Atom"}
NOW = dt.datetime(2020, 2, 27, 21, 0, tzinfo=dt.timezone(dt.timedelta(hours=3)))


def test_an_entry_an_incident() -> None:
    raw = feed("Observatory", "https://o.example", [notice(phase=Phase.UPDATED)], NOW, {notice().id: NOW})
    root = ElementTree.fromstring(raw)
    (entry,) = root.findall("a:entry", ATOM)
    assert entry.findtext("a:id", namespaces=ATOM) == f"urn:incident:{INCIDENT}"
    assert entry.findtext("a:updated", namespaces=ATOM) == "2020-02-27T18:00:00Z"
    assert entry.findtext("a:published", namespaces=ATOM) == "2020-02-27T20:30:00Z"
    assert {category.get("term") for category in entry.findall("a:category", ATOM)} == {"TR", "restriction", "updated"}


def test_markup_and_control_characters_do_no_harm() -> None:
    nasty = notice(summary="<b>&\x00\x1b\ud800</b>", description="]]>\x08")
    root = ElementTree.fromstring(feed("a\x01<", "https://o.example", [nasty], ONSET, {}))
    assert root.findtext("a:entry/a:title", namespaces=ATOM) == "<b>&</b>"


def test_a_feed_without_incidents_is_a_feed() -> None:
    assert (
        ElementTree.fromstring(feed("Observatory", "https://o.example", [], ONSET, {})).findall("a:entry", ATOM) == []
    )
