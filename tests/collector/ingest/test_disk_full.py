"""A disk that is full: reports are put off with a time, one line tells it, and afterwards everything goes on."""

import datetime as dt
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import trio

from probe.clock import SystemClock
from probe.collector.accounts import Accounts, AccountsFault
from probe.collector.analyse.schema import current_views, read_views
from probe.collector.config import CollectorConfig
from tests.collector.ingest.reports import compressed, report
from tests.collector.ingest.running import Running, base, configured, tokens
from tests.collector.ingest.test_serve import deliver, parts_of, until
from tests.collector.log.entries import everything, opened

SIZE = 40 << 20  # bytes: some for the write-ahead logs and their shared memory


@pytest.fixture
def config(tmp_path: Path) -> Iterator[CollectorConfig]:
    """Its state lies on a small disk of its own."""
    state = tmp_path / "state"
    state.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(state)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a disk of its own needs root, and leave to mount one")
    try:
        yield configured(tmp_path, "limits: {reports_per_minute: 100000}\n")
    finally:
        subprocess.run(["umount", "--lazy", str(state)], check=True)


def fill(state: Path) -> Path:
    """All of the disk."""
    ballast = state / "ballast"
    handle = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        with suppress(OSError):
            while True:
                os.write(handle, bytes(1 << 14))
    finally:
        os.close(handle)
    return ballast


def get(config: CollectorConfig, path: str, token: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.get(f"{base(config)}{path}", headers=headers, trust_env=False, timeout=30)


@contextmanager
def asleep(process: int) -> Iterator[None]:
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def counted(config: CollectorConfig) -> int:
    """Reports that analysis has taken up."""
    with closing(read_views(current_views(config.state))) as views:
        return int(views.execute("SELECT count(*) FROM reports").fetchone()[0])


async def heard(collector: Running, count: int) -> list[str]:
    """So many lines of what it says."""
    stream = collector.process.stderr
    assert stream is not None
    with trio.fail_after(60):
        return [await trio.to_thread.run_sync(stream.readline, abandon_on_cancel=True) for _ in range(count)]


async def test_a_full_disk_puts_reports_off_and_afterwards_everything_goes_on(config: CollectorConfig) -> None:
    (token,), (reader,) = tokens(config, 1), tokens(config, 1, "read")
    reports = [report(30) for _ in range(16)]
    with Running(config, "--role", "all") as collector:
        collector.wait_until_up()
        until(lambda: get(config, "/readyz", reader).status_code == 200)
        views = parts_of(collector.process.pid)["analyse"]
        assert deliver(config, token, compressed(reports[0])).status_code == 202
        until(lambda: counted(config) == 1)
        with asleep(views):  # so that it has much to write just then
            assert {deliver(config, token, compressed(one)).status_code for one in reports} == {202}
            ballast = fill(config.state)
        late = [report(30) for _ in range(5)]
        for one in late:
            answer = deliver(config, token, compressed(one))
            assert (answer.status_code, answer.headers.get("retry-after")) == (503, "30")
        assert get(config, "/api/v1/checkin", token).status_code == 200, "probes still get their word"
        said = await heard(collector, 4)
        assert get(config, "/readyz", reader).status_code == 200, "and people their pages"
        ballast.unlink()
        assert {deliver(config, token, compressed(one)).status_code for one in late} == {202}
        until(lambda: counted(config) == len(reports) + len(late))
        assert parts_of(collector.process.pid)["analyse"] == views, "it waited"
        assert collector.stop() == 0
    async with opened(config.log_folder, writable=False) as log:
        kept = Counter(entry.report_id for entry in await everything(log))
    assert kept == {one.report_id: 1 for one in (*reports, *late)}
    lines = [*said, *collector.said.splitlines()]
    assert "no table in geo" in lines.pop(1)
    words = [line.partition(": ")[2] for line in lines if not line.startswith("listen")]
    assert Counter(line[:28].strip() for line in words) == {
        "nothing can be written to th": 1,
        "the log takes reports again": 1,
        "analysis waits for the disk:": 1,
        "analysis goes on": 1,
    }


def test_accounts_can_be_written_again_after_a_full_disk(config: CollectorConfig) -> None:
    now = SystemClock().now()
    with closing(Accounts.open(config.accounts_file)) as accounts:
        token = accounts.create("probe", "Ayşe", now)[1]
        ballast = fill(config.state)
        with pytest.raises(AccountsFault, match="full"):
            _crowd(accounts, now)
        assert accounts.authenticated(token), "who is in stays in"
        ballast.unlink()
        assert accounts.authenticated(accounts.create("probe", "Ayşe", now)[1])


def _crowd(accounts: Accounts, now: dt.datetime) -> None:
    """Some fit into pages that are there."""
    for _ in range(1000):
        accounts.create("probe", "x" * 500, now)
