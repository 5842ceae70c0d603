"""Each recipe does what it says, seen from the vantage point with plain sockets; other names stay untouched."""

import time
from collections.abc import Iterator

import pytest

from probe.lab.interference import (
    NOTICE,
    AddressFilter,
    Cutoff,
    DataFilter,
    DnsInjection,
    Interference,
    NameFilter,
    NoticeInjection,
    ResolverAnswers,
    ResolverDuplicates,
    ResolverRewrites,
    Throttle,
    TlsInterception,
)
from probe.lab.lab import Lab
from probe.lab.model import Answer, Page, Resolver, Site, World

from .observing import first_records, observe

FREE = "free.org"
FORGED = "31.13.94.37"
PAGE = 330_000

RECIPES: dict[str, Interference] = {
    "nxdomain.org": ResolverAnswers(names=("nxdomain.org",), answer=Answer(kind="nxdomain")),
    "refused.org": ResolverAnswers(names=("refused.org",), answer=Answer(kind="refused")),
    "servfail.org": ResolverAnswers(names=("servfail.org",), answer=Answer(kind="servfail")),
    "empty.org": ResolverAnswers(names=("empty.org",), answer=Answer(kind="no-answer")),
    "mute.org": ResolverAnswers(names=("mute.org",), answer=Answer(kind="timeout")),
    "bogon.org": ResolverAnswers(names=("bogon.org", ".bogon.org"), answer=Answer(addresses=("10.10.34.35",))),
    "injected.org": DnsInjection(names=("injected.org",), answer=Answer(addresses=(FORGED,)), ip_ttl=41),
    "unnamed.org": DnsInjection(names=("unnamed.org",), answer=Answer(kind="nxdomain"), ip_ttl=42),
    "ip-drop.org": AddressFilter(targets=("ip-drop.org",)),
    "ip-reset.org": AddressFilter(targets=("ip-reset.org",), action="reset"),
    "ip-unreachable.org": AddressFilter(targets=("ip-unreachable.org",), action="unreachable"),
    "ip-prohibited.org": AddressFilter(targets=("ip-prohibited.org",), action="prohibited"),
    "sni-drop.org": NameFilter(names=("sni-drop.org",), action="drop"),
    "sni-reset.org": NameFilter(names=("sni-reset.org",), action="reset"),
    "sni-close.org": NameFilter(names=("sni-close.org",), action="close"),
    "stream.org": NameFilter(names=("stream.org",), action="reset", inspects="stream"),
    "segment.org": NameFilter(names=("segment.org",), action="reset", inspects="first-segment"),
    "residual.org": NameFilter(names=("residual.org",), action="reset", residual=2),
    "residual-drop.org": NameFilter(names=("residual-drop.org",), action="drop", residual=60, afterwards="drop"),
    "mute-tls.org": DataFilter(targets=("mute-tls.org",)),
    "forged.org": TlsInterception(names=("forged.org",)),
    "notice-tls.org": TlsInterception(names=("notice-tls.org",), page=NOTICE),
    "notice.org": NoticeInjection(names=("notice.org",)),
    "moved.org": NoticeInjection(
        names=("moved.org",), page=Page(status=302, body="", headers=(("location", "http://195.175.254.2/"),))
    ),
    "host-reset.org": NameFilter(names=("host-reset.org",), action="reset", layer="http"),
    "host-close.org": NameFilter(names=("host-close.org",), action="close", layer="http"),
    "host-drop.org": NameFilter(names=("host-drop.org",), action="drop", layer="http"),
    "cutoff.org": Cutoff(names=("cutoff.org",)),
    "throttled.org": Throttle(names=("throttled.org",)),
}
ADDRESSES = {name: f"151.101.4.{number}" for number, name in enumerate((*RECIPES, FREE), start=1)}
WORLD = World(
    sites=(
        *(Site(name=name, addresses=(address,), content=Page(size=PAGE)) for name, address in ADDRESSES.items()),
        Site(name="pair.org", addresses=("151.101.5.1", "151.101.5.2")),
    ),
    resolvers=(Resolver(addresses=("8.8.8.8",)),),
)
FURTHER = (ResolverDuplicates(), ResolverRewrites(addresses=("195.175.254.77",)))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(WORLD, (*RECIPES.values(), *FURTHER)) as lab:
        yield lab


def handshake(lab: Lab, name: str, *options: str, address: str | None = None) -> str:
    seen: str = observe(lab, "tls", address or ADDRESSES[name], name, *options)["seen"]
    return seen


def resolved(lab: Lab, name: str, resolver: str | None = None) -> list[dict[str, object]]:
    replies: list[dict[str, object]] = observe(lab, "dns", resolver or lab.network.isp.resolver, name)["replies"]
    return replies


@pytest.mark.parametrize(
    ("name", "rcode"), [("nxdomain.org", "NXDOMAIN"), ("refused.org", "REFUSED"), ("servfail.org", "SERVFAIL")]
)
def test_the_isps_resolver_denies_a_name_and_others_do_not(lab: Lab, name: str, rcode: str) -> None:
    assert resolved(lab, name)[0]["rcode"] == rcode
    assert resolved(lab, name, "8.8.8.8")[0]["records"] == [ADDRESSES[name]]


def test_the_isps_resolver_answers_with_nothing_a_bogon_or_silence(lab: Lab) -> None:
    assert (resolved(lab, "empty.org")[0]["rcode"], resolved(lab, "empty.org")[0]["records"]) == ("NOERROR", [])
    assert resolved(lab, "bogon.org")[0]["records"] == ["10.10.34.35"]
    assert resolved(lab, "www.bogon.org")[0]["records"] == ["10.10.34.35"]
    assert resolved(lab, "mute.org") == []


def test_the_isps_resolver_rewrites_names_that_do_not_exist_and_no_others(lab: Lab) -> None:
    assert resolved(lab, "nowhere.org")[0]["records"] == ["195.175.254.77"]
    assert resolved(lab, FREE)[0]["records"] == [ADDRESSES[FREE]]


def test_a_duplicated_reply_has_the_same_records_rotated(lab: Lab) -> None:
    first, second = resolved(lab, "pair.org")
    assert [first["records"], second["records"]] == [["151.101.5.1", "151.101.5.2"], ["151.101.5.2", "151.101.5.1"]]


@pytest.mark.parametrize("resolver", ["195.175.39.39", "8.8.8.8"])
def test_an_injected_answer_comes_first_with_its_own_ttl_and_the_real_one_follows(lab: Lab, resolver: str) -> None:
    forged, real = resolved(lab, "injected.org", resolver)[:2]
    assert (forged["records"], forged["ip_ttl"]) == ([FORGED], 41)
    assert (real["records"], real["ip_ttl"]) == ([ADDRESSES["injected.org"]], 63)
    denied, honest = resolved(lab, "unnamed.org", resolver)[:2]
    assert (denied["rcode"], denied["ip_ttl"]) == ("NXDOMAIN", 42)
    assert honest["records"] == [ADDRESSES["unnamed.org"]]


def test_injection_also_answers_for_addresses_that_run_no_resolver(lab: Lab) -> None:
    for address in (ADDRESSES[FREE], "203.0.114.1"):
        assert [FORGED] in [reply.get("records") for reply in resolved(lab, "injected.org", address)]
    assert resolved(lab, FREE, "203.0.114.1") == []


def test_addresses_are_dropped_reset_unreachable_or_prohibited_on_their_port_alone(lab: Lab) -> None:
    seen = {name: observe(lab, "tcp", ADDRESSES[name])["seen"] for name in ADDRESSES if name.startswith("ip-")}
    assert seen == {
        "ip-drop.org": "silence",
        "ip-reset.org": "refused",
        "ip-unreachable.org": "No route to host",
        "ip-prohibited.org": "No route to host",
    }
    assert observe(lab, "tcp", ADDRESSES["ip-drop.org"], "--port", "80")["seen"] == "connected"


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("sni-drop.org", "silence"),
        ("sni-reset.org", "reset"),
        ("sni-close.org", "eof"),
        ("stream.org", "reset"),
        ("segment.org", "reset"),
    ],
)
def test_a_server_name_is_stopped_at_any_address_and_others_pass_there(lab: Lab, name: str, ending: str) -> None:
    assert handshake(lab, name) == ending
    assert handshake(lab, name, address=ADDRESSES[FREE]) == ending
    assert handshake(lab, FREE, address=ADDRESSES[name]) == "handshake"
    assert handshake(lab, f"not-{name}", address=ADDRESSES[name]) == "handshake"


@pytest.mark.parametrize(("name", "ending"), [("stream.org", "reset"), ("segment.org", "handshake")])
def test_only_a_box_that_reassembles_sees_a_split_hello(lab: Lab, name: str, ending: str) -> None:
    assert handshake(lab, name, "--split", "40") == ending


def test_after_a_hit_everything_to_that_address_is_reset_for_a_while(lab: Lab) -> None:
    address = ADDRESSES["residual.org"]
    assert handshake(lab, FREE, address=address) == "handshake"
    assert handshake(lab, "residual.org") == "reset"
    hit = time.monotonic()
    assert observe(lab, "tcp", address, "--port", "80")["seen"] == "refused"
    assert time.monotonic() - hit < 2, "too slow a machine to see the residual block"
    assert handshake(lab, FREE) == "handshake"
    time.sleep(max(0.0, 2.1 - (time.monotonic() - hit)))
    assert handshake(lab, FREE, address=address) == "handshake"


def test_a_residual_block_may_be_silent(lab: Lab) -> None:
    assert handshake(lab, "residual-drop.org") == "silence"
    assert observe(lab, "tcp", ADDRESSES["residual-drop.org"], "--port", "80")["seen"] == "silence"


def test_all_names_at_an_address_fall_silent_after_connecting(lab: Lab) -> None:
    address = ADDRESSES["mute-tls.org"]
    assert observe(lab, "tcp", address)["seen"] == "connected"
    assert [handshake(lab, name, address=address) for name in ("mute-tls.org", FREE)] == ["silence", "silence"]


def test_interception_forges_the_name_and_relays_and_leaves_other_names_alone(lab: Lab) -> None:
    forged = observe(lab, "tls", ADDRESSES["forged.org"], "forged.org")
    assert (forged["names"], forged["issuer"]) == (["forged.org"], "CN=Middlebox Root CA R1")
    assert observe(lab, "http", ADDRESSES["forged.org"], "forged.org", "--tls")["body"] == PAGE
    assert observe(lab, "tls", ADDRESSES["forged.org"], FREE)["issuer"] == "CN=Lab Root CA R1"


def test_interception_may_show_a_notice(lab: Lab) -> None:
    seen = observe(lab, "http", ADDRESSES["notice-tls.org"], "notice-tls.org", "--tls")
    assert "5651" in seen["text"]


def test_a_forged_response_overtakes_the_real_one_and_closes(lab: Lab) -> None:
    seen = observe(lab, "http", ADDRESSES["notice.org"], "notice.org")
    assert (seen["status"], seen["seen"], "5651" in seen["text"]) == (200, "eof", True)
    moved = observe(lab, "http", ADDRESSES["moved.org"], "moved.org")
    assert (moved["status"], moved["headers"]["location"]) == (302, "http://195.175.254.2/")
    assert observe(lab, "http", ADDRESSES["notice.org"], FREE)["status"] == 404  # from the real server


@pytest.mark.parametrize(("name", "ending"), [("reset", "reset"), ("close", "eof"), ("drop", "silence")])
def test_a_host_header_is_stopped_and_others_pass(lab: Lab, name: str, ending: str) -> None:
    seen = observe(lab, "http", ADDRESSES[f"host-{name}.org"], f"host-{name}.org")
    assert (seen["seen"], seen["bytes"]) == (ending, 0)
    assert observe(lab, "http", ADDRESSES[f"host-{name}.org"], FREE)["status"] == 404


def test_a_connection_with_the_name_stalls_after_16_kb(lab: Lab) -> None:
    stalled = observe(lab, "http", ADDRESSES["cutoff.org"], "cutoff.org", "--tls")
    assert (stalled["seen"], 0 < stalled["bytes"] < 32_768) == ("silence", True)
    assert observe(lab, "http", ADDRESSES[FREE], FREE, "--tls")["body"] == PAGE


def test_a_policer_slows_the_name_alone(lab: Lab) -> None:
    slow = observe(lab, "http", ADDRESSES["throttled.org"], "throttled.org", "--tls", "--patience", "3")
    assert (slow["seen"], 1_000 < slow["bytes"] < 120_000) == ("silence", True)
    assert first_records(observe(lab, "dns", "8.8.8.8", "throttled.org")) == [ADDRESSES["throttled.org"]]
