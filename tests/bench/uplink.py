"""What keeping and uploading costs: milliseconds a measurement, bytes on disk and on the wire.

Run as root: `.venv-test/bin/python -m tests.bench.uplink`. Real measurements of the shipped catalogue (a light round in
the lab), a real spool, and a real TLS connection on loopback to the stand-in for the collector. Judges nothing.
"""

import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import trio
import trustme
import zstandard
from rich.console import Console
from rich.table import Table

from probe.agent.client import CollectorClient
from probe.agent.spool import Spool
from probe.agent.uplink_reports import compressed
from probe.lab.internet import internet
from probe.lab.lab import Lab
from probe.lab.processes import environment
from probe.wire.codec import decode_measurement
from probe.wire.compact import compacted
from probe.wire.identifiers import uuid7
from probe.wire.reports import Reported
from probe.wire.verdicts import Verdict
from tests.agent.collector_stand_in import TOKEN, stand_in
from tests.agent.spool_building import AGENT, NOW
from tests.bench.measure import CATALOGUE

BATCHES = (1, 8, 32, 64, 160, 320, 500)
LEVELS = (3, 9, 12, 19)
HEARTBEATS = 1440  # a day
MB = 1e6


def light_rounds(rounds: int = 2) -> list[Reported]:
    with Lab(internet(CATALOGUE)) as lab:
        probe = [sys.executable, "-m", "probe", "measure", "--light", "--format", "json", "--ca-file", str(lab.ca_file)]
        command = ["ip", "netns", "exec", lab.vantage, *probe]
        done = [
            subprocess.run(command, capture_output=True, check=True, env=environment(lab.folder)) for _ in range(rounds)
        ]
    return [item for run in done for item in reported(run.stdout)]


def reported(lines: bytes) -> Iterator[Reported]:
    """As the daemon would wrap them: compact, with a round and a lease."""
    number = uuid7(NOW)
    for line in lines.splitlines():
        document = msgspec.json.decode(line)
        if document["kind"] == "endpoint":
            measurement = compacted(decode_measurement(document))
            verdict = msgspec.convert(document, Verdict)
            yield Reported(
                measurement=measurement, verdict=verdict, round=number, of=3, lease="0123456789ab", compact=True
            )


def adding(spool: Spool, items: list[Reported], table: Table) -> None:
    took = []
    for item in items:
        began = time.perf_counter()
        spool.add(item, monotonic=0.0)
        took.append((time.perf_counter() - began) * 1000)
    tenths = statistics.quantiles(took, n=20)
    table.add_row("add, durable", f"{statistics.median(took):.2f} ms", f"95 %: {tenths[-1]:.2f} ms")


def kept(items: list[Reported], table: Table) -> None:
    raw = statistics.mean(len(msgspec.json.encode(item)) for item in items)
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool.open(Path(folder) / "spool.sqlite3")
        before = spool._file.used()
        adding(spool, items, table)
        size = (spool._file.used() - before) / len(items)
        table.add_row("on disk, a measurement", f"{size:.0f} B", f"of {raw:.0f} B of JSON")
        table.add_row("  the default spool holds", f"{spool._file.room / size / 1000:.0f},000", "")
        spool.close()


async def uploaded(items: list[Reported], table: Table) -> None:
    """Whole requests as they are counted below TLS, packet headers included, on a connection that is kept."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", key_type=trustme.KeyType.ECDSA).configure_cert(server)
    moved = 0

    def meter(sent: int, received: int) -> None:
        nonlocal moved
        moved += sent + received

    with tempfile.TemporaryDirectory() as folder, authority.cert_pem.tempfile() as ca_file:
        async with stand_in(server) as collector:
            client = CollectorClient([collector.url], TOKEN, ca_file=Path(ca_file), meter=meter)
            await client.checkin()
            table.add_row("first check-in, with its handshake", f"{moved} B", "ECDSA, a chain of one")
            moved = 0
            await client.checkin()
            table.add_row("check-in", f"{moved} B", f"{moved * HEARTBEATS / MB:.1f} MB a day, one a minute")
            spool = Spool.open(Path(folder) / "spool.sqlite3")
            for size in BATCHES:
                for item in items[:size]:
                    spool.add(item, monotonic=0.0)
                batch = spool.batch(AGENT, now=NOW, monotonic=60.0)
                assert batch is not None
                assert batch.measurements == size
                packed = compressed(batch.body())
                moved = 0
                await client.send(packed, batch.report_id)
                spool.acknowledge(batch.report_id)
                each = moved / size
                table.add_row(f"report of {size}", f"{each:.0f} B a measurement", f"body {len(packed) / size:.0f} B")
            spool.close()
            await client.aclose()


def levels(items: list[Reported], table: Table) -> None:
    body = msgspec.json.encode(items[:320])
    for level in LEVELS:
        began = time.perf_counter()
        size = len(zstandard.ZstdCompressor(level=level).compress(body)) / 320
        took = (time.perf_counter() - began) * 1000
        table.add_row(f"320 measurements, zstd {level}", f"{size:.0f} B each", f"{took:.0f} ms")


def main() -> None:
    table = Table("what", "costs", "details", title="spool and uplink")
    items = light_rounds()
    kept(items, table)
    trio.run(uploaded, items, table)
    levels(items, table)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
