"""Which transitions people are told of, and as what: one notice an incident and tick, and none twice."""

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

from probe.collector.compose.notices import Wording
from probe.collector.compose.present import Present, Told, stands
from probe.detect.detector import Detector
from probe.detect.records import Incident, Transition
from probe.notify.channels import Channel
from probe.notify.notice import ENDED, Notice, Phase
from probe.notify.outbox import Outbox

Named = tuple[Transition, str]  # with its name
_OF_PARTS = frozenset({"technique", "corrected"})
_NEWS = frozenset({"confirmed", "spread", "reopened", "technique", "unobserved"})


class Announcer:
    """Writes into the outbox, within the transaction of the tick."""

    def __init__(self, wording: Wording, outbox: Outbox, channels: Sequence[Channel], present: Present) -> None:
        self._wording, self._outbox, self._channels, self._present = wording, outbox, tuple(channels), present

    def post(self, told: Sequence[Named], detector: Detector, now: dt.datetime) -> None:
        self._outbox.post(list(self._notices(told, detector)), self._channels, now)

    def _notices(self, told: Sequence[Named], detector: Detector) -> Iterator[Notice]:
        for incident, changes in _by_incident(told, detector):
            before, facts = self._present.told(incident.id)
            phase = phase_of(incident, [change for change, _ in changes], before)
            same = phase is Phase.CORRECTED and facts == facts_of(incident)
            if phase is not None and not same:
                last, name = changes[-1]
                members = [r for one in incident.restrictions if (r := self._present.restriction(one)) is not None]
                yield self._wording.notice(incident, phase, members, id=name, into=last.into)
                self._present.note_told(incident.id, _said(incident, phase), facts_of(incident))


def phase_of(incident: Incident, changes: Sequence[Transition], before: Told) -> Phase | None:
    """What the incident is told as, after `before`; None where there is nothing new to tell."""
    if not all(stands(change) for change in changes if change.incident is not None) or incident.confirmed_at is None:
        return Phase.WITHDRAWN if before in {"lasting", "over"} else None
    corrected = any(change.correction for change in changes)
    news = any(change.change in _NEWS for change in changes)
    if incident.ended_at is not None:
        return Phase.RESOLVED if before != "over" else Phase.CORRECTED if corrected or news else None
    if before in {"", "withdrawn"}:
        return Phase.FIRING
    return Phase.CORRECTED if corrected else Phase.UPDATED if news or before == "over" else None


def _by_incident(told: Sequence[Named], detector: Detector) -> list[tuple[Incident, list[Named]]]:
    """A change of technique, or a correction, may be one of a restriction alone: it is told as one of the incident that
    it is part of."""
    turned = {t.subject: (t, name) for t, name in told if t.change in _OF_PARTS and t.restriction is not None}
    changes: dict[str, list[Named]] = defaultdict(list)
    incidents = {t.incident.id: t.incident for t, _ in told if t.incident is not None}
    for incident in detector.incidents if turned else ():
        for member in [name for name in incident.restrictions if name in turned]:
            incidents.setdefault(incident.id, incident)
            changes[incident.id].append(turned[member])
    for transition, name in told:
        if transition.incident is not None:
            changes[transition.incident.id].append((transition, name))
    return [(incidents[name], listed) for name, listed in changes.items()]


def facts_of(incident: Incident) -> str:
    """What a notice is about, to the minute: nobody is woken for more."""
    moments = [round(moment / 60) if moment is not None else None for moment in (incident.onset, incident.ended_at)]
    networks = [(network.asn, sorted(network.techniques)) for network in incident.networks]
    facts = repr((moments, networks, sorted(incident.services.items()))).encode()
    return hashlib.sha256(facts).hexdigest()[:16]


def _said(incident: Incident, phase: Phase) -> Told:
    if phase is Phase.WITHDRAWN:
        return "withdrawn"
    return "over" if phase in ENDED or incident.ended_at is not None else "lasting"
