"""What the doctor sees, what it says to do, and that it contacts nobody without consent."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from probe.agent.config import AgentConfig
from probe.agent.consent import record_consent
from probe.agent.credentials import Credentials, save_credentials
from probe.agent.daemon_lock import locked
from probe.agent.doctor import NETWORK_CHECKS, examine
from probe.agent.doctor_finding import Finding
from probe.agent.doctor_machine import daemon, disk, spool, state_folder, tables
from probe.agent.doctor_network import _answered
from probe.agent.doctor_network import collector as ask_collector
from probe.wire.reports import Checkin
from tests.cli.running import run_nowhere

from .collector_stand_in import TOKEN, Trouble
from .publishing import NOW, SHOP, Publisher, SetClock, publishing

FILE = Path("/etc/probe/probe.yaml")


async def findings(config: AgentConfig) -> dict[str, Finding]:
    return {found.check: found async for found in examine(config, FILE, SetClock())}


async def asked(collector: Publisher, clock: SetClock, token: str = TOKEN) -> dict[str, Finding]:
    credentials = Credentials(token=token, role="probe", collector="Stand-in", collectors=(collector.url,))
    return {found.check: found async for found in ask_collector(AgentConfig(), credentials, clock)}


async def test_without_consent_nothing_is_contacted_and_every_check_says_so(tmp_path: Path) -> None:
    async with publishing() as collector:
        save_credentials(tmp_path, Credentials(token=TOKEN, role="probe", collector="S", collectors=(collector.url,)))
        found = await findings(AgentConfig(state=tmp_path))
        assert collector.seen.connections == 0
    assert {check for check, finding in found.items() if finding.state == "skipped"} == set(NETWORK_CHECKS)
    assert found["consent"].state == "trouble"
    assert found["consent"].todo == "run `probe setup`"


async def test_whatever_is_wrong_has_something_to_do_beside_it(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{")
    (tmp_path / "credentials.json").chmod(0o644)
    config = AgentConfig(state=tmp_path, platforms=("x", "nonsense"), geo=(tmp_path / "none.mmdb",))
    found = await findings(config)
    wrong = {check: finding for check, finding in found.items() if finding.state == "trouble"}
    assert {"consent", "enrolment", "platforms", "tables", "state folder"} <= set(wrong)
    assert all(finding.todo and finding.seen for finding in wrong.values())
    assert "nonsense" in wrong["platforms"].seen
    assert "none.mmdb" in wrong["tables"].seen
    assert wrong["state folder"].todo == f"chmod 600 {tmp_path}/credentials.json"


async def test_a_catalogue_with_a_fault_ends_it_with_the_fault(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(SHOP.replace("name:", "nam:"))
    found = await findings(AgentConfig(state=tmp_path, catalogue=own))
    assert found["catalogue"].state == "trouble"
    assert "unknown key 'nam'" in found["catalogue"].seen


@pytest.mark.parametrize(
    ("off", "state", "words"),
    [(0, "fine", "0 s"), (-20, "fine", "20 s behind"), (90, "note", "90 s ahead"), (-3600, "trouble", "3600 s behind")],
)
async def test_the_clock_is_held_against_the_collectors(off: float, state: str, words: str) -> None:
    clock = SetClock()
    async with publishing() as collector:
        collector.now = clock.now
        here = SetClock(NOW + dt.timedelta(seconds=off))
        found = await asked(collector, here)
    assert found["clock"].state == state
    assert words in found["clock"].seen


async def test_the_collector_is_asked_whether_it_knows_the_probe() -> None:
    clock = SetClock()
    async with publishing() as collector:
        known, stranger = await asked(collector, clock), await asked(collector, clock, "other")
        collector.trouble = Trouble(kind="status", status=503, retry_after="60")
        overloaded = await asked(collector, clock)
        collector.close_port()
        away = await asked(collector, clock)
    assert known["collector"].state == "fine"
    assert "knows this probe no more" in stranger["collector"].seen
    assert "503" in overloaded["collector"].seen
    assert collector.url in away["collector"].seen
    for found in (stranger, overloaded, away):
        assert found["collector"].state == "trouble"
        assert found["collector"].todo


@pytest.mark.parametrize(
    ("base", "open_way"),
    [
        ("http://collector.example", True),
        ("http://192.0.2.1:8640", True),
        ("https://collector.example", False),
        ("http://abcdef.onion", False),
        ("http://localhost:8640", False),
        ("http://127.0.0.1:8640", False),
        ("http://[::1]:8640", False),
    ],
)
def test_a_way_that_others_can_read_is_noted(base: str, open_way: bool) -> None:
    (found, _) = _answered(Checkin(time=NOW), base, SetClock())
    assert (found.state == "note") is open_way


async def test_without_a_collector_there_is_none_to_ask(tmp_path: Path) -> None:
    found = [finding async for finding in ask_collector(AgentConfig(state=tmp_path), None, SetClock())]
    assert {finding.state for finding in found} == {"skipped"}


def test_a_disk_without_room_is_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = AgentConfig(state=tmp_path / "not" / "yet")
    usage = shutil.disk_usage(tmp_path)
    for free, state in [(10**6, "trouble"), (10**8, "note"), (10**9, "fine")]:
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: usage._replace(free=free))
        assert disk(config).state == state


def test_a_spool_that_is_nearly_full_or_damaged_is_noted(tmp_path: Path) -> None:
    config = AgentConfig(state=tmp_path, spool=1_000_000)
    assert spool(config).state == "fine"
    (tmp_path / "spool.db").write_bytes(bytes(900_000))
    assert spool(config).state == "note"
    (tmp_path / "spool.db.damaged").write_bytes(b"")
    assert "damaged" in spool(config).seen


def test_a_daemon_is_seen_by_its_lock(tmp_path: Path) -> None:
    config = AgentConfig(state=tmp_path)
    assert daemon(config).state == "note"
    with locked(tmp_path):
        assert daemon(config).state == "fine"
    assert daemon(config).state == "note"


def test_a_probe_alone_without_tables_cannot_tell_its_network(tmp_path: Path) -> None:
    alone = AgentConfig(state=tmp_path)
    assert tables(alone).state == "note"
    assert tables(AgentConfig(state=tmp_path, ask_strangers=True)).state == "fine"
    assert tables(AgentConfig(state=tmp_path, collectors=("https://c.example",))).state == "fine"


def test_a_state_folder_for_its_owner_alone_is_fine(tmp_path: Path) -> None:
    credentials = Credentials(token=TOKEN, role="probe", collector="S")
    save_credentials(tmp_path, credentials)
    assert state_folder(AgentConfig(state=tmp_path)).state == "fine"


# --- the command, in a network that leads nowhere ---


def test_the_command_tells_a_machine_without_a_network_what_to_do(tmp_path: Path) -> None:
    state, file = tmp_path / "state", tmp_path / "probe.yaml"
    file.write_text(f"state: {state}\n")
    record_consent(state, NOW, "accept-risks", ())
    done = run_nowhere("doctor", "--config", file, "--format", "json")
    found = {line["check"]: line for line in done.objects}
    assert done.status == 1
    assert found["network"]["state"] == found["routes"]["state"] == "trouble"
    assert "offline" in found["network"]["seen"]
    assert found["ipv6"]["state"] == "skipped"
    assert found["consent"]["state"] == "fine"


def test_the_command_prints_a_line_a_check(tmp_path: Path) -> None:
    file = tmp_path / "probe.yaml"
    file.write_text(f"state: {tmp_path / 'state'}\n")
    done = run_nowhere("doctor", "--config", file)
    assert done.status == 1
    assert f"ok      configuration: {file} can be used" in done.stdout
    assert "WRONG   consent: no consent is recorded" in done.stdout
    said = "ipv6, clock, collector: nothing is contacted without consent -> run `probe setup`"
    (skipped,) = [line for line in done.stdout.splitlines() if line.startswith("skipped")]  # told once
    assert skipped.endswith(said)
    assert "\x1b" not in done.stdout


async def test_a_configuration_that_is_not_there_is_not_said_to_be_used(tmp_path: Path) -> None:
    found = [one async for one in examine(AgentConfig(state=tmp_path), tmp_path / "none.yaml", SetClock())]
    assert found[0].state == "note"
    assert found[0].seen == f"none at {tmp_path / 'none.yaml'}; defaults hold"


def test_the_command_names_a_fault_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "probe.yaml").write_text("interval: 1\n")
    done = run_nowhere("doctor", "--config", tmp_path / "probe.yaml")
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {tmp_path / 'probe.yaml'}: interval: ")
