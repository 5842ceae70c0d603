"""A spool on a file system of its own, in a mount namespace that goes with the process.

    unshare --mount python -m tests.agent.spool_on_small_disk full|read-only FOLDER

Prints one JSON object with what happened.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from probe.agent.spool import Spool
from probe.agent.spool_file import SpoolUnavailable
from probe.wire.vocabulary import Outcome
from tests.agent.spool_building import AGENT, NOW, reported


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def delivered(spool: Spool) -> list[str]:
    """Acknowledges all that there is."""
    found = []
    while (batch := spool.batch(AGENT, now=NOW, monotonic=0.0)) is not None:
        found += [item.measurement.id for item in batch.report().measurements]
        spool.acknowledge(batch.report_id)
    return found


def added(spool: Spool, most: int) -> tuple[list[str], str | None]:
    """Ids that were durable, and the fault that came then."""
    ids: list[str] = []
    for _ in range(most):
        item = reported(Outcome.BLOCKED, body=os.urandom(600))
        try:
            spool.add(item, monotonic=0.0)
        except SpoolUnavailable as fault:
            return ids, str(fault)
        ids.append(item.measurement.id)
    return ids, None


def full(folder: Path) -> dict[str, object]:
    """The disk is full; what was collected is delivered though nothing else was deleted, and work goes on as long as
    it is; without delivery it is full again, until room is made."""
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(3 << 20))
    spool = Spool.open(folder / "spool.sqlite3")
    ids, fault = added(spool, 20_000)
    refused = reported()
    while_full = delivered(spool)
    steady = sum(len(delivered(spool)) for _ in range(40) if len(added(spool, 50)[0]) == 50)
    more, again = added(spool, 20_000)
    ballast.unlink()
    spool.add(refused, monotonic=0.0)
    after = delivered(spool)
    spool.close()
    return {
        "added": len(ids),
        "fault": fault,
        "again": again,
        "lost": sorted({*ids, *more} - {*while_full, *after}),
        "steady": steady,
        "mended": refused.measurement.id in after,
        "while_full": len(while_full),
    }


def read_only(folder: Path) -> dict[str, object]:
    """Opened while it is, and again once it is writable."""
    path = folder / "spool.sqlite3"
    spool = Spool.open(path)
    ids, _ = added(spool, 5)
    spool.close()
    mount("-o", "remount,ro", str(folder))
    faults = []
    for name in (path, folder / "new.sqlite3", path):
        try:
            Spool.open(name)
        except SpoolUnavailable as error:
            faults.append(str(error))
    mount("-o", "remount,rw", str(folder))
    spool = Spool.open(path)
    return {"faults": faults, "lost": sorted({*ids} - {*delivered(spool)})}


if __name__ == "__main__":
    what, place = sys.argv[1], Path(sys.argv[2])
    mount("-t", "tmpfs", "-o", "size=8m", "none", str(place))
    print(json.dumps({"full": full, "read-only": read_only}[what](place)))
