"""Incidents as the API gives them. Of witnesses only how many there were, never who."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from probe.collector.compose.composer import Written
from probe.collector.compose.countries import country_name
from probe.collector.compose.notices import Wording, local_moment
from probe.collector.web.incidents import Crowd, IncidentRow
from probe.detect.records import Incident, Restriction, moment, plain
from probe.notify.notice import Phase


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """An incident, its restrictions, and what was written down of all of them, in that order. `hidden` counts networks
    that are left out."""

    incident: Incident
    members: tuple[Restriction, ...]
    history: tuple[Written, ...] = ()
    hidden: int = 0


def seen_by(whole: Whole, crowd: Crowd | None) -> Whole:
    """Without the networks where too few volunteers are to hide among."""
    if crowd is None:
        return whole
    members = tuple(one for one in whole.members if crowd(one.country, one.asn, one.starts))
    kept, asns = {one.id for one in members}, {one.asn for one in members}
    incident = whole.incident
    networks = tuple(network for network in incident.networks if network.asn in asns)
    return Whole(
        incident=msgspec.structs.replace(incident, networks=networks, restrictions=tuple(sorted(kept))),
        members=members,
        history=tuple(one for one in whole.history if one.restriction is None or one.restriction.id in kept),
        hidden=len(incident.networks) - len(networks),
    )


def row(incident: Incident) -> IncidentRow:
    onsets = [incident.onset, incident.onset_after, incident.confirmed_at, incident.ended_at]
    onset, onset_after, confirmed_at, ended_at = (_moment(value) for value in onsets)
    return IncidentRow(
        id=incident.id,
        kind=incident.event,
        state=incident.state,
        country=incident.country or None,
        onset=onset,
        onset_after=onset_after,
        confirmed_at=confirmed_at,
        ended_at=ended_at,
        platforms=incident.platforms,
        asns=tuple(network.asn for network in incident.networks),
        techniques=techniques(incident),
    )


def techniques(incident: Incident) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for network in incident.networks for name in network.techniques))


def document(whole: Whole, wording: Wording) -> dict[str, Any]:
    """Everything that somebody on call needs."""
    incident, ended = whole.incident, whole.incident.ended_at
    phase = Phase.RESOLVED if ended is not None else Phase.FIRING
    facts = plain(incident)
    return {
        **facts,
        "kind": facts.pop("event"),
        "country_name": country_name(incident.country) if incident.country else None,
        "summary": wording.summary(incident, phase),
        "description": list(wording.sentences(incident, whole.members)),
        "onset_local": _local(wording, incident.country, incident.onset),
        "ended_local": _local(wording, incident.country, ended) if ended is not None else None,
        "duration": round(ended - incident.onset) if ended is not None else None,
        "networks": list(_networks(whole, wording)),
        "networks_hidden": whole.hidden,
        "platform_names": {name: wording.platform(name) for name in incident.platforms if name},
        "restrictions": [_restriction(member, wording) for member in whole.members],
        "history": [_said(written) for written in whole.history],
    }


def _networks(whole: Whole, wording: Wording) -> Iterable[dict[str, Any]]:
    countries = {member.asn: member.country for member in whole.members}
    for network in whole.incident.networks:
        country = countries.get(network.asn, whole.incident.country)
        yield {
            "asn": network.asn or None,
            "name": wording.networks.get(network.asn),
            "country": country or None,
            "onset": moment(network.onset),
            "onset_local": _local(wording, country, network.onset),
            "techniques": network.techniques,
            "services": network.services,
        }


def _restriction(member: Restriction, wording: Wording) -> dict[str, Any]:
    facts = plain(member)
    evidence = {**facts["evidence"], "witnesses": len(member.evidence.witnesses)}
    name = wording.networks.get(member.asn)
    return {**facts, "kind": facts.pop("event"), "network": name, "evidence": evidence}


def _said(written: Written) -> dict[str, Any]:
    about = written.restriction
    return {
        "change": written.change,
        "correction": written.correction,
        "at": moment(written.time),
        "recorded_at": moment(written.recorded_at) if written.recorded_at else None,
        "into": written.into,
        "restriction": about.id if about is not None else None,
        "asn": (about.asn or None) if about is not None else None,
        "platform": about.platform or None if about is not None else None,
        "service": about.service or None if about is not None else None,
        "technique": about.technique or None if about is not None else None,
    }


def _local(wording: Wording, country: str, seconds: float) -> str | None:
    """RFC 3339 with the offset of the country's capital."""
    local = local_moment(wording.zones, country, dt.datetime.fromtimestamp(round(seconds), dt.UTC))
    return local.isoformat() if local is not None else None


def _moment(seconds: float | None) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(seconds, dt.UTC) if seconds is not None else None


def members_of(incident: Incident, found: Callable[[str], Restriction | None]) -> Sequence[Restriction]:
    return [member for name in incident.restrictions if (member := found(name)) is not None]
