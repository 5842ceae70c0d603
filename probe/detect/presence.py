"""Check-ins of probes, and the silences among them as restrictions of a network."""

from collections.abc import Iterator

import msgspec

from probe.detect.beats import Beats
from probe.detect.records import Evidence, Restriction
from probe.detect.settings import DAY
from probe.detect.silence import Network, Silence, reviewed, silences
from probe.detect.votes import NETWORK, Cell, Presence

SILENCE = "silence"
_KEPT = 2 * DAY


class Pulse(msgspec.Struct):
    """All check-ins of the last days, by network and probe; and the silences that were told, until they are history."""

    networks: dict[str, dict[str, Beats]] = {}
    told: list[Silence] = []

    def add(self, presence: Presence) -> None:
        hearts = self.networks.setdefault(_name((presence.country, presence.asn)), {})
        heart = hearts.get(presence.probe)
        if heart is None:
            heart = hearts[presence.probe] = Beats(presence.probe, presence.steward, [])
        heart.add(presence.time)

    def silent(self, now: float, threshold: float) -> Iterator[tuple[Cell, list[Restriction]]]:
        """The silences of every network that has, or had, any."""
        found: dict[Network, list[Restriction]] = {silence.network: [] for silence in self.told}
        again = (reviewed(silence, self.networks.get(_name(silence.network), {})) for silence in self.told)
        held = [silence for silence in again if silence is not None]
        beats = {_network(name): hearts.values() for name, hearts in self.networks.items()}
        self.told = held + silences(beats, now, threshold, held)
        for silence in self.told:
            found.setdefault(silence.network, []).append(_restriction(silence))
        for (country, asn), records in found.items():
            yield Cell(country, asn, "", SILENCE, NETWORK), records

    def forget(self, now: float, before: float) -> None:
        """Silences that ended before `before` are history."""
        self.told = [silence for silence in self.told if silence.end is None or silence.end >= before]
        for name, hearts in list(self.networks.items()):
            for probe, heart in list(hearts.items()):
                heart.forget(now - _KEPT)
                if not heart.times:
                    del hearts[probe]
            if not hearts:
                del self.networks[name]


def _name(network: Network) -> str:
    return f"{network[0]}/{network[1]}"


def _network(name: str) -> Network:
    country, _, asn = name.partition("/")
    return country, int(asn)


def _restriction(silence: Silence) -> Restriction:
    country, asn = silence.network
    over = silence.end is not None
    return Restriction(
        id="",
        event=SILENCE,
        state="ended" if over else "confirmed",
        country=country,
        asn=asn,
        platform="",
        service=SILENCE,
        onset=silence.begin,
        onset_after=silence.begin,
        onset_before=silence.detected,
        suspected_at=silence.detected,
        confirmed_at=silence.detected,
        ended_at=silence.end,
        end_confirmed_at=silence.end,
        segments=((silence.begin, silence.end),),
        evidence=Evidence(
            failed=len(silence.witnesses),
            worked=silence.contrast.table[0][1] if silence.contrast is not None else 0,
            witnesses=silence.witnesses,
            ratio=round(silence.ratio, 2),
            threshold=round(silence.threshold, 2),
            contrasts=(silence.contrast,) if silence.contrast is not None else (),
        ),
        cell=Cell(country, asn, "", SILENCE, NETWORK),
    )
