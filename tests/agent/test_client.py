"""The collector's HTTP interface as a client must take it: bounds, refusals, proxies, bytes counted."""

import gzip
import ssl
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trustme
import zstandard

from probe.agent.client import CollectorClient
from probe.agent.client_faults import Rejected, Unreachable, UnusableSetting, retry_after
from probe.catalogue.signatures import Keypair, sign
from probe.wire.reports import Accepted, Enrolment, Report
from tests.agent.client_proxies import http_proxy, serving, socks_proxy
from tests.agent.collector_stand_in import INVITATION, TOKEN, Trouble, stand_in
from tests.agent.spool_building import AGENT
from tests.agent.uplink_running import TIMEOUTS


def packed(report_id: str) -> bytes:
    report = Report(report_id=report_id, agent=AGENT, measurements=())
    return zstandard.ZstdCompressor().compress(msgspec.json.encode(report))


def client_of(base: str, **settings: Any) -> CollectorClient:
    return CollectorClient([base], TOKEN, timeouts=TIMEOUTS, **settings)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def server_tls(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name, key_type=trustme.KeyType.ECDSA).configure_cert(context)
    return context


async def test_a_whole_life_over_tls_takes_one_connection(authority: trustme.CA, ca_file: Path) -> None:
    async with stand_in(server_tls(authority)) as collector:
        collector.documents["keys"] = (sign(b"{}", Keypair.generate()), "7")
        async with CollectorClient([collector.url], TOKEN, ca_file=ca_file, timeouts=TIMEOUTS) as client:
            enrolled = await client.enrol(Enrolment(invitation=INVITATION, agent=AGENT))
            assert enrolled.token == TOKEN
            assert (await client.checkin(country="TR", asn=9121)).time.tzinfo is not None
            assert await client.send(packed("one"), "one") == Accepted(report_id="one")
            document = await client.document("keys")
            assert document is not None
            assert (document.signed, document.etag) == collector.documents["keys"]
            assert await client.document("keys", document.etag) is None
            await client.erase()
            with pytest.raises(Rejected) as caught:
                await client.checkin()
            assert caught.value.status == 401
        assert collector.seen.connections == 1
        assert ("GET", "/api/v1/checkin?country=TR&asn=9121", 200) in collector.seen.requests


async def test_a_certificate_that_is_not_valid_is_one_line(authority: trustme.CA, ca_file: Path) -> None:
    async with stand_in(server_tls(authority, "other.example")) as collector:
        for roots, why in ((ca_file, "Hostname mismatch"), (None, "unable to get local issuer certificate")):
            async with CollectorClient([collector.url], TOKEN, ca_file=roots, timeouts=TIMEOUTS) as client:
                with pytest.raises(Unreachable, match=f"https://localhost:[0-9]+: its certificate is not valid: {why}"):
                    await client.checkin()
        assert collector.seen.requests == []


async def test_a_refusal_brings_status_reason_and_path() -> None:
    async with stand_in() as collector, CollectorClient([collector.url], TOKEN, timeouts=TIMEOUTS) as client:
        collector.trouble = Trouble(kind="status", status=422, path="$.measurements[3].of")
        with pytest.raises(Rejected) as caught:
            await client.send(packed("one"), "one")
        assert (caught.value.status, caught.value.refused.path) == (422, "$.measurements[3].of")
        assert str(caught.value) == "the collector answered 422: as the test wants it (at $.measurements[3].of)"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "999999"}, 3600.0),
        ({"retry-after": "Sun, 22 Nov 2026 06:02:00 GMT", "date": "Sun, 22 Nov 2026 06:00:30 GMT"}, 90.0),
        ({"retry-after": "Sun, 22 Nov 2026 05:00:00 GMT", "date": "Sun, 22 Nov 2026 06:00:30 GMT"}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 06:02:00 GMT"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon", "date": "never"}, None),
        ({"retry-after": "٣"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_servers_clock(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


PORTAL = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"
ELSEWHERE = b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\nContent-Length: 0\r\n\r\n"
GARBLED = b"HTTP/1.1 202 Accepted\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"
BOMB = gzip.compress(bytes(50_000_000))
SMALL = b"HTTP/1.1 202 Accepted\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(BOMB), BOMB)
ENDLESS = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n" + bytes(300_000)
OTHER = b'HTTP/1.1 202 Accepted\r\nContent-Length: 21\r\n\r\n{"report_id":"other"}'


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (PORTAL, "answered 200, as no collector does"),
        (ELSEWHERE, "answered 302, as no collector does"),
        (GARBLED, "its answer is damaged"),
        (SMALL, "longer than 262144 bytes"),
        (ENDLESS, "longer than 262144 bytes"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "illegal status line"),
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 50\r\n\r\n{", "peer closed connection"),
        (OTHER, "acknowledged another report"),
        (b"", "disconnected without sending a response"),
    ],
    ids=["portal", "redirect", "garbled", "bomb", "endless", "ssh", "cut", "other", "nothing"],
)
async def test_what_is_no_collectors_answer_acknowledges_nothing(answer: bytes, line: str) -> None:
    async def once(stream: trio.SocketStream) -> None:
        got, body = b"", packed("one")
        while not got.endswith(body):
            got += await stream.receive_some()
        await stream.send_all(answer)

    async with serving(once) as port, client_of(f"http://localhost:{port}") as client:
        with pytest.raises(Unreachable, match=line):
            await client.send(packed("one"), "one")


async def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure() -> None:
    async with stand_in() as collector, CollectorClient([collector.url], TOKEN, timeouts=TIMEOUTS) as client:
        await client.checkin()
        collector.close_port()
        await collector.open_port()
        await client.checkin()
        collector.trouble = Trouble(kind="cut-at-once", times=1)  # the close crosses the request on its way
        await client.send(packed("one"), "one")
        assert collector.seen.connections == 3


async def test_an_invitation_is_never_sent_twice() -> None:
    async with stand_in() as collector, stand_in() as second:
        collector.trouble = Trouble(kind="cut-after-commit")
        async with CollectorClient([collector.url, second.url], timeouts=TIMEOUTS) as client:
            with pytest.raises(Unreachable):
                await client.enrol(Enrolment(invitation=INVITATION, agent=AGENT))
        assert (len(collector.seen.requests), len(second.seen.requests)) == (1, 0)


@pytest.mark.parametrize("auth", [None, ("probe", "secret")])
async def test_a_socks_proxy_gets_the_name_and_resolves_it_itself(auth: tuple[str, str] | None) -> None:
    async with stand_in() as collector, socks_proxy(auth, {"collector.onion": collector.port}) as proxy:
        given = f"{auth[0]}:{auth[1]}@" if auth else ""
        via = f"socks5://{given}localhost:{proxy.port}"
        async with CollectorClient(["http://collector.onion"], TOKEN, proxy=via, timeouts=TIMEOUTS) as client:
            assert client.proxied
            await client.checkin()
            await client.checkin()
        assert proxy.asked == [("collector.onion", 80)]


@pytest.mark.parametrize(
    ("auth", "name", "line"),
    [
        (None, "nowhere.onion", "host unreachable from the proxy"),
        (("probe", "wrong"), "collector.onion", "refuses the name and password"),
        (("", ""), "collector.onion", "wants another authentication"),
    ],
)
async def test_what_a_socks_proxy_refuses_is_one_line(auth: tuple[str, str] | None, name: str, line: str) -> None:
    wanted = ("probe", "secret") if auth else None
    async with socks_proxy(wanted, {}) as proxy:
        given = f"{auth[0]}:{auth[1]}@" if auth and auth[0] else ""
        via = f"socks5h://{given}localhost:{proxy.port}"
        async with CollectorClient([f"http://{name}"], TOKEN, proxy=via, timeouts=TIMEOUTS) as client:
            with pytest.raises(Unreachable, match=line):
                await client.checkin()


@pytest.mark.parametrize("secure", [False, True])
async def test_an_http_proxy_carries_both_kinds_of_collector(
    secure: bool, authority: trustme.CA, ca_file: Path
) -> None:
    async with stand_in(server_tls(authority) if secure else None) as collector, http_proxy() as proxy:
        via = f"http://localhost:{proxy.port}"
        async with CollectorClient([collector.url], TOKEN, proxy=via, ca_file=ca_file, timeouts=TIMEOUTS) as client:
            await client.checkin()
        assert proxy.asked == [("localhost", collector.port)]


async def test_bytes_are_counted_below_tls(authority: trustme.CA, ca_file: Path) -> None:
    sent = received = 0

    def meter(out: int, back: int) -> None:
        nonlocal sent, received
        sent, received = sent + out, received + back

    async with (
        stand_in(server_tls(authority)) as collector,
        client_of(collector.url, ca_file=ca_file, meter=meter) as client,
    ):
        await client.checkin()
        handshake = (sent, received)
        assert handshake[0] > 700  # a ClientHello of 517 bytes, the request, and what carries them
        assert handshake[1] > 700  # a certificate
        await client.checkin()
        assert 150 < sent - handshake[0] < 700
        assert 150 < received - handshake[1] < 700
        before = sent
        with pytest.raises(Rejected):
            await client.send(bytes(100_000), "one")
        assert 100_000 < sent - before < 107_000


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"bases": ["collector.example"]}, "collector.example: a collector's address looks like"),
        ({"bases": ["ftp://collector.example"]}, "looks like https://collector.example"),
        ({"bases": ["https://collector.example/#code"]}, "looks like https://collector.example"),
        ({"bases": ["https://[::1"]}, "is no URL"),
        ({"proxy": "socks4://name:secret@127.0.0.1:9050"}, "^127.0.0.1:9050: a proxy looks like"),
        ({"ca_file": Path("/missing/ca.pem")}, "/missing/ca.pem: cannot be used as ca_file: No such file"),
        ({"ca_file": Path(__file__)}, "holds no certificates"),
    ],
)
def test_a_setting_that_cannot_work_is_one_line(settings: dict[str, object], line: str) -> None:
    with pytest.raises(UnusableSetting, match=line):
        CollectorClient(**({"bases": ["https://collector.example"]} | settings))  # type: ignore[arg-type]
