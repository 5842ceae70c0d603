"""The namespaces of a lab: made in one go, and taken away whatever happened.

Each lab holds a lock on a file of its own for as long as it lives. A lock that can be had belongs to a dead owner, and
what it left behind is swept away at the next start.
"""

import fcntl
import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from probe.lab.layout import Layout, Network
from probe.lab.model import LabError

STATE = Path("/run/probe-lab")  # one folder a lab, beside its lock
_NETNS = Path("/run/netns")
_RESOLV_CONF = Path("/etc/netns")
_counter = itertools.count()

_EVERYWHERE = """
for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done
for f in /proc/sys/net/ipv6/conf/*/accept_dad /proc/sys/net/ipv6/conf/*/dad_transmits; do echo 0 > $f; done
echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
"""
_ROUTER = """
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
echo 0 > /proc/sys/net/ipv6/icmp/ratelimit
echo 1 > /proc/sys/net/netfilter/nf_conntrack_acct
echo 1 > /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal
"""


class Claim:
    """A name for a lab that nobody else has, and its folder, held by a lock until released or until death."""

    def __init__(self) -> None:
        self.id = f"pl{os.getpid()}n{next(_counter)}"
        self.folder = STATE / self.id
        self.folder.mkdir(mode=0o700)
        self._lock = _lock_of(self.id).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def release(self) -> None:
        with _building():
            _remove(self.id)
        self._lock.close()


def claim() -> Claim:
    """Raises LabError where the state folder cannot be written."""
    try:
        STATE.mkdir(mode=0o755, exist_ok=True)
        with _building():
            return Claim()
    except OSError as error:
        raise LabError(f"the lab cannot write to {STATE}: {error.strerror}") from error


def sweep() -> list[str]:
    """Takes away what dead owners left behind and returns the names of those labs."""
    swept = []
    with _building():
        for lock in sorted(STATE.glob("*.lock")):
            with lock.open("w") as held, suppress(BlockingIOError):
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(lock.stem)
                swept.append(lock.stem)
    return swept


def build(layout: Layout, resolvers: dict[str, str]) -> None:
    """Makes everything that the layout lists. `resolvers` is the nameserver of each namespace that has one."""
    with _building():
        _ip_batch([], layout.creation())
        for namespace, address in resolvers.items():
            folder = _RESOLV_CONF / namespace
            folder.mkdir(parents=True)
            (folder / "resolv.conf").write_text(f"nameserver {address}\n")
    routers = {network.router for network in layout.networks}
    for namespace, lines in layout.configuration().items():
        script = _EVERYWHERE + (_ROUTER if namespace in routers else "")
        _inside(namespace, ["sh", "-c", script])
        _ip_batch(["-n", namespace], lines)


def apply_rules(namespace: str, ruleset: str, *, ipv6: bool) -> None:
    """Replaces all rules of one family by these. Raises LabError where the kernel will not have them."""
    command = ["ip6tables-restore" if ipv6 else "iptables-restore"]
    empty = "".join(f"*{table}\nCOMMIT\n" for table in ("filter", "mangle", "nat") if f"*{table}\n" not in ruleset)
    _inside(namespace, command, stdin=empty + ruleset)


def plug(layout: Layout, network: Network) -> None:
    """Gives a router its uplink back."""
    _ip_batch(["-n", network.router], ["link set wan up", *layout.uplink(network)])


def unplug(network: Network) -> None:
    """The router's uplink goes down, and with it its routes."""
    _ip_batch(["-n", network.router], ["link set wan down"])


def processes(namespace: str) -> list[int]:
    listed = subprocess.run(["ip", "netns", "pids", namespace], check=False, capture_output=True, text=True)
    return [int(line) for line in listed.stdout.split()]


def end_clients() -> None:
    """Ends what runs at the vantage points and controls of this process's labs; whoever waits for it is told."""
    for namespace in (*_NETNS.glob(f"pl{os.getpid()}n*-c*"), *_NETNS.glob(f"pl{os.getpid()}n*-k*")):
        end_processes(namespace.name)


def end_processes(namespace: str) -> None:
    """Those inside; whoever waits for them is told."""
    for process in processes(namespace):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _remove(id: str) -> None:
    for namespace in sorted(_NETNS.glob(f"{id}-*")):
        end_processes(namespace.name)
        subprocess.run(["ip", "netns", "del", namespace.name], check=False, capture_output=True)
    for folder in _RESOLV_CONF.glob(f"{id}-*"):
        shutil.rmtree(folder)
    with suppress(OSError):
        _RESOLV_CONF.rmdir()  # only where it is empty
    shutil.rmtree(STATE / id, ignore_errors=True)
    _lock_of(id).unlink(missing_ok=True)


def _lock_of(id: str) -> Path:
    return STATE / f"{id}.lock"


@contextmanager
def _building() -> Iterator[IO[str]]:
    """One at a time on the machine: `ip netns add` shares a mount, and a lock must not be seen before it is held."""
    STATE.mkdir(mode=0o755, exist_ok=True)
    with (STATE / "building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def _ip_batch(options: list[str], lines: list[str]) -> None:
    _run(["ip", *options, "-batch", "-"], "\n".join(lines) + "\n")


def _inside(namespace: str, command: list[str], stdin: str = "") -> None:
    _run(["ip", "netns", "exec", namespace, *command], stdin)


def _run(command: list[str], stdin: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, input=stdin)
    if done.returncode != 0:
        raise LabError(f"the lab could not be built: `{' '.join(command[:6])}` said: {done.stderr.strip()}")
