"""A probe knows whose network it is in, behind a home's router and abroad, and tells its address to nobody who need
not know it. In namespaces of a lab, with its table of networks."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.lab.interference import AddressFilter, Interference, Offline, SharedAddress
from probe.lab.internet import internet
from probe.lab.lab import Lab
from probe.lab.model import TURK_TELEKOM, Isp, Resolver, World

ASKER = Path(__file__).with_name("identify.py")
HOME = msgspec.structs.replace(TURK_TELEKOM, subnet="100.64.1.0/24")  # behind a carrier's translator: RFC 6598
TURKISH = {"asn": 9121, "country": "TR", "name": "Türk Telekom", "resolver_asn": 9121}
CLOUDFLARE, GOOGLE = ("1.1.1.1", "1.0.0.1"), ("8.8.8.8", "8.8.4.4")


def world(*resolvers: Resolver) -> World:
    return internet(load_catalogue(default_catalogue_path()), platforms=(), resolvers=resolvers)


@contextmanager
def lab_with(recipes: Sequence[Interference] = (), *, isp: Isp = TURK_TELEKOM, **more: Any) -> Iterator[Lab]:
    with Lab(world(), recipes, isp=isp, geo=True, controls=(), **more) as lab:
        yield lab


@pytest.fixture(scope="module")
def public() -> Iterator[Lab]:
    with lab_with() as lab:
        yield lab


@pytest.fixture(scope="module")
def home() -> Iterator[Lab]:
    with lab_with((SharedAddress(),), isp=HOME) as lab:
        yield lab


def asked(lab: Lab, *arguments: str | Path) -> dict[str, Any]:
    done = lab.run(lab.vantage, [sys.executable, str(ASKER), str(lab.ca_file), *map(str, arguments)])
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def network(lab: Lab, *arguments: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = asked(lab, *arguments)["network"]
    return found


PLAIN = TURKISH | {"vpn": False, "hosting": False}


def test_a_public_address_is_looked_up_without_asking_anybody(public: Lab) -> None:
    trusted = (*CLOUDFLARE, *GOOGLE, "9.9.9.10", "149.112.112.10")
    public.interfere(9121, (AddressFilter(targets=trusted, ports=()),))
    assert network(public, public.geo_file) == PLAIN
    public.interfere(9121, ())


def test_behind_a_translator_the_network_is_the_one_that_others_see(home: Lab) -> None:
    assert network(home, home.geo_file) == PLAIN


@pytest.mark.parametrize("silenced", [CLOUDFLARE, GOOGLE])
def test_either_of_two_operators_can_tell_the_network(home: Lab, silenced: tuple[str, ...]) -> None:
    home.interfere(9121, (SharedAddress(), AddressFilter(targets=silenced, ports=())))
    assert network(home, home.geo_file) == PLAIN
    home.interfere(9121, (SharedAddress(),))


def test_a_network_in_which_nothing_answers_is_left_unnamed(home: Lab) -> None:
    home.interfere(9121, (SharedAddress(), Offline()))
    found = network(home, home.geo_file)
    assert found == {"resolver_asn": 9121, "vpn": False}  # where the resolver stands is no question to anybody
    home.interfere(9121, (SharedAddress(),))


def test_without_tables_strangers_tell_only_where_the_owner_agreed(public: Lab) -> None:
    assert network(public) == {"vpn": False}
    assert network(public, "strangers") == PLAIN


def test_a_resolver_of_somebody_else_is_known_by_where_it_asks_from() -> None:
    filtering = Resolver(addresses=("94.140.14.14",))
    with Lab(world(filtering), geo=True, resolver="94.140.14.14", controls=()) as lab:
        assert network(lab, lab.geo_file) == PLAIN | {"resolver_asn": 212772}


def test_traffic_that_leaves_through_a_tunnel_looks_like_a_vpns(public: Lab) -> None:
    def ip(*words: str) -> None:
        done = public.run(public.vantage, ["ip", *words])
        assert done.returncode == 0, done.stderr

    before = asked(public)
    ip("tuntap", "add", "wg7", "mode", "tun")
    ip("address", "add", "10.64.0.2/32", "dev", "wg7")
    ip("link", "set", "wg7", "up")
    unused = asked(public)
    ip("route", "add", "0.0.0.0/1", "dev", "wg7")
    ip("route", "add", "128.0.0.0/1", "dev", "wg7")
    through = asked(public)
    ip("link", "del", "wg7")
    assert [seen["network"]["vpn"] for seen in (before, unused, through)] == [False, False, True]
    assert before["attachment"] == unused["attachment"] != through["attachment"]
    assert asked(public)["attachment"] == before["attachment"]


def test_a_round_says_the_network_and_never_the_address(home: Lab, public: Lab) -> None:
    for lab in (home, public):
        client = lab.network.clients[0].address
        lines = lab.measure(["https://www.iana.org/"])
        assert [line["network"] for line in lines if line["kind"] == "endpoint"] == [PLAIN]
        said = json.dumps(lines)
        assert client not in said
        assert lab.network.transit[1] not in said  # which others see behind the translator
