"""What `probe simulate` does: with a collector of its own, or against one that is there already."""

import datetime as dt
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import trio

from probe.lab.geo import write_mmdb
from probe.lab.interruption import termination_unwinds
from probe.lab.model import LabError
from probe.lab.scenario.history import Round
from probe.lab.scenario.model import Scenario
from probe.lab.scenario.population import Population
from probe.lab.scenario.run import Watcher
from probe.lab.simulate import findings
from probe.lab.simulate.client import Collector
from probe.lab.simulate.fleet import Resident, fleet
from probe.lab.simulate.headquarters import Headquarters, Wanted, code_of
from probe.lab.simulate.pace import Live, Pace, Past, Stepped, shifted
from probe.lab.simulate.play import Company, Manner, Play, Sent, catalogue_of
from probe.lab.simulate.stretches import begin_of, end_of

Codes = list[tuple[Resident, str]]


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `incidents` in full, as the API gives them; without a collector that lets us read, `rounds` and
    `incidents` are empty."""

    sent: Sent
    rounds: tuple[Round, ...] = ()
    incidents: tuple[dict[str, Any], ...] = ()


class Invitation(msgspec.Struct, frozen=True):
    """A line of `probe collector invite --format json`."""

    url: str
    role: str = "probe"
    steward: str | None = None


def write_geo(scenario: Scenario, path: Path) -> None:
    """Raises LabError."""
    write_mmdb(Population(scenario).origins, path)


def with_own_collector(
    scenario: Scenario,
    watcher: Watcher,
    manner: Manner,
    *,
    probes: int | None = None,
    speed: float | None = None,
    port: int = 0,
    stay: Callable[[str], None] | None = None,
) -> Simulated:
    """Everything goes away in the end; `stay` is called before that, with the collector's address."""
    residents = fleet(scenario, probes)
    with termination_unwinds(), tempfile.TemporaryDirectory(prefix="probe-simulate-") as folder:
        with Headquarters(Path(folder), scenario, catalogue_of(scenario), port) as own:
            pace = Stepped(own.clock_file, begin_of(scenario), speed)
            own.prepare(Population(scenario).origins)
            own.open()
            codes, reader = _invited(own, residents)
            own.wait()
            done = trio.run(_against, own.url, scenario, codes, reader, pace, watcher, manner)
            if stay is not None:
                stay(own.url)
            return done


def against_collector(
    scenario: Scenario,
    watcher: Watcher,
    manner: Manner,
    *,
    url: str,
    invitations: Sequence[Invitation],
    probes: int | None = None,
    live: bool = False,
    forwarded: bool = False,
) -> Simulated:
    """The scenario at another time: `live`, it begins now, else it ends now."""
    codes = _matched(fleet(scenario, probes), invitations)
    edge = begin_of(scenario) if live else end_of(scenario)
    moved = shifted(scenario, dt.datetime.now(dt.UTC) - edge)
    pace: Pace = Live() if live else Past()
    manner = msgspec.structs.replace(manner, read=False)
    return trio.run(_against, url, moved, codes, None, pace, watcher, manner, forwarded)


async def _against(
    url: str,
    scenario: Scenario,
    codes: Codes,
    reader: str | None,
    pace: Pace,
    watcher: Watcher,
    manner: Manner,
    forwarded: bool = True,
) -> Simulated:
    async with Collector(url, forwarded=forwarded) as collector:
        tokens = [(resident, (await collector.enrol(code)).token) for resident, code in codes]
        if reader is not None:
            collector.reader = (await collector.enrol(reader)).token
        play = Play(scenario, Company(scenario, tokens, manner), collector, pace, watcher, manner)
        sent = await play.run()
        if not manner.read:
            return Simulated(sent=sent)
        return Simulated(
            sent=sent, rounds=await play.history(), incidents=await findings.incidents(collector)
        )


def _invited(own: Headquarters, residents: Sequence[Resident]) -> tuple[Codes, str]:
    """With the invitation of a reader."""
    houses: dict[tuple[str, str], list[Resident]] = defaultdict(list)
    for resident in residents:
        houses[resident.role, "" if resident.control else resident.steward].append(resident)
    wanted = [Wanted(role, steward or "the controls' owner", len(own)) for (role, steward), own in houses.items()]
    *found, (reader,) = own.invite([*wanted, Wanted("read", "the simulation")])
    codes = [pair for own, several in zip(houses.values(), found, strict=True) for pair in zip(own, several, strict=True)]
    return codes, reader


def _matched(residents: Sequence[Resident], invitations: Sequence[Invitation]) -> Codes:
    """Each gets one of its role. Nothing is used up where they do not suffice."""
    needed = Counter(resident.role for resident in residents)
    there = Counter(invitation.role for invitation in invitations)
    for role, count in needed.items():
        if there[role] < count:
            missing = f"`probe collector invite --role {role} --count {count - there[role]} --format json`"
            raise LabError(f"{count} invitations of the role {role} are needed, {there[role]} are there: add {missing}")
    stock = {role: [code_of(one.url) for one in invitations if one.role == role] for role in needed}
    return [(resident, stock[resident.role].pop()) for resident in residents]
