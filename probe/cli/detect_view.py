"""Restrictions and incidents as a table for people."""

from typing import TextIO

from rich.table import Table
from rich.text import Text

from probe.cli.display import Screen
from probe.detect.history import Past, shown
from probe.detect.records import Incident, Restriction, moment

_COLOUR = {"confirmed": "bold red", "suspected": "yellow", "ended": "green", "standing": "magenta"}


def show(past: Past, out: TextIO, votes: int, dismissed: bool) -> None:
    screen = Screen(out)
    records = list(shown(past, dismissed))
    restrictions = [record for record in records if isinstance(record, Restriction)]
    if restrictions:
        screen.print(_restrictions(restrictions))
        screen.print()
    for record in records:
        if isinstance(record, Incident):
            screen.print(Text(_sentence(record), _COLOUR.get(record.state, "")), soft_wrap=not screen.is_terminal)
    confirmed = sum(record.confirmed_at is not None for record in restrictions)
    said = f"{votes} vote{'' if votes == 1 else 's'}: {confirmed} restriction{'' if confirmed == 1 else 's'} confirmed."
    screen.print(Text(said), soft_wrap=True)


def _restrictions(records: list[Restriction]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("network", "service", "state", "how", "since (UTC)", "until"):
        table.add_column(heading, no_wrap=heading not in {"service", "how"}, overflow="fold")
    for record in records:
        table.add_row(
            f"{record.country} AS{record.asn}",
            _service(record),
            Text(record.state, _COLOUR.get(record.state, "")),
            f"{record.extent} {record.technique}".strip(),
            _short(record.onset) if record.onset is not None else f"before {_short(record.onset_before)}",
            _short(record.ended_at),
        )
    return table


def _service(record: Restriction) -> str:
    return ".".join(filter(None, (record.platform, record.service)))


def _short(seconds: float | None) -> str:
    return "" if seconds is None else moment(seconds)[:16].replace("T", " ")


def _sentence(record: Incident) -> str:
    where = f" in {record.country}" if record.country else ""
    what = ", ".join(record.platforms) or "the network"
    order = ", then ".join(f"AS{network.asn}" for network in record.networks)
    until = f" to {_short(record.ended_at)}" if record.ended_at is not None else ""
    return f"{record.event}{where} ({record.state}): {what}; {order}; from {_short(record.onset)}{until} UTC"
