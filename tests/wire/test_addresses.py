"""Addresses: which may be contacted, and that none is left in a text."""

import pytest

from probe.wire.addresses import is_bogon, is_public, scrub, unsynthesised

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


@pytest.mark.parametrize(
    ("address", "prefix", "real"),
    [
        ("2001:67c:2b0:db32:0:1:a00:1", "2001:67c:2b0:db32:0:1::/96", "10.0.0.1"),
        ("64:ff9b::7f00:1", "64:ff9b::/96", "127.0.0.1"),
        ("64:ff9b::101:101", "64:ff9b::/96", "1.1.1.1"),
        ("64:ff9b::101:101", None, "64:ff9b::101:101"),
        ("2606:4700:4700::1111", "64:ff9b::/96", "2606:4700:4700::1111"),
        ("1.1.1.1", "64:ff9b::/96", "1.1.1.1"),
        ("x.com", "64:ff9b::/96", "x.com"),
        ("64:ff9b::101:101", "no prefix", "64:ff9b::101:101"),
        ("64:ff9b::101:101", "10.0.0.0/8", "64:ff9b::101:101"),
    ],
)
def test_what_an_address_stands_for_behind_nat64(address: str, prefix: str | None, real: str) -> None:
    assert unsynthesised(address, prefix) == real


def test_a_network_s_own_nat64_prefix_does_not_hide_a_private_host() -> None:
    """The address looks public, and the network's translator would lead to its own router."""
    inside = "2001:67c:2b0:db32:0:1:c0a8:101"
    assert is_public(inside)
    assert is_bogon(unsynthesised(inside, "2001:67c:2b0:db32:0:1::/96"))
