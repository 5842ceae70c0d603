"""What analysis costs: results a second on one core, healthy compact ones and blocked ones with every step.

`.venv-test/bin/python -m tests.bench.analyse [--results 20000]`. Prints a table; judges nothing. Reports of 50 results
from 200 probes, decompressed and decoded, judged, tallied, rolled up and written, with the processor's time alone.
"""

import argparse
import datetime as dt
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from probe.collector.log import Entry
from probe.wire.compact import compacted
from probe.wire.measurement import Measurement
from tests.collector.analyse import world

HOSTS = {"x.com": 2, "twitter.com": 2, "api.x.com": 1, "facebook.com": 1}
PROBES, TOGETHER, BATCH = 200, 50, 60


def entries(results: int, seen: Sequence[Measurement]) -> list[Entry]:
    """The same service of a probe and round side by side, as probes send them."""
    made = []
    for number in range(results // TOGETHER):
        moment = world.START + dt.timedelta(seconds=number * 0.05)
        items = [
            world.reported(
                seen[place % 4],
                at=moment,
                number=number * 1000 + place,
                round=world.identifier(moment, place // 4),
                of=list(HOSTS.values())[place % 4],
                compact=True,
            )
            for place in range(TOGETHER)
        ]
        report = world.report(items, moment, number=number)
        made.append(world.entry(report, number + 1, moment, probe=f"p{number % PROBES}"))
    return made


def analysed(log: Sequence[Entry]) -> tuple[float, int]:
    """Seconds of processor time, and measurements."""
    with tempfile.TemporaryDirectory() as folder:
        analysis = world.analysis(Path(folder) / "views.db")
        began, total = time.process_time(), 0
        for start in range(0, len(log), BATCH):
            total += analysis.advance(log[start : start + BATCH]).measurements
        took = time.process_time() - began
        analysis.close()
    return took, total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--results", type=int, default=20_000)
    results = parser.parse_args().results
    table = Table("results", "bytes each", "results/s a core", "wanted", title="analysis")
    healthy = [compacted(world.healthy(host)) for host in HOSTS]
    blocked = [world.reset(host) for host in HOSTS]
    kinds = {
        "healthy, compact": (entries(results, healthy), "5,000"),
        "one report in a hundred blocked": (_mixed(entries(results, healthy), entries(results, blocked)), ""),
        "all blocked, every one judged": (entries(results // 4, blocked), ""),
    }
    for name, (log, wanted) in kinds.items():
        took, total = analysed(log)
        size = sum(len(entry.document) for entry in log) / total
        table.add_row(name, f"{size:,.0f}", f"{total / took:,.0f}", wanted)
    Console(width=110).print(table)


def _mixed(healthy: Sequence[Entry], blocked: Sequence[Entry]) -> list[Entry]:
    return [blocked[n] if n % 100 == 0 else entry for n, entry in enumerate(healthy)]


if __name__ == "__main__":
    main()
