"""The state of a running probe for people: tables on a terminal, plain lines when piped."""

import datetime as dt
import sys
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from probe.agent.state import AgentState, DocumentState, ServiceState
from probe.cli.display import COLOUR, Screen
from probe.verdict.sentences import state
from probe.wire.vocabulary import Outcome

_TROUBLE = "yellow"


def show(now: AgentState) -> None:
    screen = Screen(sys.stdout)
    if screen.is_terminal:
        screen.print(view(now, screen))
        return
    for service in now.services:
        how = f" {service.techniques[0]}" if service.techniques else ""
        screen.print(f"{service.platform} {service.service} {service.outcome}{how}", soft_wrap=True)
    for name, value, _ in facts(now):
        screen.print(f"{name}: {value}", soft_wrap=True)


def view(now: AgentState, screen: Screen) -> RenderableType:
    """What there is to say of a first round stands with the facts."""
    return Group(_platforms(now, screen), Text(), _facts(now)) if now.platforms else _facts(now)


def _platforms(now: AgentState, screen: Screen) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "platform", "state", "how", "since", "services"):
        table.add_column(heading, no_wrap=heading != "services")
    for platform in now.platforms:
        own = [service for service in now.services if service.platform == platform.platform]
        table.add_row(
            screen.mark(platform.outcome),
            Text(platform.name),
            Text(state(platform.outcome), COLOUR[platform.outcome]),
            Text(", ".join(platform.techniques[:2])),
            Text(_ago(platform.since, now.now) if platform.outcome is not Outcome.OK else "", "dim"),
            _services(own),
        )
    return table


def _services(services: list[ServiceState]) -> Text:
    return Text(" ").join(Text(service.service, COLOUR[service.outcome]) for service in services)


def _facts(now: AgentState) -> RenderableType:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value, trouble in facts(now):
        table.add_row(name, Text(value, _TROUBLE if trouble else ""))
    return table


def facts(now: AgentState) -> Iterator[tuple[str, str, bool]]:
    """What there is to say beside the platforms: a name, a value, and whether somebody should look at it."""
    yield "network", _network(now), now.vpn or now.round.void is not None
    yield "round", _round(now), now.round.void is not None
    yield "collector", _uplink(now), now.uplink.failure is not None
    yield "waiting", _spool(now), now.spool.fault is not None or now.spool.dropped > 0
    yield "data", _budget(now), 0 < now.budget.limit < now.budget.used
    yield "catalogue", _document(now.catalogue, now.now, "none"), now.catalogue.stale
    yield (
        "expectations",
        _document(now.expectations, now.now, "none, so some failures stay unclear"),
        now.expectations.stale,
    )
    if now.restarts:
        parts = ", ".join(f"{part} {count} times" for part, count in sorted(now.restarts.items()))
        yield "restarted", f"after a fault: {parts}", True
    for note in now.notes:
        yield "note", note, True
    yield "probe", f"{now.agent}, {now.role}, running for {_span(now.now - now.started_at)}", False


def _network(now: AgentState) -> str:
    network = now.network
    parts = [f"AS{network.asn}" if network.asn else "", network.name or "", network.country or ""]
    known = " ".join(filter(None, parts)) or "not known"
    by = f", by {'the collector' if now.network_by == 'lease' else 'a table on this machine'}" if now.network_by else ""
    resolver = f"; resolver in AS{network.resolver_asn}" if network.resolver_asn not in {None, network.asn} else ""
    return f"{known}{by}{resolver}{'; a VPN is suspected: it does not speak for the provider' if now.vpn else ''}"


def _round(now: AgentState) -> str:
    current = now.round
    if not current.number:
        return "none yet"
    if current.void is not None:
        return f"number {current.number}, not measured: {current.void}"
    if current.ended_at is None or (current.began_at and current.began_at > current.ended_at):
        return f"number {current.number}, {current.measured} of {current.planned} endpoints so far"
    took = f", took {current.duration:.0f} s" if current.duration is not None else ""
    wait = f", the next in {_span(current.next_at - now.now)}" if current.next_at and current.next_at > now.now else ""
    return f"number {current.number} {current.ended or 'ended'} {_ago(current.ended_at, now.now)}{took}{wait}"


def _uplink(now: AgentState) -> str:
    uplink = now.uplink
    where = f"{uplink.collector}: " if uplink.collector else ""
    sent = f"; last upload {_ago(uplink.last_upload, now.now)}" if uplink.last_upload else ""
    failure = f"; {uplink.failure} ({_ago(uplink.failed_at, now.now)})" if uplink.failure else ""
    return f"{where}{uplink.state}{sent}{failure}"


def _spool(now: AgentState) -> str:
    spool = now.spool
    parts = [f"{spool.measurements} measurements" + (f", {_size(spool.bytes)}" if spool.measurements else "")]
    parts += [f"{spool.waiting} in memory: {spool.fault}"] if spool.fault else []
    parts += [f"{spool.set_aside} reports set aside"] if spool.set_aside else []
    parts += [f"{spool.dropped} dropped for lack of room"] if spool.dropped else []
    return "; ".join(parts)


def _budget(now: AgentState) -> str:
    of = f" of {_size(now.budget.limit)}" if now.budget.limit else ", no limit"
    return f"{_size(now.budget.used)} in 24 hours{of}"


def _document(document: DocumentState, now: dt.datetime, absent: str) -> str:
    if document.version is None:
        return absent
    source = f", {document.source}" if document.source else ""
    made = f", made {_ago(document.made_at, now)}" if document.made_at else ""
    return f"version {document.version}{source}{made}{' (stale)' if document.stale else ''}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB" if count else "0 B"


def _ago(then: dt.datetime | None, now: dt.datetime) -> str:
    return f"{_span(now - then)} ago" if then is not None else ""


def _span(span: dt.timedelta) -> str:
    seconds = max(0, round(span.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} days"
