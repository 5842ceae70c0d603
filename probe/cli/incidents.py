"""`probe incidents`: what a collector saw begin and end."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from probe.cli.countries import country_code
from probe.cli.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT = "http://127.0.0.1:8640"
_FORMATS = click.Choice(["table", "json"])


def _collector(command: Callable[..., None]) -> Callable[..., None]:
    option = click.option(
        "--collector",
        envvar="PROBE_COLLECTOR",
        default=DEFAULT,
        show_default=True,
        metavar="URL",
        help="Whose incidents; or PROBE_COLLECTOR.",
    )
    return option(command)


@click.group(epilog="Example: probe incidents list --active")
def incidents() -> None:
    """What a collector saw begin and end.

    What is blocked, where, since when, by which means, and how sure that is.

    A collector that is closed to the public wants a token of the role read, in PROBE_TOKEN.
    """


@incidents.command("list", epilog="Example: probe incidents list --country TR --since 2026-11-01")
@_collector
@click.option("--country", metavar="XX", callback=country_code, help="Only in this country: two letters, such as TR.")
@click.option("--asn", type=click.IntRange(1, 4294967295), help="Only in this network.")
@click.option("--platform", metavar="NAME", help="Only of this platform.")
@click.option("--since", metavar="TIME", help="Only what lasted at that time or began later (UTC).")
@click.option("--until", metavar="TIME", help="Only what began before that time (UTC).")
@click.option("--active", is_flag=True, help="Only what lasts.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
@click.option("--format", "form", type=_FORMATS, default="table", show_default=True)
def list_(
    *,
    collector: str,
    country: str | None,
    asn: int | None,
    platform: str | None,
    since: str | None,
    until: str | None,
    active: bool,
    limit: int,
    form: str,
) -> None:
    """Incidents, the newest first."""
    asked = {
        "country": country,
        "asn": asn,
        "platform": platform,
        "from": _moment("--since", since),
        "to": _moment("--until", until),
    }
    rows = _found(collector, {name: str(value) for name, value in asked.items() if value is not None}, active, limit)
    from probe.cli.incidents_view import show_list

    _shown(rows, form, show_list)


@incidents.command(epilog="Example: probe incidents show tr-restriction-8f14e45fceea167a")
@click.argument("incident", metavar="ID")
@_collector
@click.option("--format", "form", type=_FORMATS, default="table", show_default=True)
def show(incident: str, collector: str, form: str) -> None:
    """One incident in full: what, where, since when, how, how sure, what is not affected.

    ID may be shortened to its beginning where that stands for one incident.
    """
    import urllib.parse

    from probe.cli.incidents_ask import NotFound, ask
    from probe.cli.incidents_view import show_one

    path = "/api/v1/incidents/"
    try:
        found = ask(collector, path + urllib.parse.quote(incident, safe=""), {})
    except NotFound:
        name = _begins_with(collector, incident)
        found = ask(collector, path + urllib.parse.quote(name, safe=""), {})
    _shown([found], form, lambda rows: show_one(rows[0]))


def _found(collector: str, asked: dict[str, str], active: bool, limit: int) -> list[dict[str, Any]]:
    from probe.cli.incidents_ask import pages

    rows: list[dict[str, Any]] = []
    for row in pages(collector, "/api/v1/incidents", asked):
        if not active or (row.get("state") == "confirmed" and row.get("ended_at") is None):
            rows.append(row)
        if len(rows) >= limit:
            break
    return rows


def _begins_with(collector: str, beginning: str) -> str:
    from probe.cli.incidents_ask import pages

    names = [row["id"] for row in pages(collector, "/api/v1/incidents", {})]
    fitting = [name for name in names if name.startswith(beginning)]
    if not fitting:
        raise Fault(f"{collector}: no incident {beginning!r}: `probe incidents list` gives them all")
    if len(fitting) > 1:
        raise Fault(f"{beginning!r} stands for {len(fitting)} incidents: {', '.join(fitting[:3])}: write more of it")
    return str(fitting[0])


def _shown(rows: list[dict[str, Any]], form: str, table: Callable[[list[dict[str, Any]]], None]) -> None:
    if form == "table":
        table(rows)
        return
    import msgspec

    for row in rows:
        click.echo(msgspec.json.encode(row).decode())


def _moment(option: str, text: str | None) -> str | None:
    """As the API wants it: with its zone."""
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise Fault(f"{option} {text!r}: no time: write it as 2026-11-22 or 2026-11-22T06:00") from None
    known = moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
    return known.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
