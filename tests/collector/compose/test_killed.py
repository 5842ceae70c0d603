"""`kill -9` at any moment: no transition is lost, none doubled, no notice missing; and what was sent is sent once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from probe.collector.analyse.journal import Journal
from probe.notify.outbox import Outbox
from tests.collector.compose.fleet import HOOK, Stage, content, handed, votes
from tests.collector.compose.test_revisions import live, worked
from tests.notify.receivers import receiving

ROOT = Path(__file__).parents[3]
_TICKING = """
import pathlib, sys
from probe.collector.analyse.handover import READER
from tests.collector.compose.fleet import Stage, batches
from tests.collector.compose.test_revisions import live, worked
stage = Stage(pathlib.Path(sys.argv[1]))
print("ready", flush=True)
reached = stage.journal.remembered(READER)
for now, batch in batches(live(worked)):
    if max(one.serial for one in batch) > reached:
        stage.tick(batch, now)
print("done", flush=True)
"""
_SENDING = """
import pathlib, sqlite3, sys, trio
from probe.clock import SystemClock
from probe.notify.channels import Channel
from probe.notify.deliver import Delivery
from probe.notify.outbox import Outbox
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30, check_same_thread=False)
hook = Channel(name="hook", type="webhook", url=sys.argv[2], secret="s")
print("ready", flush=True)
trio.run(Delivery(Outbox(database), [hook], SystemClock(), lambda: ()).run)
"""


def begun(program: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Once it has loaded and opened what it needs."""
    env = {**os.environ, "PYTHONPATH": "."}
    command = [sys.executable, "-c", program, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=env)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def killed(process: subprocess.Popen[bytes]) -> bool:
    """Whether it had not come to its end."""
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    rest = process.stdout.read()
    process.stdout.close()
    return b"done" not in rest


@pytest.mark.parametrize("seed", [1, 2])
def test_a_collector_that_is_killed_again_and_again_decides_the_same(tmp_path: Path, seed: int) -> None:
    calm = Stage(tmp_path / "calm.sqlite")
    calm.play(live(worked))
    calm.close()
    chance, path, kills = random.Random(seed), tmp_path / "killed.sqlite", 0
    while True:
        process = begun(_TICKING, str(path))
        if kills == 8:
            assert process.wait(timeout=300) == 0
        else:
            time.sleep(chance.uniform(0.0, 0.6) if kills else 0.0)  # the first at once: later it may be through
        if not killed(process):
            break
        kills += 1
    assert kills
    assert content(path) == content(calm.path)


def test_a_sender_that_is_killed_misses_no_notice_and_repeats_one_with_its_own_id(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    stage = Stage(path)
    stage.play(handed(votes()))
    stage.close()
    journal = Journal(path)
    decided = [name for (name,) in journal.connection.execute("SELECT notice FROM outbox ORDER BY position")]
    assert len(decided) == 3
    chance, outbox = random.Random(3), Outbox(journal.connection)
    with receiving() as receiver:
        for attempt in range(9):
            process = begun(_SENDING, str(path), receiver.url)
            until = time.monotonic() + (chance.uniform(0.0, 0.8) if attempt < 8 else 120)
            while time.monotonic() < until and outbox.head(HOOK.name) is not None:
                time.sleep(0.01)
            killed(process)
        assert outbox.head(HOOK.name) is None, "everything went out in the end"
        taken = [json.loads(body)["id"] for _, body in receiver.taken]
    assert list(dict.fromkeys(taken)) == decided
    assert all(headers["webhook-id"] in decided for headers, _ in receiver.taken)
    journal.close()
