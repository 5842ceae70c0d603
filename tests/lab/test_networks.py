"""Recipes that concern a whole network, each in a lab of its own."""

import sys

from probe.lab.interference import (
    CaptivePortal,
    DomesticOnly,
    Loss,
    Offline,
    Throttle,
    TlsInterception,
    TransparentDns,
)
from probe.lab.lab import Lab
from probe.lab.model import CHINA_TELECOM, Page, Resolver, Site, World

from .observing import first_records, observe

ABROAD = "151.101.1.1"
AT_HOME = "119.147.1.10"
WORLD = World(
    sites=(
        Site(name="abroad.org", addresses=(ABROAD, "2a04:4e42::1"), content=Page(size=200_000)),
        Site(name="home.cn", addresses=(AT_HOME,)),
    ),
    resolvers=(Resolver(addresses=("8.8.8.8",)),),
)


def test_a_router_that_answers_all_dns_is_honest_and_nearer() -> None:
    with Lab(WORLD, (TransparentDns(),)) as lab:
        for resolver in ("8.8.8.8", "203.0.114.1"):
            replies = observe(lab, "dns", resolver, "abroad.org")["replies"]
            assert [(reply["records"], reply["ip_ttl"]) for reply in replies] == [([ABROAD], 64)]
        assert observe(lab, "dns", "8.8.8.8", "nowhere.org")["replies"][0]["rcode"] == "NXDOMAIN"


def test_a_captive_portal_answers_every_name_and_port() -> None:
    with Lab(WORLD, (CaptivePortal(),)) as lab:
        assert first_records(observe(lab, "dns", "8.8.8.8", "abroad.org")) == [lab.network.gateway]
        assert "Enter your room number" in observe(lab, "http", ABROAD, "abroad.org")["text"]
        seen = observe(lab, "tls", lab.network.gateway, "abroad.org")
        assert (seen["names"], seen["issuer"]) == (["abroad.org"], "CN=Hotspot Gateway R1")
        assert observe(lab, "tcp", ABROAD, "--port", "5222")["seen"] == "connected"


def test_a_captive_portal_may_leave_names_alone() -> None:
    with Lab(WORLD, (CaptivePortal(names=False),)) as lab:
        assert first_records(observe(lab, "dns", "8.8.8.8", "abroad.org")) == [ABROAD]
        assert "Enter your room number" in observe(lab, "http", ABROAD, "abroad.org")["text"]


def test_a_company_forges_every_certificate() -> None:
    with Lab(WORLD, (TlsInterception(issuer="Example Corp CA"),)) as lab:
        for address, name in ((ABROAD, "abroad.org"), (AT_HOME, "home.cn")):
            assert observe(lab, "tls", address, name)["issuer"] == "CN=Example Corp CA R1"
        assert observe(lab, "http", ABROAD, "abroad.org", "--tls")["body"] == 200_000


def test_only_domestic_addresses_are_reached_when_a_country_is_cut_off() -> None:
    with Lab(WORLD, (DomesticOnly(),), isp=CHINA_TELECOM) as lab:
        assert observe(lab, "tcp", AT_HOME)["seen"] == "connected"
        assert observe(lab, "tcp", ABROAD)["seen"] == "silence"
        assert first_records(observe(lab, "dns", CHINA_TELECOM.resolver, "abroad.org")) == [ABROAD]
        assert observe(lab, "dns", "8.8.8.8", "abroad.org")["replies"] == []


def test_offline_is_silent_or_says_that_there_is_no_network() -> None:
    with Lab(WORLD, (Offline(),)) as lab:
        assert observe(lab, "tcp", ABROAD)["seen"] == "silence"
    with Lab(WORLD, (Offline(how="unplugged"),)) as lab:
        assert observe(lab, "tcp", ABROAD)["seen"] == "Network is unreachable"
        assert observe(lab, "tcp", ABROAD, namespace=lab.layout.control)["seen"] == "connected"


def test_a_tenth_of_the_packets_is_lost_each_way() -> None:
    script = """
import socket, dns.message
query = dns.message.make_query("abroad.org", "A").to_wire()
answered = 0
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.connect(("8.8.8.8", 53))
    for _ in range(20):
        for _ in range(20):
            sock.send(query)
        sock.settimeout(0.2)
        try:
            while sock.recv(4096):
                answered += 1
        except TimeoutError:
            pass
print(answered)
"""
    with Lab(WORLD, (Loss(),)) as lab:
        answered = int(lab.run(lab.vantage, [sys.executable, "-c", script]).stdout)
    assert 280 < answered < 365  # 324 expected; more than five standard deviations to either side


def test_a_policer_without_names_slows_everything() -> None:
    with Lab(WORLD, (Throttle(),)) as lab:
        slow = observe(lab, "http", ABROAD, "abroad.org", "--patience", "3")
        assert (slow["seen"], slow["bytes"] < 120_000) == ("silence", True)


def test_a_hit_slows_every_name_at_its_address_where_the_policer_taints() -> None:
    with Lab(WORLD, (Throttle(names=("abroad.org",), taints=60),)) as lab:
        assert observe(lab, "http", ABROAD, "home.cn", "--tls")["seen"] == "eof"
        observe(lab, "tls", ABROAD, "abroad.org")
        slow = observe(lab, "http", ABROAD, "abroad.org", "--path", "/", "--patience", "3")
        assert (slow["seen"], slow["bytes"] < 120_000) == ("silence", True)


def test_ipv6_is_absent_works_or_leads_nowhere() -> None:
    with Lab(WORLD) as lab:
        assert observe(lab, "tcp", "2a04:4e42::1")["seen"] == "Network is unreachable"
    with Lab(WORLD, ipv6="works") as lab:
        assert observe(lab, "tls", "2a04:4e42::1", "abroad.org")["names"] == ["abroad.org"]
    with Lab(WORLD, ipv6="broken") as lab:
        assert observe(lab, "tcp", "2a04:4e42::1")["seen"] == "silence"
        assert observe(lab, "tcp", ABROAD)["seen"] == "connected"
