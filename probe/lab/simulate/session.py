"""What `probe simulate` does: with a collector of its own, or against one that is there already."""

import datetime as dt
import signal
import socket
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import trio

from probe.lab.geo import write_mmdb
from probe.lab.interruption import termination_unwinds
from probe.lab.model import LabError, Origin
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


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """How to run a collector of our own. `speed`: at most so many seconds a second. `port` 0: any that is free. `stay`
    is called with its address and with what came of it, before it ends."""

    speed: float | None = None
    port: int = 0
    stay: Callable[[str, Simulated], None] | None = None


class Theirs(msgspec.Struct, frozen=True, kw_only=True):
    """A collector that is there already. `live`: the scenario begins now, else it ends now. `forwarded`: it takes this
    machine for its reverse proxy."""

    url: str
    invitations: Sequence[Invitation]
    live: bool = False
    forwarded: bool = False


class _Link(msgspec.Struct, frozen=True, kw_only=True):
    """A collector, an invitation for each resident, and one for a reader."""

    url: str
    codes: Codes
    reader: str | None = None
    forwarded: bool = False


_ANY = Own()


def write_geo(scenario: Scenario, path: Path) -> None:
    """Raises LabError."""
    write_mmdb(Population(scenario).origins, path)


def with_own_collector(scenario: Scenario, watcher: Watcher, manner: Manner, own: Own = _ANY) -> Simulated:
    """Everything goes away in the end. Raises LabError."""
    _check_port(own.port)
    residents = fleet(scenario, manner.probes)
    with (
        termination_unwinds(),
        tempfile.TemporaryDirectory(prefix="probe-simulate-") as folder,
        Headquarters(Path(folder), scenario, catalogue_of(scenario), own.port) as collector,
    ):
        pace = Stepped(collector.clock_file, begin_of(scenario), own.speed)
        codes, reader = _invited(collector, Population(scenario).origins, residents)
        collector.open()
        collector.wait()
        collector.check()  # if not, whoever answers there is another
        link = _Link(url=collector.url, codes=codes, reader=reader, forwarded=True)
        try:
            done = _run(partial(_played, link, scenario, pace=pace, watcher=watcher, manner=manner))
        except LabError:
            collector.check()  # that it has ended tells more than that it does not answer
            raise
        if own.stay is not None:
            own.stay(collector.url, done)
        return done


def _check_port(port: int) -> None:
    """Else the virtual probes would speak to whoever listens there. Raises LabError."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
            tried.listen()
        except OSError as error:
            raise LabError(f"--port {port}: {error.strerror or error}; name another") from None


def against_collector(scenario: Scenario, watcher: Watcher, manner: Manner, theirs: Theirs) -> Simulated:
    """The scenario at another time. Raises LabError."""
    codes = _matched(fleet(scenario, manner.probes), theirs.invitations)
    edge = begin_of(scenario) if theirs.live else end_of(scenario)
    moved = shifted(scenario, dt.datetime.now(dt.UTC) - edge)
    pace: Pace = Live() if theirs.live else Past()
    link = _Link(url=theirs.url, codes=codes, forwarded=theirs.forwarded)
    manner = msgspec.structs.replace(manner, read=False)
    return _run(partial(_played, link, moved, pace=pace, watcher=watcher, manner=manner))


def _run(work: Callable[[], Awaitable[Simulated]]) -> Simulated:
    """SIGTERM unwinds it. Of several faults at a time the first is told."""
    try:
        return trio.run(_until_terminated, work)
    except BaseExceptionGroup as group:
        ending = group.subgroup(SystemExit)
        known, rest = group.split(LabError)
        if ending is not None or (known is not None and rest is None):
            raise _first(ending or known or group) from None
        raise


async def _until_terminated(work: Callable[[], Awaitable[Simulated]]) -> Simulated:
    done: list[Simulated] = []
    async with trio.open_nursery() as nursery:
        if threading.current_thread() is threading.main_thread():
            nursery.start_soon(_end_at_signal)
        done.append(await work())
        nursery.cancel_scope.cancel()
    return done[0]


async def _end_at_signal() -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async for number in signals:
            raise SystemExit(128 + number)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


async def _played(link: _Link, scenario: Scenario, *, pace: Pace, watcher: Watcher, manner: Manner) -> Simulated:
    async with Collector(link.url, forwarded=link.forwarded) as collector:
        tokens = [(resident, (await collector.enrol(code)).token) for resident, code in link.codes]
        if link.reader is not None:
            collector.reader = (await collector.enrol(link.reader)).token
        play = Play(Company(scenario, tokens, manner), collector, pace=pace, watcher=watcher, read=manner.read)
        sent = await play.run()
        if not manner.read:
            return Simulated(sent=sent)
        return Simulated(sent=sent, rounds=await play.history(), incidents=await findings.incidents(collector))


def _invited(own: Headquarters, origins: tuple[Origin, ...], residents: Sequence[Resident]) -> tuple[Codes, str]:
    """With the invitation of a reader."""
    houses: dict[tuple[str, str], list[Resident]] = defaultdict(list)
    for resident in residents:
        houses[resident.role, "" if resident.control else resident.steward].append(resident)
    wanted = [Wanted(role, steward or "the controls' owner", len(one)) for (role, steward), one in houses.items()]
    *found, (reader,) = own.prepare(origins, [*wanted, Wanted("read", "the simulation")])
    codes = [
        pair for one, several in zip(houses.values(), found, strict=True) for pair in zip(one, several, strict=True)
    ]
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
