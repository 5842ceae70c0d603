"""Any of the collector's processes killed: each is started again, nothing is acknowledged in vain, no orphan stays."""

import os
import signal
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from probe.collector.config import CollectorConfig
from tests.collector.ingest.reports import compressed, report
from tests.collector.ingest.running import Running, base, children, configured, tokens
from tests.collector.ingest.test_serve import alive, deliver, parts_of, until
from tests.collector.log.entries import everything, opened

DECODER = "probe.collector.ingest_worker"


@pytest.fixture
def config(tmp_path: Path) -> CollectorConfig:
    return configured(tmp_path, "limits: {decoders: 2, reports_per_minute: 100000}\n")


@pytest.fixture
def collector(config: CollectorConfig) -> Iterator[Running]:
    with Running(config, "--role", "all") as collector:
        collector.wait_until_up()
        until(lambda: set(parts_of(collector.process.pid)) == {"ingest", "analyse"})
        until(lambda: len(decoders(collector)) == 2)
        yield collector


def decoders(collector: Running) -> set[int]:
    ingest = parts_of(collector.process.pid).get("ingest", 0)
    return {one for one, words in children(ingest).items() if DECODER in words}


def descendants(process: int) -> set[int]:
    own = set(children(process))
    return own.union(*map(descendants, own))


def killed(processes: set[int]) -> None:
    for one in processes:
        os.kill(one, signal.SIGKILL)


async def test_killed_decoders_come_back_and_what_was_acknowledged_meanwhile_is_there(
    config: CollectorConfig, collector: Running
) -> None:
    (token,) = tokens(config, 1)
    acknowledged: list[str] = []
    statuses: Counter[int] = Counter()

    def send() -> int:
        one = report(5)
        status = deliver(config, token, compressed(one)).status_code
        acknowledged.extend([one.report_id] if status == 202 else [])
        statuses[status] += 1
        return status

    assert send() == 202
    for _ in range(3):
        before = decoders(collector)
        killed(before)
        for _ in range(5):
            send()
        until(lambda before=before: len(decoders(collector) - before) == 2)  # type: ignore[misc]
        until(lambda: send() == 202)
    assert set(statuses) <= {202, 503}
    ingest = parts_of(collector.process.pid)["ingest"]
    killed({ingest})
    until(lambda: parts_of(collector.process.pid).get("ingest", ingest) != ingest)
    until(lambda: send() == 202)
    assert collector.stop() == 0
    async with opened(config.log_folder, writable=False) as log:
        kept = Counter(entry.report_id for entry in await everything(log))
    assert kept == Counter(acknowledged)
    assert "Traceback" not in collector.said


def test_the_decoders_of_a_killed_ingest_end(collector: Running) -> None:
    before = decoders(collector)
    killed({parts_of(collector.process.pid)["ingest"]})
    until(lambda: not any(map(alive, before)))


@pytest.mark.parametrize("late", [False, True], ids=["at once", "under load"])
def test_nothing_outlives_the_first_process(config: CollectorConfig, collector: Running, late: bool) -> None:
    if late:
        (token,) = tokens(config, 1)
        for _ in range(20):
            deliver(config, token, compressed(report(50)))
    everybody = descendants(collector.process.pid)
    assert len(everybody) == 4
    collector.kill()
    until(lambda: not any(map(alive, everybody)))
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{base(config)}/healthz", trust_env=False)
    assert "Traceback" not in collector.said


@pytest.mark.parametrize("sent", [b"", b"\x10", struct.pack("<I", 1000), struct.pack("<I", 1000) + b"half"])
def test_a_decoder_whose_sender_was_killed_in_the_middle_of_a_task_ends_quietly(sent: bytes) -> None:
    done = subprocess.run([sys.executable, "-m", DECODER], input=sent, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
