from pathlib import Path

import pytest

from probe.net.resolvers import is_stub, stub_uplinks, system_resolvers

RESOLV_CONF = """\
# a comment
; another
search example.net
nameserver 192.168.1.1
nameserver\tfe80::1%eth0
nameserver 192.168.1.1
nameserver
nameserver not-an-address
nameserver 2001:db8::53 # the third
nameserver 9.9.9.9
options edns0
"""


def test_resolv_conf_gives_three_addresses_with_their_zones(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text(RESOLV_CONF)
    assert system_resolvers(tmp_path / "resolv.conf") == ("192.168.1.1", "fe80::1%eth0", "2001:db8::53")


def test_no_file_no_resolvers(tmp_path: Path) -> None:
    assert system_resolvers(tmp_path / "none") == ()
    assert system_resolvers(tmp_path) == ()
    assert stub_uplinks([tmp_path / "none"]) == ()


def test_a_stubs_uplinks_come_from_the_first_file_that_names_any(tmp_path: Path) -> None:
    (tmp_path / "itself").write_text("nameserver 127.0.0.53\n")
    (tmp_path / "uplinks").write_text("nameserver 195.175.39.39\nnameserver ::1\nnameserver 195.175.39.40\n")
    files = [tmp_path / "none", tmp_path / "itself", tmp_path / "uplinks"]
    assert stub_uplinks(files) == ("195.175.39.39", "195.175.39.40")


def test_bytes_that_are_no_text_are_no_resolvers(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_bytes(b"\xff\xfe\x00nameserver\x00\nnameserver 1.1.1.1\n")
    assert system_resolvers(tmp_path / "resolv.conf") == ("1.1.1.1",)


@pytest.mark.parametrize(
    ("address", "stub"), [("127.0.0.53", True), ("127.0.0.1", True), ("::1", True), ("9.9.9.9", False)]
)
def test_a_stub_is_on_this_machine(address: str, stub: bool) -> None:
    assert is_stub(address) is stub
