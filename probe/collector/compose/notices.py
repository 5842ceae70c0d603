"""An incident in words, for people who were asleep a minute ago: what, where, since when, how, how sure."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from probe.collector.compose.countries import country_name
from probe.detect.records import Affected, Incident, Restriction, plain
from probe.notify.notice import Notice, Phase
from probe.verdict.sentences import how
from probe.wire.vocabulary import Technique

_SEVERITY = {
    "restriction": "critical",
    "throttling": "critical",
    "network-outage": "critical",
    "platform-outage": "info",
}
_OUTAGE = "platform-outage"
_MOST = 12  # of anything that is listed
_HOUR, _DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
_TECHNIQUES = frozenset(Technique)


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """`platforms` and `networks` are names that people know; `zones` IANA time zones by country, the capital's first;
    `url` the collector's public address."""

    platforms: Mapping[str, str]
    networks: Mapping[int, str]
    zones: Mapping[str, tuple[str, ...]]
    url: str

    def notice(
        self, incident: Incident, phase: Phase, members: Sequence[Restriction], *, id: str, into: str | None = None
    ) -> Notice:
        return Notice(
            id=id,
            incident=incident.id,
            phase=phase,
            kind=incident.event,
            country=incident.country,
            severity=_SEVERITY.get(incident.event, "warning"),
            summary=self.summary(incident, phase),
            description="\n".join(self.sentences(incident, members, into)),
            starts_at=_moment(incident.onset),
            ends_at=_moment(incident.ended_at) if incident.ended_at is not None else None,
            url=f"{self.url}/api/v1/incidents/{into or incident.id}",
            incident_record=plain(incident),
        )

    def summary(self, incident: Incident, phase: Phase) -> str:
        """One line, as a headline has it."""
        what = self._what(incident)
        match phase:
            case Phase.RESOLVED:
                lasted = "" if incident.ended_at is None else f" after {_lasted(incident.ended_at - incident.onset)}"
                return f"Over{lasted}: {what}"
            case Phase.WITHDRAWN:
                return f"Withdrawn: {what}"
            case Phase.CORRECTED:
                return f"Corrected: {what}"
        return what

    def sentences(self, incident: Incident, members: Sequence[Restriction], into: str | None = None) -> Iterator[str]:
        """The facts, each in a sentence of its own."""
        if into is not None:
            yield f"It is told as part of incident {into} from now on."
        yield f"It began at {self._time(incident.onset, incident.country)}{_bracket(incident)}."
        if incident.ended_at is not None:
            lasted = _lasted(incident.ended_at - incident.onset)
            yield f"It ended at {self._time(incident.ended_at, incident.country)}, after {lasted}."
        yield from self._everywhere(incident) if incident.event == _OUTAGE else self._where(incident)
        yield from self._fine(incident)
        yield self._seen(incident)
        if incident.event != _OUTAGE and any(member.evidence.elsewhere == "works" for member in members):
            yield "Meanwhile it worked elsewhere: for controls, or in other countries."
        yield from dict.fromkeys(f"Of the votes, {one.text}." for one in incident.contrasts)
        if incident.note:
            yield incident.note

    def network(self, asn: int) -> str:
        name = self.networks.get(asn)
        return f"{name} (AS{asn})" if name else f"AS{asn}" if asn else "an unknown network"

    def platform(self, name: str) -> str:
        return self.platforms.get(name, name)

    def _what(self, incident: Incident) -> str:
        where = f" in {country_name(incident.country)}" if incident.country else ""
        platforms = listed([self.platform(name) for name in incident.platforms])
        match incident.event:
            case "restriction":
                return f"{self._restricted(incident)}{where}{self._first(incident)}"
            case "throttling":
                return f"{platforms} slowed down{where}{self._first(incident)}"
            case "platform-outage":
                return f"{platforms} down for everybody"
            case "network-outage":
                return f"{self._networks(incident)} cut off{where}"
            case "silence":
                return f"Probes silent{where}: {self._networks(incident)}"
            case "void-jump":
                return f"Probes unable to measure{where}: {self._networks(incident)}"
        return f"{_capital(incident.event)}{where}"

    def _restricted(self, incident: Incident) -> str:
        whole = [name for name in incident.platforms if _extents(incident, name) == {"full"}]
        partly = [name for name in incident.platforms if name not in whole]
        parts = [f"{listed([self.platform(name) for name in whole])} blocked"] if whole else []
        parts += [f"{listed([self.platform(name) for name in partly])} partially restricted"] if partly else []
        return ", ".join(parts) or "Platforms restricted"

    def _first(self, incident: Incident) -> str:
        if not incident.networks:
            return ""
        return f", {'first ' if len(incident.networks) > 1 else ''}via {self.network(incident.networks[0].asn)}"

    def _networks(self, incident: Incident) -> str:
        return listed([self.network(network.asn) for network in incident.networks]) or "networks"

    def _where(self, incident: Incident) -> Iterator[str]:
        """Who stops it, since when, and how."""
        yield from (self._via(network, incident.onset) for network in incident.networks[:_MOST])
        if len(incident.networks) > _MOST:
            yield f"So it was in {len(incident.networks) - _MOST} further networks."
        yield from self._means(incident)

    def _everywhere(self, incident: Incident) -> Iterator[str]:
        """No network does it: none is told as its author, and no technique, which would be read as one."""
        seen = f" (seen via {self._networks(incident)})" if incident.networks else ""
        yield f"It fails elsewhere, too, for controls or in other countries{seen}: no network restricts it."

    def _via(self, network: Affected, onset: float) -> str:
        services = [
            f"{self.platform(platform)} ({', '.join(_service(network, name) for name in names)})"
            for platform, names in groupby(sorted(network.services), key=_platform_of)
            if platform
        ]
        what = f": {listed(services)}" if services else ""
        by = f", by {listed(list(network.techniques))}" if network.techniques else ""
        return f"Via {self.network(network.asn)} since {_beside(network.onset, onset, '%H:%M UTC')}{what}{by}."

    def _means(self, incident: Incident) -> Iterator[str]:
        """What the techniques are to people who are not of the field."""
        named = dict.fromkeys(name for network in incident.networks for name in network.techniques)
        known = [Technique(name) for name in named if name in _TECHNIQUES]
        if known:
            yield f"How: {'; '.join(f'{how(technique)} ({technique})' for technique in known[:_MOST])}."

    def _fine(self, incident: Incident) -> Iterator[str]:
        by_platform = {name: list(own) for name, own in groupby(sorted(incident.not_affected), key=_platform_of)}
        whole = [self.platform(name) for name in by_platform if name not in incident.platforms]
        parts = [
            f"{self.platform(name)} ({', '.join(one.partition('.')[2] for one in own)})"
            for name, own in by_platform.items()
            if name in incident.platforms
        ]
        if whole or parts:
            yield f"Tested there and not affected: {listed(sorted(whole) + parts)}."

    def _seen(self, incident: Incident) -> str:
        witnesses = counted(incident.witnesses, "person", "people")
        return f"It was seen by the probes of {witnesses}, in {counted(incident.votes, 'vote')}."

    def _time(self, seconds: float, country: str) -> str:
        at = _moment(seconds)
        local = local_time(self.zones, country, at)
        return f"{at:%H:%M} UTC on {_day(at)} {at.year}{f' ({local})' if local else ''}"


def local_time(zones: Mapping[str, tuple[str, ...]], country: str, at: dt.datetime) -> str:
    """Such as `23:30 in Istanbul`, with the day where it is another one there; empty where the country's time is not
    known."""
    zone = next(iter(zones.get(country, ())), None)
    local = local_moment(zones, country, at)
    if zone is None or local is None:
        return ""
    day = f" on {_day(local)}" if local.date() != at.date() else ""
    return f"{local:%H:%M}{day} in {zone.rpartition('/')[2].replace('_', ' ')}"


def local_moment(zones: Mapping[str, tuple[str, ...]], country: str, at: dt.datetime) -> dt.datetime | None:
    zone = next(iter(zones.get(country, ())), None)
    try:
        return at.astimezone(ZoneInfo(zone)) if zone is not None else None
    except ZoneInfoNotFoundError:  # a machine without a time zone database
        return None


def listed(names: Sequence[str]) -> str:
    shown = list(names[:_MOST]) + ([f"{len(names) - _MOST} more"] if len(names) > _MOST else [])
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else ""


def counted(number: int, one: str, more: str | None = None) -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"


def _extents(incident: Incident, platform: str) -> set[str]:
    return {extent for name, extent in incident.services.items() if _platform_of(name) == platform}


def _platform_of(service: str) -> str:
    return service.partition(".")[0]


def _service(network: Affected, name: str) -> str:
    return name.partition(".")[2] + (" in part" if network.services[name] == "partial" else "")


def _bracket(incident: Incident) -> str:
    if incident.onset_after is None or incident.event == "silence":
        return ""
    return f"; the last that still worked was at {_beside(incident.onset_after, incident.onset, '%H:%M:%S')}"


def _beside(seconds: float, other: float, form: str) -> str:
    """With the day where it is not the other moment's."""
    at, told = _moment(seconds), _moment(other)
    return format(at, form) + (f" on {_day(at)}" if at.date() != told.date() else "")


def _day(at: dt.datetime) -> str:
    return f"{at.day} {at:%B}"


def _lasted(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    if minutes < 120:
        return counted(minutes, "minute")
    span = dt.timedelta(minutes=minutes)
    return _rounded(span / _DAY, "days") if span >= 2 * _DAY else _rounded(span / _HOUR, "hours")


def _rounded(number: float, unit: str) -> str:
    return f"{number:.1f}".removesuffix(".0") + f" {unit}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
