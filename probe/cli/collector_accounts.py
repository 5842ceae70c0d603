"""`probe collector invite|probes|revoke`: who may report to a collector."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from probe.cli.collector_faults import collector_faults
from probe.cli.collector_token import READING
from probe.cli.faults import Failed, Fault

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from probe.collector.accounts import Account, Accounts
    from probe.collector.config import CollectorConfig
    from probe.wire.reports import Role

CONFIG = click.option(
    "--config", "path", type=click.Path(path_type=Path), required=True, help="The collector's configuration."
)
_FORM = click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", help="json: one a line."
)


@click.command()
@CONFIG
@click.option("--role", type=click.Choice(["probe", "control", "read", "admin"]), default="probe")
@click.option("--steward", help="Who vouches for the probe; ten probes of one steward are one witness.")
@click.option("--expires", help="How long it can be used, such as '2 days'; the configuration's time by default.")
@click.option("--count", type=click.IntRange(1, 1000), default=1, help="How many invitations.")
@_FORM
def invite(*, path: Path, role: str, steward: str | None, expires: str | None, count: int, form: str) -> None:
    """Make an invitation: it lets one probe in, once, until it expires. It is shown here and kept nowhere.

    The second line is what whoever gets it pastes into a terminal. The roles read and admin are for people, who
    then see what the public does not.

    \b
    Example:
      probe collector invite --config collector.yaml --steward "Ayşe, Izmir"
      probe collector invite --config collector.yaml --role control
      probe collector invite --config collector.yaml --role read
    """
    if role == "probe" and not (steward or "").strip():
        raise Fault("--steward is missing: name who vouches for this probe (its owner, as you know them)")
    with collector_faults():
        config = _loaded(path)
        links = _invited(config, role, steward.strip() if steward else None, _valid(config, expires), count)
    for link in links:
        line = _pasted(link, role)
        shown = {"kind": "invitation", "role": role, "steward": steward, "url": link, "command": line}
        click.echo(json.dumps(shown, ensure_ascii=False) if form == "json" else f"{link}\n  {line}")


@click.command()
@CONFIG
@_FORM
def probes(path: Path, form: str) -> None:
    """List the accounts: probes, controls and readers, with their stewards and the day they were last seen.

    \b
    Example:
      probe collector probes --config collector.yaml --format json
    """
    with collector_faults():
        config = _loaded(path)
        with closing(_accounts(config)) as accounts:
            found = accounts.probes()
    rows = [_shown(account) for account in found]
    if form == "json":
        for row in rows:
            click.echo(json.dumps({"kind": "probe", **row}, ensure_ascii=False))
    else:
        show_accounts(rows)


@click.command()
@CONFIG
@click.argument("names", metavar="PROBE...", nargs=-1)
@click.option("--steward", help="Everything that this steward vouches for, open invitations too.")
def revoke(path: Path, names: tuple[str, ...], steward: str | None) -> None:
    """Revoke tokens. It holds for the very next request, also of a running collector. What was reported stays.

    PROBE may be shortened to its beginning where that stands for one account.

    \b
    Example:
      probe collector revoke --config collector.yaml 3f9a5c1e77b0d214
      probe collector revoke --config collector.yaml --steward "Ayşe, Izmir"
    """
    if not names and steward is None:
        raise Fault("name the probes to revoke (see `probe collector probes`), or a --steward")
    with collector_faults():
        config = _loaded(path)
        with closing(_accounts(config)) as accounts:
            meant = {name: _begun(name, accounts.probes()) for name in dict.fromkeys(names)}
            unknown = [name for name, probe in meant.items() if probe is None or not accounts.revoke(probe, _now())]
            gone = accounts.revoke_steward(steward, _now()) if steward is not None else []
    click.echo(f"revoked: {len(meant) - len(unknown) + len(gone)}")
    if unknown:
        raise Failed(f"no such account, or revoked already: {', '.join(unknown)}")


def _pasted(link: str, role: str) -> str:
    if role in READING:
        return f"export PROBE_TOKEN=$(probe collector token '{link}')"
    return f"probe setup --invitation '{link}'"


def _loaded(path: Path) -> CollectorConfig:
    from probe.collector.config import load_config

    return load_config(path)


def _accounts(config: CollectorConfig) -> Accounts:
    from probe.collector.accounts import Accounts

    return Accounts.open(config.accounts_file)


def _valid(config: CollectorConfig, expires: str | None) -> float:
    from probe.catalogue.quantities import seconds_of

    try:
        return config.invitation if expires is None else seconds_of(expires)
    except ValueError as error:
        raise Fault(f"--expires: {error}") from None


def _invited(config: CollectorConfig, role: str, steward: str | None, valid: float, count: int) -> list[str]:
    from probe.collector.documents import Documents
    from probe.collector.invitations import link
    from probe.collector.keys import invitation_key

    with closing(Documents.open(config.documents_file)) as documents:
        key = invitation_key(documents)
    with closing(_accounts(config)) as accounts:
        codes = [accounts.invitations.invite(cast("Role", role), steward, _now(), valid) for _ in range(count)]
    return [link(config.url, code, key) for code in codes]


def _shown(account: Account) -> dict[str, Any]:
    import msgspec

    shown: dict[str, Any] = msgspec.to_builtins(account)
    return shown


def _begun(name: str, accounts: Sequence[Account]) -> str | None:
    """The one account that holds and that this is the beginning of."""
    found = [one.probe for one in accounts if one.revoked_on is None and name and one.probe.startswith(name)]
    if name in found:
        return name
    if len(found) > 1:
        raise Fault(f"{name!r} stands for {len(found)} accounts: {', '.join(found[:3])}: write more of it")
    return found[0] if found else None


_COLUMNS = ("probe", "role", "steward", "agent", "made on", "last seen", "revoked on")
_WHOLE = ("probe", "agent")  # to be copied: never cut


def show_accounts(rows: list[dict[str, Any]]) -> None:
    """Drawn on a terminal that is wide enough; elsewhere lines with tabs, for other programs."""
    cells = [[" ".join(str(row[name.replace(" ", "_")] or "").split()) for name in _COLUMNS] for row in rows]
    if not (sys.stdout.isatty() and _drawn(cells)):
        for line in (list(_COLUMNS), *cells):
            click.echo("\t".join(line))


def _drawn(cells: list[list[str]]) -> bool:
    """Whether there was room for it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for place, name in enumerate(_COLUMNS):
        widest = max(len(line[place]) for line in (_COLUMNS, *cells))
        table.add_column(name, overflow="fold", min_width=widest if name in _WHOLE else len(name))
    for line in cells:
        table.add_row(*map(escape, line))
    console = Console()
    fits = Console(width=1000).measure(table).minimum <= console.width
    if fits:
        console.print(table)
    return fits


def _now() -> dt.datetime:
    from probe.clock import clock_from

    return clock_from(os.environ.get("PROBE_CLOCK")).now()
