import sys
from collections.abc import Iterator

import pytest

from probe.lab.lab import Lab
from probe.lab.model import Answer, DnsOverHttps, Page, Redirects, Resolver, Site, World

from .observing import first_records, observe

ADDRESS = "151.101.1.1"
SHARED = "151.101.1.2"
FAULTY = "151.101.2."
PROXY = "151.101.3.1"
MIB = 1 << 20

WORLD = World(
    sites=(
        Site(name="www.gazette.org", addresses=(ADDRESS, "2a04:4e42::1"), content=Page(title="Gazette", size=330_000)),
        Site(name="one.shared.org", addresses=(SHARED,), content=Page(title="One")),
        Site(name="two.shared.org", addresses=(SHARED,), content=Page(title="Two")),
        Site(name="expired.org", addresses=(f"{FAULTY}1",), certificate="expired"),
        Site(name="wrong.org", addresses=(f"{FAULTY}2",), certificate="wrong-name"),
        Site(name="self.org", addresses=(f"{FAULTY}3",), certificate="self-signed"),
        Site(name="unknown.org", addresses=(f"{FAULTY}4",), certificate="unknown-issuer"),
        Site(name="chain.org", addresses=(f"{FAULTY}5",), certificate="long-chain"),
        Site(name="refuses.org", addresses=(f"{FAULTY}6",), ports={}),
        Site(name="silent.org", addresses=(f"{FAULTY}7",), ports={443: "silent"}),
        Site(name="noise.org", addresses=(f"{FAULTY}8",), ports={443: "noise"}),
        Site(name="drips.org", addresses=(f"{FAULTY}9",), rate=1),
        Site(name="big.org", addresses=(f"{FAULTY}10",), content=Page(size=32 * MIB)),
        Site(name="moves.org", addresses=(f"{FAULTY}11",), content=Redirects(hops=5)),
        Site(name="elsewhere.org", addresses=(f"{FAULTY}12",), to_isps=Page(status=500)),
        Site(name="backend.org", addresses=(f"{FAULTY}13",), ports={443: "tcp", 5222: "tcp"}),
        Site(name="149.154.167.51", addresses=("149.154.167.51",), ports={443: "http"}, content=Page(status=404)),
        Site(name=PROXY, addresses=(PROXY,), ports={443: "sni-proxy"}),
        Site(
            name="cloudflare-dns.com",
            addresses=("1.1.1.1",),
            ports={443: "https"},
            pages={"/dns-query": DnsOverHttps(resolver="1.1.1.1")},
        ),
    ),
    resolvers=(
        Resolver(addresses=("1.1.1.1",)),
        Resolver(
            addresses=("9.9.9.9",),
            answers={"refused.org": Answer(kind="refused"), ".cut.org": Answer(kind="truncated")},
            edns="formerr",
        ),
    ),
    names={"www.cut.org": ("151.101.9.9",)},
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(WORLD) as lab:
        yield lab


def test_honest_replies_are_one_hop_away_and_name_every_address(lab: Lab) -> None:
    seen = observe(lab, "dns", lab.network.isp.resolver, "www.gazette.org")
    assert seen["replies"] == [{"rcode": "NOERROR", "records": [ADDRESS], "truncated": False, "ip_ttl": 63}]
    assert first_records(observe(lab, "dns", "1.1.1.1", "www.gazette.org", "--qtype", "AAAA")) == ["2a04:4e42::1"]


def test_names_that_do_not_exist_are_nxdomain_and_other_types_are_empty(lab: Lab) -> None:
    assert observe(lab, "dns", "1.1.1.1", "nowhere.org")["replies"][0]["rcode"] == "NXDOMAIN"
    empty = observe(lab, "dns", "1.1.1.1", "one.shared.org", "--qtype", "AAAA")["replies"][0]
    assert (empty["rcode"], empty["records"]) == ("NOERROR", [])


def test_a_truncated_reply_is_whole_over_tcp(lab: Lab) -> None:
    assert observe(lab, "dns", "9.9.9.9", "www.cut.org")["replies"][0]["truncated"]
    assert first_records(observe(lab, "dns", "9.9.9.9", "www.cut.org", "--stream")) == ["151.101.9.9"]


def test_a_resolver_without_edns_says_formerr_to_it_and_answers_without(lab: Lab) -> None:
    assert observe(lab, "dns", "9.9.9.9", "refused.org", "--edns")["replies"][0]["rcode"] == "FORMERR"
    assert observe(lab, "dns", "9.9.9.9", "refused.org")["replies"][0]["rcode"] == "REFUSED"


def test_a_resolver_tells_its_own_address(lab: Lab) -> None:
    assert first_records(observe(lab, "dns", "9.9.9.9", "whoami.v4.powerdns.org")) == ["9.9.9.9"]


def test_an_address_that_nobody_has_is_silent_and_one_without_a_resolver_refuses(lab: Lab) -> None:
    assert observe(lab, "dns", "203.0.114.1", "www.gazette.org")["replies"] == []
    assert observe(lab, "dns", ADDRESS, "www.gazette.org")["replies"] == [{"refused": True}]


@pytest.mark.parametrize("alpn", ["h2", "http/1.1"])
def test_dns_over_https_answers_under_the_real_name(lab: Lab, alpn: str) -> None:
    script = """
import httpx, dns.message, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
query = dns.message.make_query("www.gazette.org", "A").to_wire()
with httpx.Client(http1=sys.argv[2] != "h2", http2=sys.argv[2] == "h2", verify=context, trust_env=False) as client:
    reply = client.post("https://cloudflare-dns.com/dns-query", content=query)
    print(reply.http_version, dns.message.from_wire(reply.content).answer[0][0])
"""
    command = [sys.executable, "-c", script, str(lab.ca_file), alpn]
    done = lab.run(lab.vantage, command)
    assert done.stdout.split() == [{"h2": "HTTP/2", "http/1.1": "HTTP/1.1"}[alpn], ADDRESS], done.stderr


@pytest.mark.parametrize("alpn", ["h2", "http/1.1"])
def test_handshake_has_the_sites_own_certificate_and_the_protocol_asked_for(lab: Lab, alpn: str) -> None:
    seen = observe(lab, "tls", ADDRESS, "www.gazette.org", "--alpn", alpn)
    assert (seen["names"], seen["alpn"]) == (["www.gazette.org"], alpn)


def test_sites_that_share_an_address_are_told_apart_by_name(lab: Lab) -> None:
    for name, title in (("one.shared.org", "One"), ("two.shared.org", "Two")):
        assert observe(lab, "tls", SHARED, name)["names"] == [name]
        assert f"<title>{title}</title>" in observe(lab, "http", SHARED, name, "--tls")["text"]
    assert observe(lab, "tls", SHARED, "example.com")["names"] == ["one.shared.org"]
    assert observe(lab, "tls", SHARED, "")["names"] == ["one.shared.org"]


def test_every_kind_of_bad_certificate_is_bad_in_its_own_way(lab: Lab) -> None:
    verdicts = {
        name: _verify_error(lab, name, f"{FAULTY}{number}")
        for number, name in enumerate(("expired.org", "wrong.org", "self.org", "unknown.org"), start=1)
    }
    assert "expired" in verdicts["expired.org"]
    assert "Hostname mismatch" in verdicts["wrong.org"]
    assert "self-signed certificate" in verdicts["self.org"]
    assert "unable to get local issuer" in verdicts["unknown.org"]
    assert _verify_error(lab, "www.gazette.org", ADDRESS) == ""
    assert observe(lab, "tls", f"{FAULTY}5", "chain.org")["names"] == ["chain.org"]


def test_ports_that_are_closed_refuse_and_open_ones_connect(lab: Lab) -> None:
    assert observe(lab, "tcp", f"{FAULTY}6")["seen"] == "refused"
    assert observe(lab, "tcp", f"{FAULTY}13", "--port", "5222")["seen"] == "connected"
    assert observe(lab, "tcp", f"{FAULTY}13", "--port", "80")["seen"] == "refused"


def test_silence_noise_and_a_byte_a_second_instead_of_tls(lab: Lab) -> None:
    assert observe(lab, "tls", f"{FAULTY}7", "silent.org")["seen"] == "silence"
    assert "SSL" in observe(lab, "tls", f"{FAULTY}8", "noise.org")["seen"]
    slow = observe(lab, "http", f"{FAULTY}9", "drips.org", "--patience", "2.5")
    assert 0 < slow["bytes"] < 10


def test_pages_are_as_long_as_asked_for(lab: Lab) -> None:
    assert observe(lab, "http", ADDRESS, "www.gazette.org")["body"] == 330_000
    assert observe(lab, "http", f"{FAULTY}10", "big.org", "--tls", "--patience", "25")["body"] == 32 * MIB


def test_a_chain_of_redirects_ends_after_its_hops(lab: Lab) -> None:
    first = observe(lab, "http", f"{FAULTY}11", "moves.org")
    assert (first["status"], first["headers"]["location"]) == (302, "https://moves.org/moved/1")
    assert observe(lab, "http", f"{FAULTY}11", "moves.org", "--path", "/moved/5")["status"] == 200


def test_a_site_may_treat_the_clients_of_isps_otherwise(lab: Lab) -> None:
    arguments = ("http", f"{FAULTY}12", "elsewhere.org", "--tls")
    assert observe(lab, *arguments)["status"] == 500
    assert observe(lab, *arguments, namespace=lab.layout.control)["status"] == 200


def test_telegram_speaks_plain_http_on_443(lab: Lab) -> None:
    script = """
import http.client
connection = http.client.HTTPConnection("149.154.167.51", 443)
connection.request("POST", "/")
print(connection.getresponse().status)
"""
    assert lab.run(lab.vantage, [sys.executable, "-c", script]).stdout.strip() == "404"


def test_a_proxy_passes_tls_through_unopened(lab: Lab) -> None:
    assert observe(lab, "tls", PROXY, "www.gazette.org")["names"] == ["www.gazette.org"]


def test_hundreds_of_handshakes_at_once_are_served(lab: Lab) -> None:
    script = """
import concurrent.futures, socket, ssl, sys, time
context = ssl.create_default_context(cafile=sys.argv[1])
def fetch(_):
    with socket.create_connection((sys.argv[2], 443), 10) as plain:
        with context.wrap_socket(plain, server_hostname="www.gazette.org") as sock:
            sock.sendall(b"GET / HTTP/1.1\\r\\nHost: www.gazette.org\\r\\nConnection: close\\r\\n\\r\\n")
            return sum(len(piece) for piece in iter(lambda: sock.recv(65536), b""))
began = time.monotonic()
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    sizes = list(pool.map(fetch, range(250)))
print(min(sizes), time.monotonic() - began)
"""
    smallest, seconds = lab.run(lab.vantage, [sys.executable, "-c", script, str(lab.ca_file), ADDRESS]).stdout.split()
    assert int(smallest) > 330_000
    assert float(seconds) < 15  # some 1.5 s on an idle machine


def _verify_error(lab: Lab, name: str, address: str) -> str:
    script = """
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
try:
    context.wrap_socket(socket.create_connection((sys.argv[3], 443), 5), server_hostname=sys.argv[2]).close()
except ssl.SSLCertVerificationError as error:
    print(error.verify_message)
"""
    return lab.run(lab.vantage, [sys.executable, "-c", script, str(lab.ca_file), name, address]).stdout.strip()
