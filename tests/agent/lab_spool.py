"""What a probe in the lab has measured, and what of it waits in its spool."""

import contextlib
import datetime as dt
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from probe.agent.spool import Spool
from probe.wire.reports import Reported

from .lab_agent import AgentLab, Home
from .spool_building import AGENT


def counted(world: AgentLab) -> int:
    lines = world.page("http://127.0.0.1:9640/metrics").splitlines()
    return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("probe_measurements_total{")))


def left_in(home: Home) -> dict[str, list[str]]:
    """Ids of measurements by report; what belongs to none yet under a name that begins with `new`. Of a copy: the
    probe's own is as it was when the process ended."""
    found: dict[str, list[str]] = {}
    known = reports_begun(home)
    for number, (report, members) in enumerate(batches(home)):
        name = report if report in known else f"new {number}"
        found[name] = [one.measurement.id for one in members]
    return found


def bodies_left_in(home: Home) -> list[str]:
    return [msgspec.json.encode(one).decode() for _, members in batches(home) for one in members]


def reports_begun(home: Home) -> set[str]:
    with copied(home) as path, contextlib.closing(sqlite3.connect(path)) as connection:
        made = connection.execute("SELECT name FROM sqlite_master WHERE name = 'reports'").fetchall()
        return {row[0] for row in connection.execute("SELECT report_id FROM reports")} if made else set()


def batches(home: Home) -> Iterator[tuple[str, tuple[Reported, ...]]]:
    with copied(home) as path, contextlib.closing(Spool.open(path)) as spool:
        while (batch := spool.batch(AGENT, now=dt.datetime.now(dt.UTC), monotonic=0.0)) is not None:
            yield batch.report_id, batch.report().measurements
            spool.acknowledge(batch.report_id)


@contextlib.contextmanager
def copied(home: Home) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        for file in home.state.glob("spool.db*"):
            shutil.copy(file, folder)
        yield Path(folder) / "spool.db"
