"""Whoever reads gets a token from an invitation; whoever runs a command as the wrong user, or writes where nothing can
be written, is told so in one line."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from probe.cli.group import cli
from probe.collector.accounts import Accounts
from probe.collector.config import CollectorConfig
from tests.collector.ingest.running import base, configured, running
from tests.collector.ingest.test_serve import until

NOBODY = 65_534


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["collector", *map(str, arguments)], prog_name="probe")


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "probe", "collector", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def invited(config: CollectorConfig, role: str) -> dict[str, str]:
    done = run("invite", "--config", config.file, "--role", role, "--steward", "us", "--format", "json")
    shown: dict[str, str] = json.loads(done.output)
    return shown


# --- readers ---


@pytest.mark.parametrize("role", ["read", "admin"])
def test_what_is_printed_for_a_reader_gives_a_token_that_reads(role: str, tmp_path: Path) -> None:
    config = configured(tmp_path, "web:\n  public: false\n")
    line = invited(config, role)["command"]
    script = line.replace("probe collector", f"{sys.executable} -m probe collector") + "; printf %s $PROBE_TOKEN"
    with running(config, "--role", "all"):
        token = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=True).stdout
        url = f"{base(config)}/api/v1/incidents"
        headers = {"X-Forwarded-For": "192.0.2.1", "Authorization": f"Bearer {token}"}
        until(lambda: httpx.get(url, trust_env=False).status_code != 503)
        stranger = {"X-Forwarded-For": "192.0.2.1"}
        assert httpx.get(url, headers=stranger, trust_env=False).status_code == 401
        assert httpx.get(url, headers=headers, trust_env=False).status_code == 200
        again = run("token", invited(config, role)["url"].replace("#", "#x"))
        assert (again.exit_code, again.output.count("\n")) == (1, 1)
        page = httpx.get(f"{base(config)}/", trust_env=False)
    assert page.headers["content-type"].startswith("text/html")
    for path in ("metrics", "api/v1/incidents", "feed.atom", "openapi.json", "healthz"):
        assert f'href="{path}"' in page.text
    assert "<script" not in page.text


def test_an_invitation_of_a_probe_makes_no_reader(tmp_path: Path) -> None:
    config = configured(tmp_path)
    with running(config):
        done = run("token", invited(config, "probe")["url"])
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "probe setup" in done.output
    with closing(Accounts.open(config.accounts_file)) as accounts:
        assert accounts.probes() == []


# --- another user ---


_LATE = (
    "cli.collector_control",
    "collector.supervise",
    "collector.replay",
    "collector.web.application",
    "collector.backup",
)


@contextmanager
def as_stranger(state: Path) -> Iterator[None]:
    """Root becomes somebody else; anybody else shuts himself out. What commands import late is imported first: the
    interpreter may lie where only its owner can read."""
    for name in _LATE:
        import_module(f"probe.{name}")
    if os.geteuid() != 0:
        state.chmod(0)
        try:
            yield
        finally:
            state.chmod(0o700)
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def config() -> Iterator[CollectorConfig]:
    """In a folder that everybody may enter, with a state that only its owner may."""
    folder = Path(tempfile.mkdtemp(prefix="collector-"))
    folder.chmod(0o755)
    made = configured(folder)
    made.file.chmod(0o644)
    folder.chmod(0o755)  # copied over by what was put into it
    made.state.chmod(0o700)
    yield made
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve",),
        ("export", "--format", "csv"),
        ("probes",),
        ("invite", "--steward", "x"),
        ("replay",),
        ("backup", "/tmp/never-made"),
    ],
)
def test_another_user_is_told_so_in_one_line(config: CollectorConfig, arguments: tuple[str, ...]) -> None:
    with as_stranger(config.state):
        done = run(*arguments, "--config", config.file)
    assert done.exit_code in {1, 2}, done.exception
    assert done.output.count("\n") == 1, done.output
    assert str(config.state) in done.output


# --- tables and output ---


def test_a_collector_without_a_table_says_once_what_that_means(tmp_path: Path) -> None:
    with running(configured(tmp_path), "--role", "all") as collector:
        pass
    assert collector.said.count("no table in geo") == 1
    assert "no incident can be confirmed" in collector.said


def test_a_table_that_cannot_be_used_is_told_before_a_port_is_open(tmp_path: Path) -> None:
    config = configured(tmp_path, "geo: [missing.mmdb]\n")
    for role in ("all", "ingest"):
        done = command("serve", "--config", config.file, "--role", role)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "missing.mmdb" in done.stderr
        assert "listening" not in done.stderr


def test_an_export_says_where_it_cannot_write_and_a_closed_pipe_says_nothing(tmp_path: Path) -> None:
    config = configured(tmp_path)
    replayed = run("replay", "--config", config.file)
    assert replayed.exit_code == 0
    done = run("export", "--config", config.file, "--format", "csv", "--output", "/nosuch/a.csv")
    assert (done.exit_code, done.output) == (
        1,
        "Error: /nosuch/a.csv: cannot write the export: No such file or directory\n",
    )
    line = f"{sys.executable} -m probe collector export --config {config.file} --format csv | true"
    piped = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert "Error" not in piped.stderr
    assert "Traceback" not in piped.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("collector", "export", "--config", "x", "--format", "csv"),
        ("incidents", "list"),
        ("catalogue", "fingerprints", "list"),
    ],
)
def test_a_country_is_two_letters(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, [*arguments, "--country", "Turkey"], prog_name="probe")
    assert done.exit_code == 2
    assert "'Turkey': two letters, such as TR" in done.output
