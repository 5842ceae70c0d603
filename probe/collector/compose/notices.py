"""An incident in words, for people who were asleep a minute ago: what, where, since when, how, how sure."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from probe.collector.compose.identity import identity
from probe.detect.records import Affected, Incident, Restriction, Transition, plain
from probe.notify.notice import Notice, Phase

_PHASES = {
    "confirmed": Phase.FIRING,
    "reopened": Phase.UPDATED,
    "technique": Phase.UPDATED,
    "spread": Phase.UPDATED,
    "corrected": Phase.CORRECTED,
    "ended": Phase.RESOLVED,
    "withdrawn": Phase.WITHDRAWN,
    "dismissed": Phase.WITHDRAWN,
    "merged": Phase.WITHDRAWN,
}
_SEVERITY = {
    "restriction": "critical",
    "throttling": "critical",
    "network-outage": "critical",
    "platform-outage": "info",
}
_MOST = 12  # of anything that is listed
_DAY = dt.timedelta(days=1)


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """`platforms` and `networks` are names that people know; `zones` IANA time zones by country, the capital's first;
    `url` the collector's public address."""

    platforms: Mapping[str, str]
    networks: Mapping[int, str]
    zones: Mapping[str, tuple[str, ...]]
    url: str

    def notice(self, transition: Transition, members: Sequence[Restriction], *, told: bool) -> Notice | None:
        """None where there is nothing to tell: not confirmed, or taken back before anybody heard of it."""
        incident, phase = transition.incident, _PHASES.get(transition.change)
        if incident is None or phase is None or incident.confirmed_at is None:
            return None
        if not told and phase is Phase.WITHDRAWN:
            return None
        first = phase if told or phase is Phase.RESOLVED else Phase.FIRING
        return Notice(
            id=identity(transition),
            incident=incident.id,
            phase=first,
            kind=incident.event,
            country=incident.country,
            severity=_SEVERITY.get(incident.event, "warning"),
            summary=self.summary(incident, first),
            description="\n".join(self.sentences(incident, members, transition.into)),
            starts_at=_moment(incident.onset),
            ends_at=_moment(incident.ended_at) if incident.ended_at is not None else None,
            url=f"{self.url}/api/v1/incidents/{incident.id}",
            incident_record=plain(incident),
        )

    def summary(self, incident: Incident, phase: Phase) -> str:
        what, where = self._what(incident), incident.country or "the world"
        if phase is Phase.RESOLVED:
            return f"Over: {what} in {where}"
        if phase is Phase.WITHDRAWN:
            return f"Withdrawn: {what} in {where}"
        first = f", first via {self._network(incident.networks[0].asn)}" if incident.networks else ""
        return f"{'Corrected: ' if phase is Phase.CORRECTED else ''}{what} in {where}{first}"

    def sentences(self, incident: Incident, members: Sequence[Restriction], into: str | None) -> Iterable[str]:
        if into is not None:
            yield f"It is part of incident {into}."
        yield f"It began at {self._time(incident.onset, incident.country)}{_bracket(incident)}."
        if incident.ended_at is not None:
            lasted = _lasted(incident.ended_at - incident.onset)
            yield f"It ended at {self._time(incident.ended_at, incident.country)}, after {lasted}."
        yield from (self._via(network) for network in incident.networks[:_MOST])
        if incident.not_affected:
            fine = sorted({self._platform(name.partition(".")[0]) for name in incident.not_affected})
            yield f"Tested and not affected: {_listed(fine)}."
        yield f"Seen by {_counted(incident.witnesses, 'witness', 'witnesses')} in {_counted(incident.votes, 'vote')}."
        yield from (f"{one}." for one in dict.fromkeys(m.evidence.elsewhere for m in members) if one)
        if incident.note:
            yield incident.note

    def _what(self, incident: Incident) -> str:
        match incident.event:
            case "restriction":
                return self._restricted(incident)
            case "throttling":
                return f"{_listed([self._platform(p) for p in incident.platforms])} slowed down"
            case "platform-outage":
                return f"{_listed([self._platform(p) for p in incident.platforms])} down for everybody"
            case "network-outage":
                return "Networks cut off"
            case "silence":
                return "Probes silent"
        return incident.event.capitalize()

    def _restricted(self, incident: Incident) -> str:
        whole = [p for p in incident.platforms if _extents(incident, p) == {"full"}]
        partly = [p for p in incident.platforms if p not in whole]
        parts = [f"{_listed([self._platform(p) for p in whole])} blocked"] if whole else []
        parts += [f"{_listed([self._platform(p) for p in partly])} partially restricted"] if partly else []
        return ", ".join(parts) or "Platforms restricted"

    def _via(self, network: Affected) -> str:
        by = f" by {_listed(list(network.techniques))}" if network.techniques else ""
        services = [
            f"{self._platform(platform)} ({', '.join(_service(network, name) for name in names)})"
            for platform, names in groupby(sorted(network.services), key=lambda name: name.partition(".")[0])
        ]
        what = f": {', '.join(services[:_MOST])}" if network.services else ""
        return f"{self._network(network.asn)} from {_moment(network.onset):%H:%M} UTC{what}{by}."

    def _platform(self, name: str) -> str:
        return self.platforms.get(name, name)

    def _network(self, asn: int) -> str:
        name = self.networks.get(asn)
        return f"{name} (AS{asn})" if name else f"AS{asn}"

    def _time(self, seconds: float, country: str) -> str:
        at = _moment(seconds)
        return f"{at:%H:%M} UTC on {at.day} {at:%B %Y}{self._local(at, country)}"

    def _local(self, at: dt.datetime, country: str) -> str:
        zone = next(iter(self.zones.get(country, ())), None)
        if zone is None:
            return ""
        try:
            local = at.astimezone(ZoneInfo(zone))
        except ZoneInfoNotFoundError:  # a machine without a time zone database
            return ""
        return f" ({local:%H:%M} in {zone.rpartition('/')[2].replace('_', ' ')})"


def _extents(incident: Incident, platform: str) -> set[str]:
    return {extent for name, extent in incident.services.items() if name.partition(".")[0] == platform}


def _service(network: Affected, name: str) -> str:
    return name.partition(".")[2] + (" in part" if network.services[name] == "partial" else "")


def _bracket(incident: Incident) -> str:
    if incident.onset_after is None:
        return ""
    return f"; it still worked at {_moment(incident.onset_after):%H:%M:%S}"


def _lasted(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} minutes"
    span = dt.timedelta(minutes=minutes)
    return f"{span / _DAY:.1f} days" if span >= 2 * _DAY else f"{span / dt.timedelta(hours=1):.1f} hours"


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:_MOST]) + ([f"{len(names) - _MOST} more"] if len(names) > _MOST else [])
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else ""


def _counted(number: int, one: str, more: str | None = None) -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"
