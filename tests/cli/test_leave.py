"""The end of a probe: asked for, told to the collector, and nothing removed that is not the probe's."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from probe.agent.credentials import Credentials, load_credentials, save_credentials
from probe.agent.leaving import running, wipe
from tests.agent.collector_stand_in import TOKEN, Trouble
from tests.agent.publishing import holding, publishing

from .owner import run

# A daemon as far as its owner sees it from outside: it has the lock, and ends on SIGTERM.
DAEMON = """\
import sys, signal
from pathlib import Path
from probe.agent.daemon_lock import locked
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    signal.pause()
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", DAEMON, str(tmp_path / "state")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


async def set_up(folder: Path, invitation: str | None = None) -> tuple[str | Path, ...]:
    """The options that name the configuration."""
    file = folder / "etc" / "probe.yaml"
    invited = ("--invitation", invitation) if invitation else ()
    done = await run(folder, "setup", "--accept-risks", "--config", file, "--state", folder / "state", *invited)
    assert done.status == 0, done
    return "--config", file


async def test_the_collector_erases_and_the_probe_may_not_start_again(tmp_path: Path) -> None:
    async with publishing() as collector:
        collector.publish_keys()
        where = await set_up(tmp_path, collector.invitation)
        done = await run(tmp_path, "leave", *where)
        assert collector.seen.count("/api/v1/probe", 202) == 1
    assert done.status == 0, done
    assert "Stand-in erases" in done.stdout
    assert holding(tmp_path / "state") == {"documents/keys.json"}
    again = await run(tmp_path, "run", *where)
    assert again.status == 2
    assert "probe setup" in again.stderr


async def test_a_running_daemon_is_stopped_first(tmp_path: Path, daemon: subprocess.Popen[str]) -> None:
    where = await set_up(tmp_path)
    assert running(tmp_path / "state") == daemon.pid
    done = await run(tmp_path, "leave", *where)
    assert done.status == 0, done
    assert f"Stopped process {daemon.pid}" in done.stdout
    assert daemon.wait(5) == 0


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        yield process
        process.kill()


async def test_a_lock_that_nobody_holds_stops_nobody(tmp_path: Path, bystander: subprocess.Popen[bytes]) -> None:
    where = await set_up(tmp_path)
    (tmp_path / "state" / "lock").write_text(f"{bystander.pid}\n")
    done = await run(tmp_path, "leave", *where)
    assert (done.status, bystander.poll()) == (0, None)
    assert "No probe was running" in done.stdout


async def test_while_the_collector_is_away_the_token_is_kept_and_asking_again_works(tmp_path: Path) -> None:
    async with publishing() as collector:
        where = await set_up(tmp_path, collector.invitation)
        collector.close_port()
        away = await run(tmp_path, "leave", "--wipe", *where)
        assert away.status == 1
        assert "the token is kept" in away.stderr
        assert holding(tmp_path / "state") == {"credentials.json"}
        assert load_credentials(tmp_path / "state") is not None
        await collector.open_port()
        done = await run(tmp_path, "leave", "--wipe", *where)
        assert (done.status, collector.seen.count("/api/v1/probe", 202)) == (0, 1), done
    assert not (tmp_path / "state").exists()
    assert not (tmp_path / "etc" / "probe.yaml").exists()


@pytest.mark.parametrize("status", [500, 503])
async def test_a_collector_that_fails_is_not_taken_for_one_that_erased(status: int, tmp_path: Path) -> None:
    async with publishing() as collector:
        where = await set_up(tmp_path, collector.invitation)
        collector.trouble = Trouble(kind="status", on="/probe", status=status)
        done = await run(tmp_path, "leave", *where)
    assert done.status == 1
    assert load_credentials(tmp_path / "state") is not None


async def test_a_probe_that_the_collector_knows_no_more_has_left(tmp_path: Path) -> None:
    async with publishing() as collector:
        where = await set_up(tmp_path, collector.invitation)
        collector.revoked = True
        done = await run(tmp_path, "leave", *where)
    assert done.status == 0, done
    assert load_credentials(tmp_path / "state") is None


async def test_by_force_everything_goes_though_the_collector_is_away(tmp_path: Path) -> None:
    async with publishing() as collector:
        where = await set_up(tmp_path, collector.invitation)
        collector.close_port()
        done = await run(tmp_path, "leave", "--wipe", "--force", *where)
    assert done.status == 0, done
    assert not (tmp_path / "state").exists()


async def test_what_is_not_the_probes_stays(tmp_path: Path) -> None:
    where = await set_up(tmp_path)
    state = tmp_path / "state"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keep.json").write_text("mine")
    (state / "diary.txt").write_text("mine")
    (state / "documents").mkdir()
    (state / "documents" / "thesis.odt").write_text("mine")
    (state / "spool.db").symlink_to(elsewhere / "keep.json")
    (state / "spool.db-wal").write_bytes(b"")
    done = await run(tmp_path, "leave", "--wipe", *where)
    assert done.status == 0, done
    assert "left: diary.txt, documents, spool.db." in done.stdout
    assert holding(state) == {"diary.txt", "documents/thesis.odt", "spool.db"}
    assert (elsewhere / "keep.json").read_text() == "mine"


def test_a_wrong_folder_loses_nothing(tmp_path: Path) -> None:
    for name in ("consent.json.bak", "my-spool.db", ".bashrc", ".profile.new.txt"):
        (tmp_path / name).write_text("mine")
    before = holding(tmp_path)
    assert set(wipe(tmp_path)) == before == holding(tmp_path)


def test_all_that_a_daemon_writes_is_known(tmp_path: Path) -> None:
    """Every file name that the agent's modules put into the state folder."""
    names = {"consent.json", "credentials.json", "budget.json", "memory.json", "lock", ".lock.12ab.new"}
    names |= {"spool.db", "spool.db-wal", "spool.db-shm", "spool.db.damaged", "spool.db.damaged-wal"}
    for name in names:
        (tmp_path / name).write_text("")
    assert wipe(tmp_path) == ()
    assert not tmp_path.exists()


def test_who_has_the_lock_is_told_without_taking_it(tmp_path: Path) -> None:
    assert running(tmp_path) is None
    with (tmp_path / "lock").open("w+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{os.getpid()}\n")
        file.flush()
        assert running(tmp_path) == os.getpid()
    assert running(tmp_path) is None


async def test_leave_needs_no_configuration_where_the_state_is_named(tmp_path: Path) -> None:
    async with publishing() as collector:
        state = tmp_path / "state"
        save_credentials(
            state, Credentials(token=TOKEN, role="probe", collector="Stand-in", collectors=(collector.url,))
        )
        done = await run(tmp_path, "leave", "--state", state, "--wipe")
    assert done.status == 0, done
    assert not state.exists()
