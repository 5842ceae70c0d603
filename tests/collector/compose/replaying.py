"""A collector's analysis and detection over entries of a log, as they come."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import msgspec

from probe.collector.analyse.handover import MOST, Handover
from probe.collector.analyse.journal import JOURNAL, Journal
from probe.collector.analyse.schema import VIEWS
from probe.collector.compose.composer import Composer
from probe.collector.log import Entry
from probe.detect.settings import Settings
from probe.wire.measurement import Network
from probe.wire.reports import Report, Role
from tests.collector.analyse import world
from tests.collector.analyse.world import GERMAN, START, TURK, VODAFONE
from tests.collector.compose.fleet import HOOK, WORDING, veiled

ROUND = dt.timedelta(minutes=5)
BEGINS, ENDS, ROUNDS = 10, 18, 26  # rounds in which X is blocked in Turkey
_HOSTS = {"x.com": 2, "twitter.com": 2, "api.x.com": 1, "facebook.com": 1}
_PROBES: tuple[tuple[str, Role, Network], ...] = (
    ("turk-1", "probe", TURK),
    ("turk-2", "probe", TURK),
    ("turk-3", "probe", TURK),
    ("vodafone-1", "probe", VODAFONE),
    ("vodafone-2", "probe", VODAFONE),
    ("control-1", "control", GERMAN),
    ("control-2", "control", GERMAN),
)


def entries(rounds: int = ROUNDS) -> list[Entry]:
    """Each probe has a steward of its own, and sends one report a round."""
    sent = [
        (START + number * ROUND + dt.timedelta(seconds=30 * place), name, role, network, number)
        for number in range(rounds)
        for place, (name, role, network) in enumerate(_PROBES)
    ]
    return [
        world.entry(
            _report(moment, network, number, 100 * number + place % 7),
            place,
            moment,
            probe=name,
            role=role,
            steward=f"of {name}",
        )
        for place, (moment, name, role, network, number) in enumerate(sent, 1)
    ]


def in_parts(late: dt.timedelta, host: str, rounds: int = ROUNDS) -> list[Entry]:
    """The same, but what was measured of that host comes in a report of its own, later."""
    found: list[tuple[dt.datetime, str, Role, Report]] = []
    for number in range(rounds):
        for place, (name, role, network) in enumerate(_PROBES):
            moment = START + number * ROUND + dt.timedelta(seconds=30 * place)
            document = _report(moment, network, number, 100 * number + place % 7)
            own = [one for one in document.measurements if one.measurement.endpoint == f"https://{host}/"]
            others = [one for one in document.measurements if one not in own]
            found.append((moment, name, role, world.report(others, moment, network, place)))
            aged = [msgspec.structs.replace(one, age=(one.age or 0.0) + late.total_seconds()) for one in own]
            found.append((moment + late, name, role, world.report(aged, moment + late, network, 50 + place)))
    return [
        world.entry(document, place, moment, probe=name, role=role, steward=f"of {name}")
        for place, (moment, name, role, document) in enumerate(sorted(found, key=lambda one: one[0]), 1)
    ]


def _report(sent: dt.datetime, network: Network, number: int, identity: int) -> Report:
    blocked = network.country == "TR" and BEGINS <= number < ENDS
    items = [
        world.reported(
            world.reset(host) if blocked and host != "facebook.com" else world.healthy(host),
            at=sent - dt.timedelta(seconds=20 - 2 * place),
            sent=sent,
            network=network,
            round=world.identifier(sent, identity),
            of=of,
            number=10_000 * identity + place,
        )
        for place, (host, of) in enumerate(_HOSTS.items())
    ]
    return world.report(items, sent, network, identity)


def live(state: Path, received: Sequence[Entry], cut: int = 5) -> None:
    """Leaves views and journal in that folder."""
    analysis, journal = world.analysis(state / VIEWS), Journal(state / JOURNAL)
    composer = Composer(journal.connection, Settings(), WORDING, [HOOK], lambda _: None, veil=veiled)
    handover = Handover(lambda: analysis.connection, journal, composer)
    for start in range(0, len(received), cut):
        batch = received[start : start + cut]
        analysis.advance(batch)
        while handover.tick(batch[-1].received_at.timestamp()) >= MOST:
            pass
    analysis.close()
    journal.close()
