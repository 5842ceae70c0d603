"""`/probe`: what may be asked of it, how it keeps to the scrape's time, and that it does not run away."""

import contextlib
import dataclasses
import math
import socket
from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import quote

import pytest
import trio
import trustme

from probe.agent.exporter.modules import USUAL
from probe.agent.exporter.prober import LONGEST, SHORTEST, Busy, Prober, seconds_for
from probe.agent.exporter.targets import Targets, UnknownTarget
from probe.catalogue.model import Anchor, CatalogueError, Infrastructure
from probe.clock import SystemClock
from probe.measure.context import Context, Timeouts
from probe.measure.pace import Beat, Pace, T
from probe.net.chain import Roots
from probe.wire.measurement import AnchorSeen, Surroundings
from probe.wire.vocabulary import Outcome
from tests.measure.sites import HERE, NEUTRAL, RESOLVER, Names, context_of, start

from .exporter_running import BACKEND, SHOP, URL, Reply, exporting

FIT = Surroundings(anchors=(AnchorSeen(url="https://a.test/", operator="A", seen="right"),), resolver_ok=True)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Roots:
    path = tmp_path_factory.mktemp("roots") / "ca.pem"
    trustme.CA(key_type=trustme.KeyType.ECDSA).cert_pem.write_to_path(str(path))
    return Roots.load(path)


def asking(url: str, **parameters: str) -> str:
    return "/probe?" + "&".join(f"{name}={quote(text)}" for name, text in {"target": url, **parameters}.items())


# --- what may be asked for ---


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("/probe", "the parameter target is missing"),
        ("/probe?target=", "the parameter target is missing"),
        ("/probe?target=https://elsewhere.example.net/", "not in the catalogue"),
        (f"/probe?target={URL}more", "not in the catalogue"),
        ("/probe?target=http://127.0.0.1:22/", "not a public address"),
        ("/probe?target=http://169.254.169.254/latest", "not a public address"),
        ("/probe?target=http://localhost/", "not a public name"),
        ("/probe?target=nonsense%00", "malformed URL"),
        (f"/probe?target={URL}&module=icmp", "unknown module 'icmp': there are http_2xx, "),
        (f"/probe?target={BACKEND}&module=http_2xx", "module http_2xx takes targets of https, http"),
        (f"/probe?target={URL}&module=tcp_connect", "module tcp_connect takes targets of tcp"),
        ("/probe?" + "&".join("a=b" for _ in range(80)), "too many parameters"),
    ],
)
async def test_what_is_not_measured_is_refused_in_one_line(target: str, says: str) -> None:
    async with exporting() as running:
        reply = await running.ask(target)
    assert (reply.status, len(reply.text.splitlines())) == (400, 1)
    assert says in reply.text


@pytest.mark.parametrize("said", ["soon", "nan", "inf", "-1", "0"])
async def test_a_strange_timeout_is_refused_in_one_line(said: str) -> None:
    async with exporting() as running:
        reply = await running.ask(f"/probe?target={URL}", X_Prometheus_Scrape_Timeout_Seconds=said)
    assert (reply.status, len(reply.text.splitlines())) == (400, 1)


async def test_before_the_agent_is_ready_nothing_is_said_of_the_target() -> None:
    async with exporting() as running:
        reply = await running.ask(asking(URL), X_Prometheus_Scrape_Timeout_Seconds="1")
    assert (reply.status, reply.headers["retry-after"]) == (503, "10")
    assert "probe_success" not in reply.text


@pytest.mark.parametrize(
    ("text", "module", "url"),
    [
        (URL, "", URL),
        ("HTTPS://Shop.Example.Net:443/", "", URL),
        ("shop.example.net", "http_2xx", URL),
        ("chat.example.net:5222", "tcp_connect", BACKEND),
        ("https://own.example.org/exact", "", "https://own.example.org/exact"),
        ("https://own.example.org/below/any?thing=1", "", "https://own.example.org/below/any?thing=1"),
    ],
)
def test_targets_are_the_catalogue_s_and_the_owner_s_own(text: str, module: str, url: str) -> None:
    targets = Targets(SHOP, ("https://own.example.org/exact", "https://own.example.org/below/*"))
    assert targets.task(text, module)[0].target.url == url


@pytest.mark.parametrize(
    "text",
    [
        "https://own.example.org/",
        "https://own.example.org/exact/",
        "http://own.example.org/exact",
        "https://own.example.org.evil.example/below/",
        "https://own.example.org:8443/below/",
        "https://own.example.org@evil.example/below/",
    ],
)
def test_what_the_owner_allowed_is_not_stretched(text: str) -> None:
    with pytest.raises(UnknownTarget):
        Targets(SHOP, ("https://own.example.org/exact", "https://own.example.org/below/*")).task(text)


@pytest.mark.parametrize("pattern", ["*", "https://*", "https://*.example.org/", "https://own.example.org*", "tcp://*"])
def test_a_host_is_never_a_pattern(pattern: str) -> None:
    with pytest.raises(CatalogueError):
        Targets(SHOP, (pattern,))


def test_redirects_of_the_owner_s_own_targets_stay_with_their_host() -> None:
    task, endpoint = Targets(SHOP, ("https://www.own.example.org/",)).task("https://www.own.example.org/")
    assert (task.domains, endpoint) == (("own.example.org",), None)


# --- time and number ---


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, LONGEST), ("", LONGEST), ("10", 9.5), ("0.6", 0.3), ("0.0001", SHORTEST), ("86400", LONGEST)],
)
def test_an_answer_is_ready_before_the_scrape_gives_up(header: str | None, seconds: float) -> None:
    assert math.isclose(seconds_for(header), seconds)


class Watched(Pace):
    """Tells when a measurement holds a place, and when it has ended."""

    def __init__(self) -> None:
        super().__init__(8)
        self.began, self.ended = trio.Event(), trio.Event()

    async def run(self, work: Callable[[Beat], Awaitable[T]]) -> T:
        self.began.set()
        try:
            return await super().run(work)
        finally:
            self.ended.set()


@contextlib.contextmanager
def silent_resolver() -> Iterator[None]:
    """Takes questions, and says nothing: a lookup lasts as long as it may."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((RESOLVER, 53))
        except PermissionError:
            pytest.skip("port 53 of loopback is for root")
        yield


def context(roots: Roots, **more: object) -> Context:
    return context_of(roots, **{"surroundings": FIT, "timeouts": Timeouts(), **more})


async def test_silence_is_told_of_within_the_scrape_s_time(roots: Roots) -> None:
    with silent_resolver():
        async with exporting(context=lambda: context(roots)) as running:
            with trio.fail_after(10):
                reply = await running.ask(asking(URL), X_Prometheus_Scrape_Timeout_Seconds="2")
    assert (reply.value("probe_success"), reply.value("probe_cut_short")) == (0, 1)
    whole, path = reply.value("probe_measurement_duration_seconds"), reply.value("probe_duration_seconds")
    assert whole is not None
    assert path is not None
    assert path < 1.5 <= whole
    assert reply.values("probe_outcome") == {'outcome="inconclusive",technique=""': 1}
    assert not reply.values("probe_http_duration_seconds")


async def test_the_moment_between_two_rounds_is_waited_out(roots: Roots, nursery: trio.Nursery) -> None:
    shared: Context | None = None
    await start(nursery, Names({}))
    async with exporting(context=lambda: shared) as running:
        replies = list[Reply]()

        async def ask() -> None:
            replies.append(await running.ask(asking(URL)))

        async with trio.open_nursery() as scrape:
            scrape.start_soon(ask)
            await trio.sleep(0.3)
            shared = context(roots)
    assert replies[0].status == 200
    nursery.cancel_scope.cancel()


async def test_a_client_that_leaves_ends_its_measurement(roots: Roots) -> None:
    pace = Watched()
    with silent_resolver():
        async with exporting(context=lambda: context(roots, pace=pace)) as running:
            async with await running.connected() as stream:
                await stream.send_all(f"GET {asking(URL)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                await pace.began.wait()
                assert not pace.ended.is_set()
            with trio.fail_after(2):
                await pace.ended.wait()


async def test_no_more_is_measured_at_once_than_was_set(roots: Roots, nursery: trio.Nursery) -> None:
    pace = Watched()
    task, endpoint = Targets(SHOP).task(URL)
    prober = Prober(lambda: context(roots, pace=pace), SystemClock(), nursery, most=1)
    with silent_resolver():
        nursery.start_soon(prober.probe, task, endpoint, USUAL, 30.0)
        await pace.began.wait()
        with pytest.raises(Busy, match="too many measurements are under way"):
            await prober.probe(task, endpoint, USUAL, 0.3)
        nursery.cancel_scope.cancel()


async def test_the_surroundings_are_looked_at_once_for_many(roots: Roots, nursery: trio.Nursery) -> None:
    names = Names({})
    await start(nursery, names)
    shared = context_of(roots)
    async with exporting(context=lambda: shared) as running:
        async with trio.open_nursery() as scrapes:
            for _ in range(3):
                scrapes.start_soon(running.ask, asking(URL))
        assert names.asked.count("ipv4only.arpa") == 1
        shared = dataclasses.replace(shared, source=HERE)  # another network
        await running.ask(asking(URL))
        assert names.asked.count("ipv4only.arpa") == 2
    nursery.cancel_scope.cancel()


async def test_a_network_found_unfit_is_looked_at_again_soon(roots: Roots, nursery: trio.Nursery) -> None:
    names, clock = Names({}), Settable()
    await start(nursery, names)
    anchor = Anchor(url="http://nowhere.test/", operator="A")
    alone = context_of(roots, infrastructure=Infrastructure(anchors=(anchor,), resolvers=(), neutral=NEUTRAL))
    prober, (task, endpoint) = Prober(lambda: alone, clock, nursery), Targets(SHOP).task(URL)
    looks = []
    for later in (0.0, 1.0, 60.0):
        clock.seconds += later
        probed = await prober.probe(task, endpoint, USUAL, 10.0)
        looks.append(names.asked.count("ipv4only.arpa"))
    assert probed.verdict.outcome is Outcome.VOID
    assert looks == [1, 1, 2]
    nursery.cancel_scope.cancel()


class Settable(SystemClock):
    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds
