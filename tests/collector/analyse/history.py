"""A day of a small fleet, the same in every run: rounds, blocks, late and repeated reports, controls, a flaky one."""

import datetime as dt
import hashlib
import random
from typing import NamedTuple

from probe.collector.log import Entry
from probe.wire.measurement import Measurement, Network
from probe.wire.reports import Report, Reported, Role
from tests.collector.analyse import world
from tests.collector.analyse.world import GERMAN, START, TURK, VODAFONE

_ROUND = dt.timedelta(minutes=5)
_HOSTS = {"x.com": 2, "twitter.com": 2, "api.x.com": 1, "facebook.com": 1}
_PROBES: tuple[tuple[str, Role, Network], ...] = (
    ("turk-1", "probe", TURK),
    ("turk-2", "probe", TURK),
    ("turk-3", "probe", TURK),
    ("vodafone-1", "probe", VODAFONE),
    ("control-1", "control", GERMAN),
    ("control-2", "control", GERMAN),
)


class Turn(NamedTuple):
    number: int
    name: str
    network: Network
    begun: dt.datetime


class Sending(NamedTuple):
    received: dt.datetime
    probe: str
    role: Role
    report: Report


def history(rounds: int = 12, seed: int = 1) -> list[Entry]:
    """Entries in the order of their receipt, positions from 1 on with gaps, as the log may have them."""
    chance = random.Random(seed)
    sendings = [
        Sending(moment, name, role, report)
        for number in range(rounds)
        for name, role, network in _PROBES
        for moment, report in _round(chance, number, name, network)
    ]
    repeats = [one._replace(received=one.received + _ROUND) for one in chance.sample(sendings, len(sendings) // 10)]
    ordered = sorted([*sendings, *repeats], key=lambda sending: sending.received)
    return [
        world.entry(
            one.report, 3 * place + 1, one.received, probe=one.probe, role=one.role, steward=one.probe.partition("-")[0]
        )
        for place, one in enumerate(ordered)
    ]


def _delay(chance: random.Random) -> dt.timedelta:
    """Most reports come at once, some hours later."""
    return dt.timedelta(seconds=chance.random() * 20 if chance.random() < 0.9 else chance.random() * 7200)


def _round(chance: random.Random, number: int, name: str, network: Network) -> list[tuple[dt.datetime, Report]]:
    """One round of one probe, in two reports; now and then an endpoint is missing."""
    begun = START + number * _ROUND + dt.timedelta(seconds=chance.random() * 60)
    turn = Turn(number, name, network, begun)
    ended = begun + dt.timedelta(seconds=10)
    cut = chance.randrange(len(_HOSTS) + 1)
    listed = list(_HOSTS)
    parts = [
        (ended + _delay(chance), [host for host in part if chance.random() > 0.05])
        for part in (listed[:cut], listed[cut:])
    ]
    return [
        (sent, world.report([_item(chance, host, turn, sent) for host in hosts], sent, network, hash_of(name) + place))
        for place, (sent, hosts) in enumerate(parts)
        if hosts
    ]


def _item(chance: random.Random, host: str, turn: Turn, sent: dt.datetime) -> Reported:
    return world.reported(
        _seen(chance, host, turn.number, turn.network),
        at=turn.begun + dt.timedelta(seconds=list(_HOSTS).index(host)),
        sent=sent,
        network=turn.network,
        round=world.identifier(turn.begun, hash_of(turn.name)),
        of=_HOSTS[host],
        number=hash_of(turn.name + host),
    )


def _seen(chance: random.Random, host: str, number: int, network: Network) -> Measurement:
    """X is blocked in Turkey from the fifth round to the ninth; everybody fails now and then."""
    if chance.random() < 0.03:
        return world.silent(host)
    blocked = network.country == "TR" and 5 <= number < 9 and host != "facebook.com"
    return world.reset(host) if blocked else world.healthy(host)


def hash_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:5], "big")
