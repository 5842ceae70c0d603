"""What ingest takes: results a second into the log, how long a request waits, and what a kill leaves.

`.venv-test/bin/python -m tests.bench.ingest [SECONDS [RESULTS_A_SECOND]] [--only PART]`. Prints a table; judges
nothing. PART is `sustained`, `killed` or `scraped`: the last is ingest and pages as they are deployed, in turns without
and with a scrape of many series each second. The load generator runs on the same processors. Reports are sent at fixed
times whether or not earlier ones were answered, and an answer's time is counted from when its report was due: a server
that stalls cannot hide it.
"""

import argparse
import datetime as dt
import math
import random
import signal
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import trio
from rich.console import Console
from rich.table import Table

from probe.collector.analyse.schema import VIEWS
from probe.collector.config import CollectorConfig
from probe.collector.log.sqlite import SqliteLog
from tests.bench.api import vote
from tests.collector.ingest.reports import compressed, encoded, report
from tests.collector.ingest.running import Running, base, children, configured, running, tokens

RESULTS, BATCH = 12_000, 50
CONNECTIONS = 64
TOKENS = 200
SCRAPED_RESULTS, SERIES, TURNS, TURN = 6_000, 50_001, 4, 10.0
LIMITS = "limits: {reports_per_minute: 1000000}\n"


@dataclass
class Load:
    """What became of the reports: seconds until each 202, other answers by status, ids that were acknowledged."""

    waits: list[float] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)
    seconds: float = 0.0

    def quantile(self, share: float) -> float:
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


@dataclass
class Parcel:
    """One report of one probe, as it travels."""

    report_id: str
    token: str
    body: bytes


def parcels(count: int, names: list[str]) -> list[Parcel]:
    """Each with an id of its own; their contents come from a few."""
    kinds = [report(BATCH) for _ in range(16)]
    made = []
    for number in range(count):
        fresh = report(0)  # for its id
        kind = kinds[number % len(kinds)]
        again = type(kind)(
            report_id=fresh.report_id,
            agent=kind.agent,
            measurements=kind.measurements,
            network=kind.network,
            clock_offset=kind.clock_offset,
        )
        made.append(Parcel(again.report_id, names[number % len(names)], compressed(again)))
    return made


async def deliver(config: CollectorConfig, work: list[Parcel], rate: float) -> Load:
    """At `rate` reports a second, over connections that are kept open."""
    load = Load()
    send, receive = trio.open_memory_channel[tuple[float, Parcel]](math.inf)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(CONNECTIONS):
            nursery.start_soon(_connection, config, receive.clone(), load)
        async with send:
            for number, parcel in enumerate(work):
                due = began + number / rate
                await trio.sleep_until(due)
                send.send_nowait((due, parcel))
    load.seconds = trio.current_time() - began
    return load


async def _connection(
    config: CollectorConfig, work: trio.MemoryReceiveChannel[tuple[float, Parcel]], load: Load
) -> None:
    listen = config.listen[0]
    stream = await trio.open_tcp_stream(listen.host, listen.port)
    async with stream, work:
        async for due, parcel in work:
            try:
                await stream.send_all(_head(str(listen), parcel) + parcel.body)
                status = await _status(stream)
            except trio.BrokenResourceError:
                load.others["gone"] += 1
                return
            if status == 202:
                load.acknowledged.add(parcel.report_id)
                load.waits.append(trio.current_time() - due)
            else:
                load.others[str(status)] += 1


def _head(host: str, parcel: Parcel) -> bytes:
    return (
        f"POST /api/v1/reports HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {parcel.token}\r\n"
        f"Content-Encoding: zstd\r\nContent-Type: application/json\r\nContent-Length: {len(parcel.body)}\r\n\r\n"
    ).encode()


async def _status(stream: trio.SocketStream) -> int:
    """Of one whole response with a Content-Length."""
    raw = await _more(stream)
    while b"\r\n\r\n" not in raw:
        raw += await _more(stream)
    head, _, body = raw.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += await _more(stream)
    return int(head[9:12])


async def _more(stream: trio.SocketStream) -> bytes:
    piece = await stream.receive_some(65536)
    if not piece:
        raise trio.BrokenResourceError
    return bytes(piece)


async def kept(config: CollectorConfig) -> Counter[str]:
    """How often each report is in the log."""
    log = await SqliteLog.open(config.log_folder, writable=False)
    found: Counter[str] = Counter()
    position = 0
    while entries := await log.read(position, 1000):
        found.update(entry.report_id for entry in entries)
        position = entries[-1].position
    await log.aclose()
    return found


def sustained(folder: Path, seconds: float, results: float) -> tuple[Load, float]:
    """And the seconds of processor time that the collector took."""
    folder.mkdir()
    config = configured(folder, LIMITS)
    rate = results / BATCH
    work = parcels(round(rate * seconds), tokens(config, TOKENS))
    with running(config) as collector:
        processes = [collector.process.pid, *children(collector.process.pid)]
        before = sum(map(_cpu, processes))
        load = trio.run(deliver, config, work, rate)
        used = sum(map(_cpu, processes)) - before
    return load, used


def killed(folder: Path, seconds: float, results: float) -> tuple[int, int, int, int]:
    """Acknowledged before the kill; of these missing; of these twice; in the log altogether."""
    folder.mkdir()
    config = configured(folder, LIMITS)
    rate = results / BATCH
    work = parcels(round(rate * seconds), tokens(config, TOKENS))
    collector = Running(config, "--role", "ingest")
    collector.wait_until_up()

    async def until_killed() -> Load:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_kill_at, collector, seconds * random.uniform(0.3, 0.9))
            load = await deliver(config, work, rate)
            nursery.cancel_scope.cancel()
        return load

    load = trio.run(until_killed)
    collector.kill()
    with running(config):
        again = trio.run(deliver, config, work, rate)  # a probe sends what it has no answer for; here all of it
    found = trio.run(kept, config)
    every = load.acknowledged | again.acknowledged
    return len(every), len(every - found.keys()), sum(found[one] > 1 for one in every), sum(found.values())


async def _kill_at(collector: Running, seconds: float) -> None:
    await trio.sleep(seconds)
    collector.process.send_signal(signal.SIGKILL)


def _cpu(process: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


# --- beside a Prometheus ---


@dataclass
class Turn:
    """Ten seconds or so of load; seconds that each scrape took, and how many series it had; empty without any."""

    load: Load
    scrapes: list[float] = field(default_factory=list)
    series: int = 0


def scraped(folder: Path) -> list[Turn]:
    """Without scrapes and with them, in turns, through the one port that ingest and pages share."""
    folder.mkdir()
    config = configured(folder, LIMITS)
    vote(config.state / VIEWS, SERIES, round(dt.datetime.now(dt.UTC).timestamp() * 1000))
    (reader,) = tokens(config, 1, "read")
    names, rate = tokens(config, TOKENS), SCRAPED_RESULTS / BATCH
    work = [parcels(round(rate * TURN), names) for _ in range(TURNS)]
    with running(config, "--role", "all"):
        _warm(config, reader)
        return [trio.run(_turn, config, part, rate, reader if n % 2 else None) for n, part in enumerate(work)]


def _warm(config: CollectorConfig, reader: str) -> None:
    """The pages come later than ingest, and the first scrape reads everything."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = httpx.get(f"{base(config)}/metrics", headers=_bearer(reader), trust_env=False, timeout=60)
        if found.text.count("\nreachability_") >= SERIES:
            return
        time.sleep(0.5)
    raise SystemExit("the metrics never had the series")


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def _turn(config: CollectorConfig, work: list[Parcel], rate: float, reader: str | None) -> Turn:
    turn = Turn(Load())
    async with trio.open_nursery() as nursery:
        if reader is not None:
            nursery.start_soon(_scrape, config, reader, turn)
        turn.load = await deliver(config, work, rate)
        nursery.cancel_scope.cancel()
    return turn


async def _scrape(config: CollectorConfig, reader: str, turn: Turn) -> None:
    """As a Prometheus does: once a second, whatever the one before took."""
    async with httpx.AsyncClient(headers=_bearer(reader), trust_env=False, timeout=60) as client:
        due = trio.current_time()
        while True:
            began = trio.current_time()
            found = await client.get(f"{base(config)}/metrics")
            turn.scrapes.append(trio.current_time() - began)
            turn.series = found.content.count(b"\nreachability_")
            due = max(due + 1.0, trio.current_time())
            await trio.sleep_until(due)


# --- the table ---


def _sustained(table: Table, folder: Path, seconds: float, results: float) -> None:
    load, used = sustained(folder, seconds, results)
    table.add_row("results acknowledged a second", f"{len(load.waits) * BATCH / load.seconds:,.0f}", f"{results:,.0f}")
    table.add_row("answers other than 202", str(dict(load.others) or 0), "0")
    for name, part in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0)):
        wanted = "< 300 ms" if name == "p99" else ""
        table.add_row(f"wait, {name}", _ms(load.quantile(part)), wanted)
    each = 1000 * used / max(1, len(load.waits))
    table.add_row(
        "processor time of the ingest processes", f"{each:.2f} ms a report", f"{used / load.seconds:.0%} of a core"
    )


def _killed(table: Table, folder: Path, seconds: float, results: float) -> None:
    began = time.monotonic()
    every, missing, twice, stored = killed(folder, min(seconds, 10.0), results / 2)
    table.add_row("kill -9: acknowledged, missing, twice", f"{every}, {missing}, {twice}", "-, 0, 0")
    table.add_row("  reports in the log", f"{stored}", f"({time.monotonic() - began:.0f} s)")


def _scraped(table: Table, folder: Path) -> None:
    turns = scraped(folder)
    for turn in turns:
        load = turn.load
        told = f"p50 {_ms(load.quantile(0.5))}, p99 {_ms(load.quantile(0.99))}, others {dict(load.others) or 0}"
        seen = f"{turn.series:,} series in {_ms(max(turn.scrapes))} at most" if turn.scrapes else "no scrapes"
        table.add_row(f"{SCRAPED_RESULTS:,} a second, {seen}", told, "scrape < 1 s" if turn.scrapes else "")
    without, beside = (statistics.mean(turn.load.quantile(0.99) for turn in turns[n::2]) for n in (0, 1))
    table.add_row("p99 beside scrapes, by that without", f"{beside / without:.2f}", "1")


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float, nargs="?", default=60.0)
    parser.add_argument("results", type=float, nargs="?", default=RESULTS)
    parser.add_argument("--only", choices=("sustained", "killed", "scraped"))
    asked = parser.parse_args()
    size = statistics.mean(len(encoded(report(BATCH))) for _ in range(3)) / BATCH
    pace = "" if asked.only == "scraped" else f", {asked.results:,.0f} a second for {asked.seconds:g} s"
    title = f"ingest: results of {size:,.0f} B{pace}"
    table = Table("what", "got", "wanted", title=title)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        if asked.only in {None, "sustained"}:
            _sustained(table, Path(folder) / "sustained", asked.seconds, asked.results)
        if asked.only in {None, "killed"}:
            _killed(table, Path(folder) / "killed", asked.seconds, asked.results)
        if asked.only in {None, "scraped"}:
            _scraped(table, Path(folder) / "scraped")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
