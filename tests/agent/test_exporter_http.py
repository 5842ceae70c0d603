"""The exporter's server: who may ask, for what, and what it does with clients that are slow, greedy or hostile."""

import contextlib
import json

import h11
import pytest
import trio

from probe.agent.exporter.connection import Limits
from probe.agent.exporter.exporter import CannotListen, listening
from probe.agent.exporter.server import address_of

from .exporter_running import BACKEND, MEDIA, URL, catalogue_of, exporting, read

QUICK = Limits(head=0.3, idle=0.3, send=0.5, head_bytes=2048, connections=8)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


# --- who may ask ---


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LocalHost", "[::1]:9640", "probe.home", "probe.home:80"])
async def test_a_host_that_is_ours_is_answered(host: str) -> None:
    async with exporting(allow_hosts=("probe.home",)) as running:
        assert (await running.ask("/healthz", Host=host)).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:9640", "", "127.0.0.2", "[::2]"],
)
@pytest.mark.parametrize("path", ["/metrics", f"/probe?target={URL}", "/status", "/"])
async def test_a_page_under_a_rebound_name_learns_nothing(host: str, path: str) -> None:
    async with exporting() as running:
        reply = await running.ask(path, Host=host)
    assert reply.status == 403
    assert len(reply.text.splitlines()) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},  # localhost at another port is of the same site
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://127.0.0.1"},
        {"User_Agent": FIREFOX},  # says not where it comes from
        {"Referer": "http://localhost:3000/"},
    ],
)
async def test_a_page_in_a_browser_cannot_drive_the_probe(headers: dict[str, str]) -> None:
    async with exporting() as running:
        reply = await running.ask(f"/probe?target={URL}", **headers)
    assert (reply.status, len(reply.text.splitlines())) == (403, 1)


async def test_the_owner_may_open_it_in_a_browser() -> None:
    async with exporting() as running:
        page = await running.ask("/", User_Agent=FIREFOX, Sec_Fetch_Site="none")
        own = {"Sec_Fetch_Site": "same-origin", "Origin": f"http://127.0.0.1:{running.port}", "User_Agent": FIREFOX}
        probe = await running.ask(f"/probe?target={URL}", X_Prometheus_Scrape_Timeout_Seconds="0.2", **own)
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    assert probe.status == 503  # got through: there is nothing yet to measure with
    assert "access-control-allow-origin" not in page.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROBE"])
async def test_only_reading_is_possible(method: str) -> None:
    async with exporting() as running:
        reply = await running.ask("/metrics", method=method)
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


# --- what is there ---


async def test_head_tells_the_length_and_sends_no_body() -> None:
    async with exporting() as running:
        head, whole = await running.ask("/", method="HEAD"), await running.ask("/")
    assert (head.status, head.text) == (200, "")
    assert head.headers["content-length"] == whole.headers["content-length"] == str(len(whole.text.encode()))


async def test_discovery_lists_what_can_be_measured_with_its_labels() -> None:
    catalogue = catalogue_of({"web": (URL,), "media": (MEDIA,), "fast": ("quic://shop.example.net:443",)})
    async with exporting(catalogue) as running:
        everything = await running.ask("/sd/targets")
        media = await running.ask("/sd/targets?platform=shop&service=media")
    groups = json.loads(everything.text)
    assert everything.headers["content-type"] == "application/json"
    assert [group["targets"] for group in groups] == [[URL], [MEDIA]]
    assert groups[0]["labels"].items() >= {"platform": "shop", "service": "web", "__param_target": URL}.items()
    assert [group["targets"] for group in json.loads(media.text)] == [[MEDIA]]


async def test_a_new_catalogue_is_served_at_once() -> None:
    async with exporting() as running:
        running.exporter.use(catalogue_of({"chat": (BACKEND,)}))
        assert [group["targets"] for group in json.loads((await running.ask("/sd/targets")).text)] == [[BACKEND]]
        assert (await running.ask(f"/probe?target={URL}")).status == 400


async def test_unknown_paths_say_where_to_look() -> None:
    async with exporting() as running:
        assert (await running.ask("/metric")).status == 404
        assert (await running.ask("http://evil.example/metrics")).status == 404


# --- clients that misbehave ---


async def test_a_connection_serves_one_request_after_the_other_also_when_they_come_at_once() -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with exporting() as running, await running.connected() as stream:
        for sent in (request, request):
            await stream.send_all(sent)
            assert (await read(stream)).text == "ok\n"
        await stream.send_all(request + request)
        with trio.fail_after(5):
            received = b""
            while received.count(b"\nok\n") < 2:
                received += await stream.receive_some()


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
async def test_whoever_does_not_finish_a_request_loses_the_connection(sent: bytes) -> None:
    async with exporting(limits=QUICK) as running, await running.connected() as stream:
        await stream.send_all(sent)
        with trio.fail_after(5):
            assert await stream.receive_some() == b""


async def test_drops_of_a_request_do_not_keep_it_open() -> None:
    async with exporting(limits=QUICK) as running, await running.connected() as stream:
        with trio.fail_after(5), pytest.raises(trio.BrokenResourceError):
            await drip(stream)


async def drip(stream: trio.SocketStream) -> None:
    while True:
        await stream.send_all(b"x")
        await trio.sleep(0.02)


async def test_slow_clients_do_not_keep_others_out() -> None:
    """Slowloris: as many connections as there may be, each with half a request."""
    async with exporting(limits=QUICK) as running:
        slow = [await running.connected() for _ in range(QUICK.connections)]
        for stream in slow:
            await stream.send_all(b"GET /metrics HTTP/1.1\r\nHost: ")
        turned_away = await running.ask("/healthz")
        await trio.sleep(2 * QUICK.head)
        later = await running.ask("/healthz")
        for stream in slow:
            await stream.aclose()
    assert (turned_away.status, turned_away.headers["connection"], later.status) == (503, "close", 200)


async def test_a_client_that_takes_nothing_loses_the_connection() -> None:
    services = {f"s{number}": (f"https://h{number}.example.net/{'x' * 1900}",) for number in range(3000)}
    limits = Limits(send=0.3)
    async with exporting(catalogue_of(services), limits=limits) as running, await running.connected() as stream:
        await stream.send_all(b"GET /sd/targets HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await trio.sleep(1.0)
        received = bytearray()
        with trio.fail_after(5), contextlib.suppress(trio.BrokenResourceError):
            while piece := await stream.receive_some(1 << 20):
                received += piece
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    assert len(body) < int(head.lower().partition(b"content-length: ")[2].split()[0])


async def test_connections_are_not_kept_where_they_keep_others_out() -> None:
    async with exporting(limits=QUICK) as running:
        idle = [await running.connected() for _ in range(QUICK.connections // 2)]
        async with await running.connected() as stream:
            await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            reply = await read(stream)
        for one in idle:
            await one.aclose()
    assert (reply.status, reply.headers["connection"]) == (200, "close")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 403),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n\r\n", 400),
        (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000, 405),
    ],
)
async def test_nonsense_is_answered_with_one_line_and_ends(raw: bytes, status: int) -> None:
    async with exporting() as running:
        try:
            reply = await running.send(raw)
        except h11.RemoteProtocolError as error:
            pytest.fail(f"no whole answer: {error}")
    assert (reply.status, reply.headers["connection"], len(reply.text.splitlines())) == (status, "close", 1)


async def test_a_fault_of_ours_is_answered_and_the_server_goes_on() -> None:
    def broken() -> None:
        raise KeyError("snapshot")

    async with exporting(seen=broken) as running:  # type: ignore[arg-type]
        assert (await running.ask("/status")).status == 500
        assert (await running.ask("/healthz")).status == 200


# --- where it listens ---


@pytest.mark.parametrize("listen", ["", "9640", "127.0.0.1", "127.0.0.1:", ":9640", "127.0.0.1:99999", "::1:9640"])
def test_a_bad_address_is_one_clear_line(listen: str) -> None:
    with pytest.raises(CannotListen, match=r"ADDRESS:PORT"):
        address_of(listen)


async def test_a_taken_port_is_one_clear_line() -> None:
    async with exporting() as running:
        with pytest.raises(CannotListen, match=r"cannot listen on .*in use; choose another"):
            await listening(f"127.0.0.1:{running.port}")
