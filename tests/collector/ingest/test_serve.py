"""The collector as processes: what it promises when it is stopped, killed, misled or half dead."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from probe.collector.config import CollectorConfig
from probe.collector.ingest_metrics import ingest_exposition
from tests.collector.ingest.reports import compressed, report
from tests.collector.ingest.running import Running, base, children, configured, running, tokens
from tests.collector.log.entries import everything, opened

HEADERS = {"content-encoding": "zstd"}
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture
def config(tmp_path: Path) -> CollectorConfig:
    return configured(tmp_path)


def deliver(config: CollectorConfig, token: str, body: bytes) -> httpx.Response:
    headers = {**HEADERS, "authorization": f"Bearer {token}"}
    return httpx.post(f"{base(config)}/api/v1/reports", content=body, headers=headers, trust_env=False, timeout=30)


def until(what: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


async def test_what_was_acknowledged_is_there_after_kill_9_and_counts_once(config: CollectorConfig) -> None:
    (token,) = tokens(config, 1)
    sent = [report(2) for _ in range(12)]
    with running(config) as collector:
        acknowledged = [one for one in sent[:8] if deliver(config, token, compressed(one)).status_code == 202]
        collector.kill()
    with running(config):
        again = [deliver(config, token, compressed(one)).status_code for one in sent]
    async with opened(config.log_folder, writable=False) as log:
        kept = Counter(entry.report_id for entry in await everything(log))
    assert len(acknowledged) == 8
    assert again == [202] * 12
    assert kept == {one.report_id: 1 for one in sent}


@contextmanager
def traced(process: int, file: Path) -> Iterator[None]:
    """What the process asks of the kernel, as far as it has to do with files and sockets."""
    calls = "trace=fsync,fdatasync,sendto,recvfrom,read,write,sendmsg"
    command = ["strace", "-f", "-s", "200", "-e", calls, "-o", str(file), "-p", str(process)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        assert "attached" in strace.stderr.readline()
        yield
        strace.send_signal(signal.SIGINT)


@needs_strace
def test_an_fsync_lies_between_a_request_and_its_202(config: CollectorConfig, tmp_path: Path) -> None:
    (token,) = tokens(config, 1)
    trace = tmp_path / "trace"
    with running(config) as collector, traced(collector.process.pid, trace):
        assert deliver(config, token, compressed(report())).status_code == 202
    lines = trace.read_text("utf-8", "replace").splitlines()
    asked = next(n for n, line in enumerate(lines) if "POST /api/v1/reports" in line)
    answered = next(n for n, line in enumerate(lines) if n > asked and "HTTP/1.1 202" in line)
    between = lines[asked:answered]
    assert any(("fsync(" in line or "fdatasync(" in line) and "= 0" in line for line in between), between


def test_a_request_in_hand_is_answered_when_it_is_told_to_stop(config: CollectorConfig) -> None:
    (token,) = tokens(config, 1)
    body = compressed(report())
    listen = config.listen[0]
    with running(config) as collector, socket.create_connection((listen.host, listen.port), timeout=20) as stream:
        head = (
            f"POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Encoding: zstd\r\n"
        )
        stream.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:100])
        time.sleep(0.3)
        collector.process.send_signal(signal.SIGTERM)
        until(lambda: refused(config))
        stream.sendall(body[100:])
        assert stream.recv(4096).startswith(b"HTTP/1.1 202")
        assert collector.process.wait(20) == 0


def refused(config: CollectorConfig) -> bool:
    listen = config.listen[0]
    try:
        socket.create_connection((listen.host, listen.port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
async def test_the_web_process_reads_what_ingest_counted(config: CollectorConfig, accept: str) -> None:
    (token,) = tokens(config, 1)
    assert await ingest_exposition(config, accept) == b""
    with running(config):
        sent = [report(2), report(2)]
        for one in (*sent, sent[0]):
            assert deliver(config, token, compressed(one)).status_code == 202
        assert deliver(config, token, b"x").status_code == 400
        assert deliver(config, "nobody", b"x").status_code == 401
        told = (await ingest_exposition(config, accept)).decode()
    for line in (
        "collector_reports_total 3.0",
        "collector_measurements_total 6.0",
        'collector_report_rejections_total{reason="encoding"} 1.0',
        'collector_report_rejections_total{reason="unauthorized"} 1.0',
        "collector_ingest_duration_seconds_count 5.0",
        "collector_log_commit_reports_sum 3.0",
    ):
        assert line in told
    assert "_created" not in told
    assert "# EOF" not in told


def test_it_speaks_tls_where_it_is_told_to(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "chain.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    config = configured(tmp_path, "tls: {certificate: chain.pem, key: key.pem}\n")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with Running(config, "--role", "ingest") as collector:
        collector.wait_until_up(f"https://{config.listen[0]}", context)
        url = f"https://{config.listen[0]}/api/v1/checkin"
        answer = httpx.get(url, verify=context, trust_env=False, timeout=30)
    assert (answer.status_code, answer.http_version) == (401, "HTTP/1.1")


@pytest.mark.parametrize(
    ("text", "said"),
    [("state: state\nlissen: 1\n", "unknown key 'lissen'"), ("", "state"), ("state: empty\n", "probe collector init")],
)
def test_a_wrong_configuration_is_one_line_and_status_2(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    for role in ("all", "ingest"):
        done = serve(file, "--role", role)
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_one_line_and_status_2(config: CollectorConfig) -> None:
    listen = config.listen[0]
    with socket.create_server((listen.host, listen.port)):
        done = serve(config.file)
    assert done.returncode == 2
    assert f"{listen} cannot be opened: Address already in use" in done.stderr
    assert done.stderr.count("\n") == 1


def serve(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "probe", "collector", "serve", "--config", str(file), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


# --- several processes ---


def parts_of(process: int) -> dict[str, int]:
    """The collector's processes below the one that was started, by their first role."""
    return {words[words.index("--role") + 1]: one for one, words in children(process).items() if "--role" in words}


def alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_ingest_goes_on_whatever_becomes_of_the_pages_and_comes_back_itself(config: CollectorConfig) -> None:
    (token,) = tokens(config, 1)
    with running(config, "--role", "all") as collector:
        until(lambda: set(parts_of(collector.process.pid)) == {"ingest", "analyse"})
        parts = parts_of(collector.process.pid)
        os.kill(parts["analyse"], signal.SIGKILL)
        assert deliver(config, token, compressed(report())).status_code == 202
        assert httpx.get(f"{base(config)}/healthz", trust_env=False, timeout=30).status_code in {200, 503}
        os.kill(parts["ingest"], signal.SIGKILL)
        until(lambda: not alive(parts["ingest"]))
        assert deliver(config, token, compressed(report())).status_code == 202, "the port stays open meanwhile"
        until(lambda: set(parts_of(collector.process.pid)) == {"ingest", "analyse"})
        assert parts_of(collector.process.pid)["ingest"] != parts["ingest"]
        assert collector.stop() == 0
    assert "ingest ended with status -9: started again" in collector.said


def test_analysis_and_pages_stand_behind_ingest_for_the_processor(config: CollectorConfig) -> None:
    with running(config, "--role", "all") as collector:
        until(lambda: set(parts_of(collector.process.pid)) == {"ingest", "analyse"})
        parts = parts_of(collector.process.pid)
        until(lambda: niceness(parts["analyse"]) > niceness(parts["ingest"]))


def niceness(process: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, process)


def test_nothing_is_left_when_the_first_process_is_killed(config: CollectorConfig) -> None:
    with running(config, "--role", "all") as collector:
        until(lambda: set(parts_of(collector.process.pid)) == {"ingest", "analyse"})
        parts = parts_of(collector.process.pid)
        collector.kill()
        until(lambda: not any(alive(one) for one in parts.values()))


def test_a_wrong_configuration_is_not_taken_up_and_a_right_one_is(config: CollectorConfig) -> None:
    (token,) = tokens(config, 1)
    right = config.file.read_text()
    with running(config, "--role", "all") as collector:
        until(lambda: set(parts_of(collector.process.pid)) == {"ingest", "analyse"})
        before = parts_of(collector.process.pid)
        config.file.write_text("state: 5\n")
        collector.process.send_signal(signal.SIGHUP)
        time.sleep(1.0)
        assert parts_of(collector.process.pid) == before
        config.file.write_text(f"{right}minimum_version: 9.9.9\n")
        collector.process.send_signal(signal.SIGHUP)
        until(lambda: minimum_version(config, token) == "9.9.9")
        assert collector.stop() == 0
    assert "the configuration stays as it was" in collector.said
    assert "started again" not in collector.said


def minimum_version(config: CollectorConfig, token: str) -> str | None:
    headers = {"authorization": f"Bearer {token}"}
    answer = httpx.get(f"{base(config)}/api/v1/checkin", headers=headers, trust_env=False, timeout=30)
    found: str | None = answer.json().get("minimum_version")
    return found
