"""What befalls a probe in the lab, its disk and its network."""

import contextlib
import ipaddress
import subprocess
from collections.abc import Iterator

import pytest

from .collector_stand_in import Trouble
from .lab_agent import AgentLab, Home


def inside(home: Home, command: str) -> None:
    """In the process's own mount namespace. Filling a disk fails at its end."""
    assert home.process is not None
    entered = ["nsenter", "--target", str(home.process.pid), "--mount", "sh", "-c", command]
    subprocess.run(entered, check=False, capture_output=True, timeout=20)


@contextlib.contextmanager
def immutable(home: Home) -> Iterator[None]:
    """As on a file system that the kernel made read-only after an error: what is open cannot be written either."""
    if subprocess.run(["chattr", "-R", "+i", str(home.state)], check=False, capture_output=True).returncode:
        pytest.skip("chattr +i does not work on this file system")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-R", "-i", str(home.state)], check=True)


@contextlib.contextmanager
def refused_checkins(world: AgentLab) -> Iterator[None]:
    """So that no new lease comes."""
    world.trouble(Trouble(kind="status", on="/checkin", status=503))
    yield
    world.trouble(None)


@contextlib.contextmanager
def moved(world: AgentLab) -> Iterator[None]:
    """The vantage point gets another address, as after a renewed lease of its provider."""
    network, client = world.lab.network, world.lab.network.clients[0]
    other = str(ipaddress.ip_address(client.address) + 70)
    world.lab.run(network.router, ["ip", "route", "add", other, "dev", client.interface])
    for old, new in ((client.address, other), (other, client.address)):
        for command in (
            f"address add {new}/32 dev eth0",
            f"route replace default via {network.gateway} dev eth0 src {new}",
            f"address del {old}/32 dev eth0",
        ):
            done = world.lab.run(world.lab.vantage, ["ip", *command.split()])
            assert done.returncode == 0, done.stderr
        if new == other:
            yield
