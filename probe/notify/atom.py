"""The feed of incidents: Atom (RFC 4287)."""

import datetime as dt
from collections.abc import Iterable
from xml.etree import ElementTree

from probe.notify.notice import Notice

_ATOM = "http://www.w3.org/2005/Atom"
_CONTROLS = dict.fromkeys([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)])


def feed(title: str, base: str, notices: Iterable[Notice], updated: dt.datetime, told: dict[str, dt.datetime]) -> bytes:
    """An entry for the last notice of each incident. `told` is when each notice was decided, by its id; `base` the
    public address of the collector."""
    ElementTree.register_namespace("", _ATOM)
    root = ElementTree.Element(f"{{{_ATOM}}}feed")
    _text(root, "id", f"{base}/feed.atom")
    _text(root, "title", title)
    _text(root, "updated", _time(updated))
    _link(root, "self", f"{base}/feed.atom")
    _text(ElementTree.SubElement(root, f"{{{_ATOM}}}author"), "name", title)
    for notice in notices:
        _entry(root, base, notice, told.get(notice.id, notice.starts_at))
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _entry(root: ElementTree.Element, base: str, notice: Notice, updated: dt.datetime) -> None:
    entry = ElementTree.SubElement(root, f"{{{_ATOM}}}entry")
    _text(entry, "id", f"urn:incident:{notice.incident}")
    _text(entry, "title", notice.summary)
    _text(entry, "updated", _time(updated))
    _text(entry, "published", _time(notice.starts_at))
    _link(entry, "alternate", notice.url or f"{base}/api/v1/incidents/{notice.incident}")
    for term in (notice.country, notice.kind, notice.phase.value):
        ElementTree.SubElement(entry, f"{{{_ATOM}}}category", term=term)
    _text(entry, "content", notice.description)


def _text(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, f"{{{_ATOM}}}{name}").text = text.translate(_CONTROLS)


def _link(parent: ElementTree.Element, rel: str, href: str) -> None:
    ElementTree.SubElement(parent, f"{{{_ATOM}}}link", rel=rel, href=href)


def _time(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
