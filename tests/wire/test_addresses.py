"""Addresses: which may be contacted, and that none is left in a text."""

import pytest

from probe.wire.addresses import is_bogon, is_public, scrub

NOT_PUBLIC = [
    "10.10.34.35",
    "127.0.0.1",
    "0.0.0.0",
    "169.254.1.1",
    "100.64.1.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00::1",
    "2001:db8::1",
    "::ffff:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "2002:0a00:0001::1",
    "::10.0.0.1",
    "::ffff:0:10.0.0.1",
    "64:ff9b:1::a00:1",
    "fec0::1",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_no_public_host_can_have_is_never_contacted(address: str) -> None:
    assert not is_public(address)
    assert is_bogon(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "104.244.42.1", "2606:4700:4700::1111", "64:ff9b::1.1.1.1"])
def test_public_addresses_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("text", ["", "x.com", "1.2.3", "999.1.1.1", "1.2.3.4.5"])
def test_what_is_no_address_is_neither(text: str) -> None:
    assert not is_public(text)
    assert not is_bogon(text)


@pytest.mark.parametrize(
    "text",
    [
        "your address is 88.255.1.2.",
        "ip:2001:db8:7::42.",
        "connect to ('88.255.1.2', 443) failed",
        "http://88.255.1.2:8080/landpage?ip=88.255.1.2",
        "[2001:db8:7::42]:443",
        "88.255.1.2",
    ],
)
def test_no_address_is_left_in_a_text(text: str) -> None:
    left = scrub(text)
    assert "88.255" not in left
    assert "db8" not in left
    assert "[scrubbed]" in left


def test_times_and_words_stay() -> None:
    text = "at 12:30:45 std::string said 1.2.3 of v4"
    assert scrub(text) == text
