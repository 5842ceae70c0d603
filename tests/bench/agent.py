"""What the daemon costs its owner's machine: memory after many rounds back to back, and processor time at the default
interval.

Run as root: `.venv-test/bin/python -m tests.bench.agent [--rounds 500] [--minutes 10] [--platform ID ...] [--whole N]`.
Prints a table; judges nothing. The whole shipped catalogue is measured, without a data budget, while rounds follow each
other; the default budget holds where processor time is measured. The lab's servers share the machine.
"""

import argparse
import datetime as dt
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from probe.agent.budget import Saved
from probe.clock import set_scenario
from tests.agent.lab_agent import SHIPPED, AgentLab, agent_lab
from tests.memory import peak

_SPEED = 60.0  # a round a second, for whoever can: the others follow each other at once
_TICKS = os.sysconf("SC_CLK_TCK")
_LOOKS = 20
_USUAL_LEVEL = 2e6  # bytes left of the default budget's bucket, when it binds


def resident(pid: int) -> float:
    """MiB now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024


def processor(pid: int) -> float:
    """Seconds since its start, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def back_to_back(
    world: AgentLab, rounds: int, more: dict[str, object], later: tuple[int, Sequence[str]]
) -> Iterator[tuple[int, float, float]]:
    """Rounds so far, MiB resident, MiB at most. `later`: after so many rounds, of these platforms alone."""
    whole, few = later
    clock = world.lab.folder / "racing.json"
    set_scenario(clock, dt.datetime.now(dt.UTC), _SPEED)
    with world.home("racing", budget=0, **more).running(clock=clock) as home:
        assert home.process is not None
        wanted = {max(1, rounds * look // _LOOKS) for look in range(1, _LOOKS + 1)} | {max(1, whole)}
        for count in sorted(wanted):
            home.wait(lambda count=count: home.round() > count, seconds=7200, every=1.0)  # type: ignore[misc]
            yield home.round() - 1, resident(home.process.pid), peak(home.process.pid)
            if count == whole and few:
                home.configure(budget=0, **more, platforms=list(few))
                home.signal(signal.SIGHUP)


def at_default(world: AgentLab, minutes: float, more: dict[str, object]) -> tuple[float, int]:
    """Share of a core, and bytes on the wire, without the start; of a day's usual rounds, not the first ones, for which
    there is more to spend."""
    home = world.home("usual", interval=300, budget="100 MB", **more)
    saved = Saved(at=dt.datetime.now(dt.UTC), level=_USUAL_LEVEL)
    (home.state / "budget.json").write_bytes(msgspec.json.encode(saved))
    with home.running(real_time=True):
        assert home.process is not None
        time.sleep(10)
        began, used, before = time.monotonic(), processor(home.process.pid), home.status()
        time.sleep(minutes * 60)
        share = (processor(home.process.pid) - used) / (time.monotonic() - began)
        after = home.status()
    return share, after["budget"]["used"] - before["budget"]["used"]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--platform", action="append", help="only these; all of the catalogue otherwise")
    parser.add_argument("--whole", type=int, default=0, help="rounds of all of it before those of --platform")
    chosen = parser.parse_args(arguments)
    every = tuple(platform.id for platform in SHIPPED.platforms)
    few = tuple(chosen.platform or ())
    more: dict[str, object] = {} if few and not chosen.whole else {"catalogue": None}  # the shipped one
    table = Table("what", "got", "wanted", title="probe run")
    with agent_lab(every if chosen.whole else few or every) as world:
        if chosen.rounds:
            looks = []
            for count, now, most in back_to_back(world, chosen.rounds, more, (chosen.whole, few)):
                looks.append((count, now, most))
                print(f"{count} rounds: {now:.1f} MiB, at most {most:.1f}", file=sys.stderr, flush=True)
                table.add_row(f"resident after {count} rounds", f"{now:.1f} MiB", f"at most {most:.1f} MiB")
            half = looks[len(looks) // 2 :]
            table.add_row("growth in the second half", f"{half[-1][1] - half[0][1]:+.1f} MiB", "flat, < 80 MiB")
        if chosen.minutes:
            share, used = at_default(world, chosen.minutes, more)
            table.add_row("processor at 5 minutes, default budget", f"{100 * share:.2f} % of a core", "< 1.5 %")
            table.add_row("  on the wire meanwhile", f"{used / 1000:.0f} kB", "")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
