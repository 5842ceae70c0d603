"""Check-ins of probes, and the silences among them as restrictions of a network."""

from bisect import bisect_left, insort
from collections.abc import Iterator

import msgspec

from probe.detect.records import Evidence, Restriction
from probe.detect.settings import DAY
from probe.detect.silence import Beats, Network, Silence, silences
from probe.detect.votes import NETWORK, Cell, Presence

SILENCE = "silence"
_KEPT = 2 * DAY


class Heart(msgspec.Struct, array_like=True):
    """Check-ins of one probe."""

    witness: str
    times: list[float]


class Pulse(msgspec.Struct):
    """All check-ins of the last days, by network and probe."""

    networks: dict[str, dict[str, Heart]] = {}
    told: list[tuple[str, int]] = []

    def add(self, presence: Presence) -> None:
        hearts = self.networks.setdefault(f"{presence.country}/{presence.asn}", {})
        heart = hearts.setdefault(presence.probe, Heart(presence.steward, []))
        if not heart.times or presence.time > heart.times[-1]:
            heart.times.append(presence.time)
        elif presence.time not in heart.times:
            insort(heart.times, presence.time)

    def silent(self, now: float, threshold: float) -> Iterator[tuple[Cell, list[Restriction]]]:
        """The silences of every network that has, or had, any."""
        beats = {
            _network(name): [Beats(probe, heart.witness, heart.times) for probe, heart in sorted(hearts.items())]
            for name, hearts in self.networks.items()
        }
        found: dict[Network, list[Restriction]] = {tuple(network): [] for network in self.told}  # type: ignore[misc]
        for silence in silences(beats, now, threshold):
            found.setdefault(silence.network, []).append(_restriction(silence, threshold))
        self.told = [network for network, records in found.items() if records]
        for (country, asn), records in found.items():
            yield Cell(country, asn, "", SILENCE, NETWORK), records

    def forget(self, now: float) -> None:
        for hearts in self.networks.values():
            for probe, heart in list(hearts.items()):
                del heart.times[: bisect_left(heart.times, now - _KEPT)]
                if not heart.times:
                    del hearts[probe]


def _network(name: str) -> Network:
    country, _, asn = name.partition("/")
    return country, int(asn)


def _restriction(silence: Silence, threshold: float) -> Restriction:
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
            worked=silence.contrast.table[0][1],
            witnesses=silence.witnesses,
            ratio=round(silence.ratio, 2),
            threshold=round(threshold, 2),
            contrasts=(silence.contrast,),
        ),
        cell=Cell(country, asn, "", SILENCE, NETWORK),
    )
