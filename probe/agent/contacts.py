"""Whom a probe contacts beyond platforms, by name: what consent is about, and what a catalogue may not extend alone."""

from collections.abc import Iterable

import msgspec

from probe.catalogue.model import Infrastructure
from probe.catalogue.targets import parse_target


def contacts(infrastructure: Infrastructure) -> frozenset[str]:
    """Every host, address and name in it."""
    entries = (entry for field in infrastructure.__struct_fields__ for entry in getattr(infrastructure, field))
    return frozenset(contact for entry in entries for contact in contacts_of(entry))


def contacts_of(entry: object) -> tuple[str, ...]:
    """Those of one anchor, resolver, neutral name, ..."""
    if isinstance(entry, str):
        return (_host(entry),)
    url, addresses = getattr(entry, "url", None), getattr(entry, "addresses", ())
    names = (getattr(entry, key, None) for key in ("name", "ipv4", "ipv6", "names"))
    return tuple(filter(None, (_host(url) if url else None, *addresses, *names)))


def agreed_only(infrastructure: Infrastructure, agreed: Iterable[str]) -> tuple[Infrastructure, tuple[str, ...]]:
    """Without the entries that nobody agreed to, and what those would contact."""
    known = frozenset(agreed)
    kept, strange = {}, set[str]()
    for field in infrastructure.__struct_fields__:
        entries = getattr(infrastructure, field)
        kept[field] = tuple(entry for entry in entries if known.issuperset(contacts_of(entry)))
        strange |= {contact for entry in entries for contact in contacts_of(entry)} - known
    return msgspec.structs.replace(infrastructure, **kept), tuple(sorted(strange))


def _host(text: str) -> str:
    return parse_target(text).host if "://" in text else text
