"""A lab leaves the machine as it found it, is sealed, and is swept away even when its owner was killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from probe.lab import namespaces, sealed
from probe.lab.interference import NameFilter, TlsInterception
from probe.lab.lab import Lab
from probe.lab.layout import Layout
from probe.lab.model import TURK_TELEKOM, LabError, Resolver, Site, World

from .observing import observe

WORLD = World(
    sites=(Site(name="free.org", addresses=("151.101.1.1",)),),
    resolvers=(Resolver(addresses=("8.8.8.8",)),),
)
BUSY = (NameFilter(names=("x.org",), action="close"), TlsInterception(names=("free.org",)))
OWNER = """
import sys, time
from probe.lab.lab import Lab
from probe.lab.interference import NameFilter
from probe.lab.model import Site, World
world = World(sites=(Site(name="free.org", addresses=("151.101.1.1",)),))
with Lab(world, (NameFilter(names=("x",), action="close"),)) as lab:
    print(lab.layout.id, flush=True)
    time.sleep(60)
"""


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def machine() -> dict[str, str]:
    """All of the machine's own network that a lab could disturb."""
    commands = {
        "links": ["ip", "-o", "link"],
        "addresses": ["ip", "-o", "address"],
        "routes": ["ip", "route", "show", "table", "all"],
        "rules": ["ip", "rule"],
        "netfilter": ["iptables-save"],
        "netfilter of IPv6": ["ip6tables-save"],
        "resolver": ["cat", "/etc/resolv.conf"],
        "forwarding": ["cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/conf/all/rp_filter"],
    }
    return {what: "".join(line for line in run(*c).splitlines(True) if line[0] != "#") for what, c in commands.items()}


def traces(id: str) -> list[str]:
    """Whatever of the lab is still to be found."""
    named = [name for name in run("ip", "netns", "list").splitlines() if name.startswith(f"{id}-")]
    files = [*Path("/etc").glob(f"netns/{id}-*"), *namespaces.STATE.glob(f"{id}*")]
    living = [p.name for p in Path("/proc").glob("[0-9]*") if id.encode() in _command_line(p)]
    return [*named, *map(str, files), *living]


def _command_line(process: Path) -> bytes:
    with suppress(OSError):
        return (process / "cmdline").read_bytes()
    return b""


@contextmanager
def owner() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process with a lab, and the lab's id."""
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_the_machines_own_network_is_never_touched() -> None:
    before = machine()
    with Lab(WORLD, BUSY, ipv6="works"):
        during = machine()
    assert (during, machine()) == (before, before)


def test_nothing_is_left_of_a_lab() -> None:
    with Lab(WORLD, BUSY) as lab:
        assert len(traces(lab.layout.id)) > 6
    assert traces(lab.layout.id) == []


def test_nothing_is_left_of_a_lab_that_ended_with_an_error() -> None:
    with pytest.raises(RuntimeError, match="in the middle"), Lab(WORLD) as lab:
        raise RuntimeError("in the middle")
    assert traces(lab.layout.id) == []


def test_no_namespace_reaches_the_machine_or_beyond() -> None:
    before = run("ip", "-br", "address")
    outside = next(
        (word.partition("/")[0] for word in before.split() if "." in word and word[:3] != "127"), "192.0.2.1"
    )
    with Lab(WORLD) as lab:
        for namespace in lab.layout.cables:
            seen = observe(lab, "tcp", outside, "--port", "9", namespace=namespace)["seen"]
            assert seen in {"Network is unreachable", "silence", "No route to host"}, namespace


def test_labs_run_side_by_side() -> None:
    with Lab(WORLD) as one, Lab(WORLD, (NameFilter(names=("free.org",), action="reset"),)) as other:
        assert observe(one, "tls", "151.101.1.1", "free.org")["seen"] == "handshake"
        assert observe(other, "tls", "151.101.1.1", "free.org")["seen"] == "reset"


def test_a_leak_is_refused() -> None:
    claim = namespaces.claim()
    try:
        layout = Layout(claim.id, [TURK_TELEKOM], WORLD, "none")
        namespaces.build(layout, {})
        sealed.check_sealed(layout.cables, layout.world)
        run("ip", "-n", layout.world, "route", "add", "default", "dev", "ctl")
        with pytest.raises(LabError, match="has a default route"):
            sealed.check_sealed(layout.cables, layout.world)
        run("ip", "-n", layout.world, "route", "del", "default")
        run("ip", "link", "add", "leak", "netns", layout.world, "type", "veth", "peer", "name", f"{claim.id}-o")
        sealed.check_sealed(layout.cables, layout.world)  # a cable that is down carries nothing
        run("ip", "-n", layout.world, "link", "set", "leak", "up")
        with pytest.raises(LabError, match="has the interface leak"):
            sealed.check_sealed(layout.cables, layout.world)
    finally:
        claim.release()


def test_a_lab_that_leaks_does_not_start_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    built = namespaces.build

    def build_leaking(layout: Layout, resolvers: dict[str, str]) -> None:
        built(layout, resolvers)
        run("ip", "-n", layout.world, "route", "add", "default", "dev", "ctl")

    monkeypatch.setattr("probe.lab.lab.build", build_leaking)
    lab = Lab(WORLD)
    with pytest.raises(LabError, match="a packet could leave the lab"), lab:
        pytest.fail("the lab started")
    assert traces(lab.layout.id) == []


def test_what_a_killed_owner_left_is_swept_at_the_next_start_and_the_living_are_spared() -> None:
    with owner() as (killed, lost), owner() as (_, kept):
        killed.kill()
        killed.wait()
        assert traces(lost) != []
        with Lab(WORLD):
            assert traces(lost) == []
            assert len(traces(kept)) > 6


def test_the_servers_of_a_killed_owner_end_by_themselves() -> None:
    with owner() as (killed, lost):
        serving = [pid for role in ("w", "r0") for pid in namespaces.processes(f"{lost}-{role}")]
        assert len(serving) == 2
        killed.kill()
        killed.wait()
        until = time.monotonic() + 5
        while any(Path(f"/proc/{pid}").exists() for pid in serving) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(Path(f"/proc/{pid}").exists() for pid in serving)
    namespaces.sweep()
    assert traces(lost) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_end_takes_the_lab_away(number: signal.Signals) -> None:
    with owner() as (process, lost):
        process.send_signal(number)
        process.wait(10)
        assert traces(lost) == []


def test_a_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "iptables-restore" else found(tool))
    with pytest.raises(LabError, match="`iptables-restore`, which is missing: apt-get install iptables"):
        sealed.check_machine()


def test_without_root_the_lab_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="needs root"):
        sealed.check_machine()


def test_a_lab_stands_within_a_moment() -> None:
    began = time.monotonic()
    with Lab(WORLD):
        started = time.monotonic() - began
    stopped = time.monotonic() - began - started
    assert started < 5  # some 0.5 s on an idle machine
    assert stopped < 2  # some 0.05 s
