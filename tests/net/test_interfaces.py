"""Whether traffic leaves through a tunnel is read off the kernel's own answer, in namespaces made for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from probe.net import interfaces
from probe.net.interfaces import Hop, attachment, first_hops, local_addresses, tunnelled

ASK = "from probe.net.interfaces import *; print(tunnelled(), *sorted({hop.interface for hop in first_hops()}))"
CABLE = "link add up0 type veth peer name up1; link set up0 up; link set up1 up; address add 192.168.7.2/24 dev up0"
TUN = "tuntap add {0} mode tun; address add 10.8.0.2/32 dev {0}; link set {0} up"
ROUTE = "route add default via 192.168.7.1 dev up0"

namespaces = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="needs Linux and root to make network namespaces"
)


def seen(*lines: str) -> str:
    """What is said in a new namespace with these links and routes."""
    commands = [f"ip {command.strip()}" for line in lines for command in line.split(";")]
    script = " && ".join([*commands, f"exec {sys.executable} -c '{ASK}'"])
    done = subprocess.run(["unshare", "-n", "sh", "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@namespaces
@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), "None"),
        ((CABLE, ROUTE), "False up0"),
        ((CABLE, TUN.format("vpn9"), ROUTE), "False up0"),  # one that carries nothing
        ((TUN.format("anything"), "route add default dev anything"), "True anything"),
        (
            (CABLE, TUN.format("vpn9"), ROUTE, "route add 0.0.0.0/1 dev vpn9; route add 128.0.0.0/1 dev vpn9"),
            "True vpn9",
        ),
        ((CABLE, TUN.format("vpn9"), ROUTE, "route add 0.0.0.0/1 dev vpn9"), "True up0 vpn9"),
        ((CABLE, TUN.format("vpn9"), ROUTE, "route add default dev vpn9 table 77; rule add table 77"), "True vpn9"),
        ((TUN.format("clat4"), "route add default dev clat4"), "False clat4"),
    ],
)
def test_a_tunnel_counts_once_traffic_goes_through_it(lines: tuple[str, ...], said: str) -> None:
    assert seen(*lines) == said


@pytest.mark.parametrize(
    ("hop", "sessions", "suspect"),
    [
        (Hop("ppp0", "ppp", None), 0, True),
        (Hop("ppp0", "ppp", None), 1, False),
        (Hop("wg0", "wireguard", None), 1, True),
        (Hop("nordlynx", "wireguard", None), 0, True),
        (Hop("wlan0", None, "192.168.1.1"), 0, False),
        (Hop("eth0", "veth", "172.17.0.1"), 0, False),
    ],
)
def test_what_dials_up_is_an_ordinary_line(
    hop: Hop, sessions: int, suspect: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "pppoe"
    listed.write_text("Id       Address              Device\n" + "00000001 02:00:00:00:00:01 eth0\n" * sessions)
    monkeypatch.setattr(interfaces, "_PPPOE", listed)
    monkeypatch.setattr(interfaces, "first_hops", lambda: (hop,))
    assert tunnelled() is suspect


def test_no_packet_and_no_right_is_needed_to_ask() -> None:
    assert attachment() >= local_addresses()
    assert all(hop.interface for hop in first_hops())
    assert attachment() == attachment()
