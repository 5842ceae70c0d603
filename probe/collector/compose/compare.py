"""Today's history beside the journal: detection over replayed votes, in a file of its own, told to nobody.

The journal is only read. What is an incident there keeps its id here: a suspicion takes that of the incident of the
same kind and country whose time it falls into.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

import msgspec

from probe.collector.analyse.handover import MOST, votes_after
from probe.collector.analyse.journal import Journal
from probe.collector.analyse.schema import read_views, transaction
from probe.collector.compose.composer import Composer
from probe.collector.compose.notices import Wording
from probe.detect.changes import named
from probe.detect.records import Incident, moment
from probe.detect.settings import HOUR, Settings

_SILENT = Wording(platforms={}, networks={}, zones={}, url="")
_SAME = 1.0  # seconds within which two moments are one
_FOREVER = float("inf")

Told = Callable[[int], None]  # votes so far


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """`lost`: in the journal, and no longer found. `new`: found, and not in the journal. `other`: found otherwise, with
    what the journal says of each field and what is found now."""

    incident: str
    what: Literal["lost", "new", "other"]
    fields: dict[str, tuple[str, str]] = {}


def compared(
    journal: Path, views: Path, scratch: Path, settings: Settings, told: Told | None = None
) -> list[Difference]:
    """In the order of onsets; nothing where both are alike. `scratch` is a file that does not exist. Raises
    ViewsError."""
    known = incidents_in(journal) if journal.exists() else []
    try:
        detected(views, scratch, settings, known, told)
        found = incidents_in(scratch)
    finally:
        for suffix in ("", "-wal", "-shm"):
            scratch.with_name(scratch.name + suffix).unlink(missing_ok=True)
    return list(differences([one for one in known if _raised(one)], [one for one in found if _raised(one)]))


def detected(
    views: Path, into: Path, settings: Settings, known: Sequence[Incident] = (), told: Told | None = None
) -> None:
    """A journal made anew from all votes of these views. Raises ViewsError."""
    with closing(read_views(views)) as votes, closing(Journal(into)) as journal:
        name = keeping(known)
        composer = Composer(journal.connection, settings, _SILENT, (), lambda _: None, name=name)
        serial = count = 0
        while handed := votes_after(votes, serial, MOST):
            serial, count = max(one.serial for one in handed), count + len(handed)
            with transaction(journal.connection):
                ordered = sorted(handed, key=lambda one: (one.presence.time, one.serial))
                journal.add(composer.tick(ordered, max(one.received for one in handed)))
            if told is not None:
                told(count)


def keeping(known: Sequence[Incident]) -> Callable[[str, str, float], str]:
    """Names for incidents: those that are known, each once."""
    taken: set[str] = set()

    def name(event: str, country: str, onset: float) -> str:
        near = [one for one in known if one.id not in taken and _falls_into(one, event, country, onset)]
        made = min(near, key=lambda one: abs(one.onset - onset)).id if near else named(event, country, onset)
        taken.add(made)
        return made

    return name


def differences(before: Sequence[Incident], now: Sequence[Incident]) -> Iterator[Difference]:
    was, found = {one.id: one for one in before}, {one.id: one for one in now}
    for one in sorted([*before, *(one for one in now if one.id not in was)], key=lambda one: (one.onset, one.id)):
        if one.id not in found:
            yield Difference(incident=one.id, what="lost")
        elif one.id not in was:
            yield Difference(incident=one.id, what="new")
        elif fields := dict(_otherwise(was[one.id], found[one.id])):
            yield Difference(incident=one.id, what="other", fields=fields)


def sentence(one: Difference) -> str:
    match one.what:
        case "lost":
            return f"{one.incident}: in the journal, and not found any more"
        case "new":
            return f"{one.incident}: found, and not in the journal"
    changed = "; ".join(f"{name} {before or '-'}, now {now or '-'}" for name, (before, now) in one.fields.items())
    return f"{one.incident}: {changed}"


def incidents_in(journal: Path) -> list[Incident]:
    """Those that were not taken back or merged."""
    uri = f"{journal.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=30)) as database:
        if not database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'incidents'").fetchone():
            return []
        rows = database.execute("SELECT body, shown FROM incidents WHERE into_other IS NULL ORDER BY onset, id")
        found = [(msgspec.json.decode(body, type=Incident), shown) for body, shown in rows]
    return [one for one, shown in found if shown or one.confirmed_at is None]


def _raised(incident: Incident) -> bool:
    return incident.confirmed_at is not None


def _falls_into(known: Incident, event: str, country: str, onset: float) -> bool:
    alike = (known.event, known.country) == (event, country)
    return alike and known.onset - HOUR <= onset <= (known.ended_at or _FOREVER)


def _otherwise(was: Incident, now: Incident) -> Iterator[tuple[str, tuple[str, str]]]:
    for field in ("onset", "confirmed_at", "ended_at"):
        one, other = getattr(was, field), getattr(now, field)
        if (one is None) != (other is None) or (one is not None and abs(one - other) > _SAME):
            yield field, (_moment(one), _moment(other))
    for field, of in _DESCRIBED.items():
        if of(was) != of(now):
            yield field, (of(was), of(now))


_DESCRIBED: dict[str, Callable[[Incident], str]] = {
    "services": lambda one: ", ".join(f"{name} {extent}" for name, extent in sorted(one.services.items())),
    "networks": lambda one: ", ".join(f"AS{network.asn}" for network in one.networks),
    "techniques": lambda one: ", ".join(sorted({name for network in one.networks for name in network.techniques})),
}


def _moment(seconds: float | None) -> str:
    return moment(seconds) if seconds is not None else "-"
