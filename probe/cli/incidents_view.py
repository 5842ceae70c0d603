"""Incidents for people: tables and colour on a terminal, plain lines when piped."""

import datetime as dt
import sys
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from probe.cli.display import Screen
from probe.cli.incidents_history import lines, told_at
from probe.cli.narrow import table_of

Row = dict[str, Any]
_LASTING = "lasting"
_DIGITS = 4
_LEAST = {"where": 9, "since (UTC)": 10, "lasted": 6, "what": 10, "how": 10}
_COLOUR = {_LASTING: "bold red", "ended": "green", "suspected": "yellow", "dismissed": "dim"}


def show_list(rows: list[Row]) -> None:
    screen = Screen(sys.stdout)
    if not screen.is_terminal:
        for row in rows:
            click.echo("\t".join(_plain(row)))  # rich would make spaces of the tabs
        return
    if not rows:
        screen.print(Text("No incidents.", "dim"))
        return
    names = beginnings([row["id"] for row in rows])
    cells = [
        (
            Text(name, "cyan"),
            _where(row),
            _state(row),
            _short(row.get("onset")),
            _lasted(row),
            ", ".join(row.get("platforms") or ()),
            Text(" ".join(row.get("techniques") or ()), "dim"),
        )
        for name, row in zip(names, rows, strict=True)
    ]
    header = ("id", "where", "state", "since (UTC)", "lasted", "what", "how")  # what kind it is stands in its id
    screen.print(table_of(header, cells, room=screen.width, least=_LEAST, folded=_LEAST))


def beginnings(names: list[str]) -> list[str]:
    """Of each so much that it stands for no other, and some of its last part: `probe incidents show` takes that."""
    least = max((name.rfind("-") + 1 + _DIGITS for name in names), default=0)
    longest = max(map(len, names), default=0)
    enough = next((size for size in range(least, longest) if len({name[:size] for name in names}) == len(names)), None)
    return [name[:enough] for name in names]


def show_one(row: Row) -> None:
    screen = Screen(sys.stdout)
    if not screen.is_terminal:
        for line in _sentences(row):
            screen.print(line, soft_wrap=True)
        return
    state = _state(row)
    screen.print(Text.assemble((row.get("summary") or row["id"], "bold"), "  ", state))
    screen.print(Text(row["id"], "cyan"))
    screen.print()
    screen.print(_facts(row))
    for heading, part in (("In order of onset", _networks(row)), ("What was said of it", _history(row))):
        if part is not None:
            screen.print()
            screen.print(Text(heading, "bold"))
            screen.print(Padding(part, (0, 0, 0, 2)))


# --- one ---


def _facts(row: Row) -> RenderableType:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in _named(row):
        table.add_row(name, Text(value))
    return Group(table)


def _named(row: Row) -> Iterator[tuple[str, str]]:
    yield "began", _moments(row.get("onset"), row.get("onset_local"))
    if row.get("onset_after"):
        yield "worked last", _moments(row["onset_after"], None)
    if row.get("confirmed_at"):
        yield "confirmed", _confirmed(row)
    if row.get("ended_at"):
        yield "ended", f"{_moments(row['ended_at'], row.get('ended_local'))}, after {_lasted(row)}"
    yield "what", _services(row.get("services") or {})
    if row.get("not_affected"):
        yield "not affected", _grouped(row["not_affected"])
    yield "seen by", f"{row.get('witnesses', 0)} witnesses, in {row.get('votes', 0)} votes"
    for contrast in row.get("contrasts") or ():
        yield str(contrast.get("name", "")), str(contrast.get("text", ""))
    if row.get("note"):
        yield "note", str(row["note"])


def _networks(row: Row) -> RenderableType | None:
    networks = row.get("networks") or []
    hidden = row.get("networks_hidden") or 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("network", "since (UTC)", "local time", "how", "what"):
        table.add_column(heading, no_wrap=heading in {"since (UTC)", "local time"})
    for network in networks:
        table.add_row(
            _network(network),
            _clock(network.get("onset")),
            _clock(network.get("onset_local")),
            Text(", ".join(network.get("techniques") or ()), "red"),
            _services(network.get("services") or {}),
        )
    parts: list[RenderableType] = [table] if networks else []
    if hidden:
        parts.append(Text(f"{hidden} more, not shown: too few volunteers are there to hide among.", "dim"))
    return Group(*parts) if parts else None


def _history(row: Row) -> RenderableType | None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column()
    for moment, change, correction, about in lines(row.get("history") or ()):
        table.add_row(moment, Text(change, "yellow" if correction else ""), Text(about, "dim"))
    return table if table.row_count else None


def _sentences(row: Row) -> Iterator[str]:
    yield str(row.get("summary") or row["id"])
    yield f"id: {row['id']}"
    yield f"state: {_word(row)}"
    for name, value in _named(row):
        yield f"{name}: {value}"
    for network in row.get("networks") or ():
        how = f" by {', '.join(network['techniques'])}" if network.get("techniques") else ""
        what = _services(network.get("services") or {})
        yield f"network: {_network(network)} since {_short(network.get('onset'))} UTC{how}: {what}"
    for moment, change, _, about in lines(row.get("history") or ()):
        yield f"history: {moment} {change}: {about}"


# --- words ---


def _plain(row: Row) -> tuple[str, ...]:
    platforms, techniques = ",".join(row.get("platforms") or ()), ",".join(row.get("techniques") or ())
    asns = ",".join(f"AS{asn}" for asn in row.get("asns") or ())
    ended = row.get("ended_at") or ""
    country = row.get("country") or ""
    return (row["id"], row["kind"], country, _word(row), row.get("onset") or "", ended, platforms, asns, techniques)


def _where(row: Row) -> str:
    asns = [f"AS{asn}" for asn in row.get("asns") or ()]
    more = f" +{len(asns) - 2}" if len(asns) > 2 else ""
    return f"{row.get('country') or 'world'} {' '.join(asns[:2])}{more}".strip()


def _word(row: Row) -> str:
    return _LASTING if row.get("state") == "confirmed" and not row.get("ended_at") else str(row.get("state"))


def _state(row: Row) -> Text:
    return Text(_word(row), _COLOUR.get(_word(row), ""))


def _network(network: Row) -> str:
    name, asn = network.get("name"), network.get("asn")
    return f"{name} (AS{asn})" if name else f"AS{asn}" if asn else "unknown"


def _services(services: dict[str, str]) -> str:
    return _grouped([name + (" in part" if extent == "partial" else "") for name, extent in sorted(services.items())])


def _grouped(names: list[str]) -> str:
    """`x.web, x.api` as `x (web, api)`."""
    parts = [name.partition(".")[::2] for name in sorted(names)]
    found = [(platform, [own for _, own in group if own]) for platform, group in groupby(parts, key=lambda p: p[0])]
    return ", ".join(f"{platform} ({', '.join(own)})" if own else platform for platform, own in found if platform)


def _confirmed(row: Row) -> str:
    told = told_at(row.get("history") or (), "confirmed")
    said = f", told at {_clock(told)}" if told else ""
    return f"{_short(row['confirmed_at'])[:10]} {_clock(row['confirmed_at'])} UTC (evidence complete{said})"


def _moments(text: str | None, local: str | None) -> str:
    here = _parsed(local)
    return f"{_short(text)} UTC" + (f" ({here:%H:%M} local time)" if here else "")


def _short(text: str | None) -> str:
    moment = _parsed(text)
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""


def _clock(text: str | None) -> str:
    moment = _parsed(text)
    return f"{moment:%H:%M:%S}" if moment else ""


def _lasted(row: Row) -> str:
    begin, end = _parsed(row.get("onset")), _parsed(row.get("ended_at"))
    if begin is None or end is None:
        return ""
    minutes = max(1, round((end - begin).total_seconds() / 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 2880 else f"{minutes / 1440:.1f} days"


def _parsed(text: str | None) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
