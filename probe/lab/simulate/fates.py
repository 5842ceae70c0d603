"""What befalls the connections of a probe at a moment: the censor's acts, the world's faults, and its own bad luck."""

import datetime as dt
import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from probe.catalogue.model import Catalogue, Endpoint
from probe.lab.scenario.effects import Effect, after
from probe.lab.scenario.model import OF_AN_ISP, Scenario
from probe.lab.scenario.population import AD_BLOCKER
from probe.lab.scenario.subset import hosts_of
from probe.lab.scenario.techniques import BY_ADDRESS, names_of
from probe.lab.simulate.fleet import Resident

_BAD_LUCK = {"ip-drop": 6, "dns-timeout": 3, "sni-drop": 1, "sni-reset": 1}  # how often each
_LOSS = 0.1  # of a lossy home's first questions


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """`address` is what a forged answer tells; `rate`, of throttling, kB a second."""

    technique: str
    address: str | None = None
    rate: int = 16


class _Spell(msgspec.Struct, frozen=True):
    """One effect with the hosts that it is about; none: everything."""

    asn: int | None
    act: Act
    hosts: frozenset[str]


class Fates:
    """What the scenario has in store, by time."""

    def __init__(self, scenario: Scenario, catalogue: Catalogue) -> None:
        self._times: list[dt.datetime] = []
        self._spells: list[tuple[_Spell, ...]] = []
        self._effects: list[tuple[Effect, ...]] = []
        effects: tuple[Effect, ...] = ()
        for at in sorted({event.at for event in scenario.events}):
            effects = after(effects, [event for event in scenario.events if event.at == at], scenario, catalogue)
            self._times.append(at)
            self._effects.append(effects)
            self._spells.append(tuple(_spell(effect, catalogue) for effect in effects))

    def effects_at(self, at: dt.datetime) -> tuple[Effect, ...]:
        index = bisect_right(self._times, at) - 1
        return self._effects[index] if index >= 0 else ()

    def cut_off(self, resident: Resident, at: dt.datetime) -> bool:
        """Whether its provider carries nothing."""
        return any(spell.asn == resident.isp and not spell.hosts for spell in self._at(at))

    def of(self, resident: Resident, host: str, at: dt.datetime) -> tuple[Act, ...]:
        """Acts against this host, where this probe is. The censor does not see into a VPN."""
        shielded = resident.control or resident.trouble == "vpn"
        own = None if shielded else resident.isp
        acts = [spell.act for spell in self._at(at) if spell.asn in {None, own} and host in spell.hosts]
        return (*acts, *_own(resident, host))

    def _at(self, at: dt.datetime) -> Sequence[_Spell]:
        index = bisect_right(self._times, at) - 1
        return self._spells[index] if index >= 0 else ()


def bad_luck(endpoints: Iterable[Endpoint], chance: random.Random) -> Act:
    """A failure that is nobody's doing, and looks like somebody's: of all of a service."""
    secure = all(endpoint.target.scheme in {"https", "tls"} for endpoint in endpoints)
    return Act(technique=chance.choices(list(_BAD_LUCK), list(_BAD_LUCK.values()))[0] if secure else "ip-drop")


def hiccup(resident: Resident, chance: random.Random) -> tuple[Act, ...]:
    """What a lossy line does now and then, and not when asked again."""
    lossy = resident.trouble == "loss" and chance.random() < _LOSS
    return (Act(technique="loss"),) if lossy else ()


def _spell(effect: Effect, catalogue: Catalogue) -> _Spell:
    event = effect.event
    technique = event.technique or ""
    act = Act(technique=technique, address=event.address, rate=event.rate)
    if technique in OF_AN_ISP:
        return _Spell(effect.asn, act, frozenset())
    hosts = hosts_of(effect.services, catalogue, event.share)
    return _Spell(effect.asn, act, frozenset(hosts if technique in BY_ADDRESS else _touched(hosts, technique)))


def _touched(hosts: tuple[str, ...], technique: str) -> tuple[str, ...]:
    """What acts on names leaves bare addresses alone; a server that is gone is gone by any name."""
    return hosts if technique.startswith("outage-") and technique != "outage-names" else names_of(hosts)


def _own(resident: Resident, host: str) -> Iterator[Act]:
    answer = AD_BLOCKER.answers.get(host) if resident.trouble == "ad-blocker" else None
    if answer is not None:
        yield Act(technique="dns-forged", address=answer.addresses[0])
    if resident.trouble in {"black-hole", "antivirus"}:
        yield Act(technique=str(resident.trouble))
