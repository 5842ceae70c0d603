"""The systemd units: hardened, right in systemd's own eyes, and such that the program can live in them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from probe.agent.service import SYSTEM_STATE, obstacle, unit_text

UNITS = Path(__file__).parents[2] / "configs" / "systemd"
NAMES = ("probe.service", "probe-collector.service", "probe-user.service")
CONFIG = Path("/etc/probe/probe.yaml")


def analysed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze (apt-get install systemd)")
    return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", NAMES)
def test_systemd_finds_no_fault_in_a_unit(name: str, tmp_path: Path) -> None:
    text = (UNITS / name).read_text("utf-8")
    here = tmp_path / name
    here.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", text, flags=re.MULTILINE))
    done = analysed("verify", "--man=no", here)
    assert (done.returncode, [line for line in done.stderr.splitlines() if name in line]) == (0, []), done.stderr


@pytest.mark.parametrize("name", ["probe.service", "probe-collector.service"])
def test_systemd_calls_the_exposure_of_a_unit_low(name: str) -> None:
    done = analysed("security", "--offline=yes", "--no-pager", "--threshold=15", UNITS / name)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["probe.service", "probe-collector.service"])
@pytest.mark.parametrize(
    "line",
    ["DynamicUser=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "NoNewPrivileges=yes", "UMask=0077"],
)
def test_a_unit_of_the_system_has_no_privilege(name: str, line: str) -> None:
    assert line in (UNITS / name).read_text("utf-8").splitlines()


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_watches_over_the_program(name: str) -> None:
    text = (UNITS / name).read_text("utf-8")
    watched = () if name == "probe-collector.service" else ("WatchdogSec", "NotifyAccess")
    for key in ("Restart", "TimeoutStopSec", "RestartPreventExitStatus", *watched):
        assert re.search(rf"^{key}=\S", text, re.MULTILINE), key
    assert name == "probe-user.service" or "StateDirectory=probe" in text


def test_a_unit_starts_this_program_with_this_configuration(tmp_path: Path) -> None:
    config = tmp_path / "a folder" / "50%.yaml"
    for system in (True, False):
        text = unit_text(config, system=system, start=("/opt/probe/bin/probe",))
        quoted = str(config).replace("%", "%%")
        assert f'ExecStart=/opt/probe/bin/probe run --config "{quoted}"\n' in text
        assert text.count("ExecStart=") == 1
        assert text.startswith("[Unit]")


def test_what_a_system_service_could_not_reach_is_told_before_it_is_installed() -> None:
    assert "leave `state` empty" in (obstacle(CONFIG, Path("/srv/probe"), system=True) or "")
    assert "is hidden from it" in (obstacle(Path("/home/ada/probe.yaml"), SYSTEM_STATE, system=True) or "")
    assert obstacle(Path("/home/ada/probe.yaml"), Path("/home/ada/state"), system=False) is None


# prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN), Linux 6.3: what MemoryDenyWriteExecute asks of the kernel.
WITHOUT_EXECUTABLE_MEMORY = """\
import ctypes, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
    sys.exit(77)
import trustme
from OpenSSL import crypto
import probe.agent.daemon, probe.agent.documents, probe.agent.exporter.exporter
from probe.catalogue.signatures import Keypair, opened, sign
ca = trustme.CA()
leaf, store = ca.issue_cert("example.com"), crypto.X509Store()
store.add_cert(crypto.load_certificate(crypto.FILETYPE_PEM, ca.cert_pem.bytes()))
chain = crypto.load_certificate(crypto.FILETYPE_PEM, leaf.cert_chain_pems[0].bytes())
crypto.X509StoreContext(store, chain).verify_certificate()
key = Keypair.generate()
opened(sign(b"{}", key), [key.public])
"""


def test_the_program_needs_no_memory_that_is_writable_and_executable() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXECUTABLE_MEMORY], capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip("this kernel cannot deny it to one process (needs Linux 6.3)")
    assert done.returncode == 0, done.stderr
