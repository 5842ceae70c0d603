"""The reading API over many stored results, and `/metrics` with many series: the slowest page, by real HTTP.

`.venv-test/bin/python -m tests.bench.api [--rows 10000000] [--series 50000] [--keep FOLDER]`. Prints tables, judges
nothing. Rows are made by SQL of its own, in the shape that analysis gives them: cells of 20 countries over 60 days,
some of them silent for long, some outcomes rare. A folder that is kept is used again.
"""

import argparse
import datetime as dt
import itertools
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import trio
from rich.console import Console
from rich.table import Table

from probe.collector.analyse.schema import OUTCOMES, STEPS, VIEWS, open_views, transaction
from tests.collector.web.conftest import serving

END = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
LAST = int(END.timestamp() * 1000)
SPAN = 60 * 86_400_000
COUNTRIES = (
    "TR",
    "IR",
    "RU",
    "VE",
    "KE",
    "UG",
    "PK",
    "IN",
    "CN",
    "BY",
    "ET",
    "MM",
    "KZ",
    "EG",
    "BR",
    "DE",
    "NL",
    "US",
    "FR",
    "IQ",
)
ASNS, SERVICES, PROBES = 8, 60, 480  # ASNs a country, services in all, probes in all
READER = {"Authorization": "Bearer reader"}
BATCH = 500_000


def fill(path: Path, rows: int) -> None:
    """Every measurement's time, cell and outcome come from its number, so equal arguments give equal views."""
    views = open_views(path)
    views.execute("PRAGMA journal_mode=OFF")
    views.execute("PRAGMA synchronous=OFF")
    views.execute("PRAGMA cache_size=-400000")
    indexes = _without_indexes(views)
    with transaction(views):
        _names(views)
    for start in range(0, rows, BATCH):
        with transaction(views):
            views.execute(
                _ROWS, {"low": start, "high": min(rows, start + BATCH), "rows": rows, "last": LAST, "span": SPAN}
            )
    views.execute(indexes[0])
    with transaction(views):
        views.execute(
            "UPDATE lanes SET first = coalesce((SELECT min(at) FROM measurements m WHERE m.lane = lanes.id), 0),"
            " last = coalesce((SELECT max(at) FROM measurements m WHERE m.lane = lanes.id), 0)"
        )
        views.execute("INSERT INTO positions VALUES ('analysis', 1, ?)", (LAST,))
        views.execute("INSERT INTO notes VALUES ('caught_up', 1)")
    _rollups(views)
    for index in indexes[1:]:
        views.execute(index)
    views.execute("PRAGMA journal_mode=WAL")
    views.close()


def _without_indexes(views: sqlite3.Connection) -> list[str]:
    """Drops those that are made faster when all rows are there. How to make them again, that of lanes first."""
    find = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND name NOT LIKE 'votes%'"
    found = sorted(views.execute(find), key=lambda index: index[0] != "measurements_lane")
    for name, _ in found:
        views.execute(f"DROP INDEX {name}")
    return [sql for _, sql in found]


# A fifth of the cells fell silent ten days ago; one outcome in fifty is `blocked`, one in a thousand `degraded`.
_ROWS = """
WITH RECURSIVE n(i) AS (SELECT :low UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :high),
  k AS (SELECT i, (i * 2654435761) % 9600 AS cell, (i * 40503) % 1000 AS draw FROM n)
INSERT INTO measurements
SELECT i * 512, :last - :span + i * (:span / :rows) - (CASE WHEN cell % 5 = 0 THEN 864000000 ELSE 0 END),
  cell * 3 + (CASE WHEN draw = 0 THEN 3 WHEN draw <= 20 THEN 2 ELSE 1 END), 1 + (cell * 7 + i) % 480, 1 + cell % 60,
  0.98, '', 'proved', '', 0, NULL, NULL, '2026.11.1' FROM k
"""


def _names(views: sqlite3.Connection) -> None:
    views.executemany("INSERT INTO probes VALUES (?, ?, 'probe', NULL)", [(n, f"p{n}") for n in range(1, PROBES + 1)])
    views.executemany(
        "INSERT INTO endpoints VALUES (?, ?)", [(n, f"https://s{n}.example/") for n in range(1, SERVICES + 1)]
    )
    cells = [
        (
            number + 1,
            COUNTRIES[number // (ASNS * SERVICES)],
            1000 + number // SERVICES,
            f"p{number % SERVICES // 3}",
            f"s{number % 3}",
        )
        for number in range(len(COUNTRIES) * ASNS * SERVICES)
    ]
    views.executemany("INSERT INTO cells VALUES (?, ?, ?, ?, ?, '')", cells)
    lanes = [
        (number * 3 + place, number + 1, outcome)
        for number in range(len(cells))
        for place, outcome in ((1, "ok"), (2, "blocked"), (3, "degraded"))
    ]
    views.executemany("INSERT INTO lanes VALUES (?, ?, ?, 0, 0)", lanes)
    day = LAST // 86_400_000
    crowd = [
        (day - age, country, asn, probe)
        for age in range(0, 60, 5)
        for _, country, asn, *_ in cells[::SERVICES]
        for probe in (1, 2, 3)
    ]
    views.executemany("INSERT INTO presence VALUES (?, ?, ?, ?, 0)", crowd)


def _rollups(views: sqlite3.Connection) -> None:
    counts = ", ".join(f"sum(l.outcome = '{outcome}')" for outcome in OUTCOMES)
    sums = ", ".join(f"sum({outcome})" for outcome in OUTCOMES)
    source = (
        f"SELECT l.cell, m.at / 60000 * 60, {counts} FROM measurements m JOIN lanes l ON l.id = m.lane GROUP BY 1, 2"
    )
    with transaction(views):
        views.execute(f"INSERT INTO rollup_60 {source}")
        for finer, step in itertools.pairwise(STEPS):
            views.execute(
                f"INSERT INTO rollup_{step}"
                f" SELECT cell, bucket / {step} * {step}, {sums} FROM rollup_{finer} GROUP BY 1, 2"
            )


# --- the API ---

M, R = "/api/v1/measurements", "/api/v1/reachability"
LONG_AGO = (END - dt.timedelta(days=50)).isoformat().replace("+00:00", "Z")
QUESTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    (M, {}),
    (M, {"limit": "1000"}),
    (M, {"to": LONG_AGO, "limit": "1000"}),
    (M, {"country": "TR", "limit": "1000"}),
    (M, {"country": "TR", "asn": "1000", "limit": "1000"}),
    (M, {"platform": "p7", "limit": "1000"}),
    (M, {"platform": "p7", "to": LONG_AGO, "limit": "1000"}),
    (M, {"outcome": "degraded", "limit": "1000"}),
    (M, {"outcome": "blocked", "to": LONG_AGO}),
    (M, {"country": "KE", "platform": "p0", "service": "s0", "outcome": "degraded"}),
    (M, {"country": "XX"}),
    (R, {}),
    (R, {"limit": "1000", "step": "60"}),
    (R, {"limit": "1000", "step": "300"}),
    (R, {"limit": "1000", "step": "900", "from": LONG_AGO}),
    (R, {"limit": "1000", "step": "21600", "from": LONG_AGO}),
    (R, {"limit": "1000", "step": "86400", "from": LONG_AGO}),
    (R, {"country": "TR", "limit": "1000", "step": "60", "from": LONG_AGO}),
    (R, {"asn": "1000", "limit": "1000", "step": "86400", "from": LONG_AGO}),
    (R, {"platform": "p7", "limit": "1000", "step": "3600", "from": LONG_AGO}),
    (R, {"from": "1980-01-01T00:00:00Z", "to": "1990-01-01T00:00:00Z", "step": "60"}),
    (R, {"country": "XX", "from": "1980-01-01T00:00:00Z", "step": "60"}),
)


async def ask(
    client: httpx.AsyncClient, path: str, parameters: dict[str, str], headers: dict[str, str]
) -> tuple[list[tuple[float, float]], int]:
    """Seconds of each of the first pages, by the clock and of the processor (client included), and the rows in all."""
    times, rows, cursor = list[tuple[float, float]](), 0, dict[str, str]()
    for _ in range(5):
        began, busy = time.perf_counter(), time.process_time()
        answer = await client.get(path, params={**parameters, **cursor}, headers=headers)
        times.append((time.perf_counter() - began, time.process_time() - busy))
        answer.raise_for_status()
        page = answer.json()
        rows += len(page["items"])
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    return times, rows


async def api(state: Path, rows: int) -> Table:
    table = Table(
        "question",
        "as",
        "pages",
        "rows",
        "slowest",
        "median",
        "processor",
        title=f"reading API, {rows:,} stored results; wanted < 200 ms",
    )
    slowest = busiest = 0.0
    async with serving(state, at=END) as served:
        for path, parameters in QUESTIONS:
            for who, headers in (("operator", READER), ("stranger", {})):
                times, found = await ask(served.client, path, parameters, headers)
                walls, works = zip(*times, strict=True)
                slowest, busiest = max(slowest, *walls), max(busiest, *works)
                name = f"{path.rpartition('/')[2]} {' '.join(f'{key}={value}' for key, value in parameters.items())}"
                figures = (_ms(max(walls)), _ms(statistics.median(walls)), _ms(max(works)))
                table.add_row(name, who, str(len(times)), str(found), *figures)
    table.add_section()
    table.add_row("slowest of all", "", "", "", _ms(slowest), "", _ms(busiest))
    return table


# --- metrics ---


def vote(path: Path, series: int, last: int = LAST) -> None:
    """Votes just before `last` (ms) in as many cells as give that many series: a ratio and two outcomes each."""
    views = open_views(path)
    with transaction(views):
        _names(views)
        cells = min(series // 3, len(COUNTRIES) * ASNS * SERVICES)
        more = max(0, series // 3 - cells)
        views.executemany(
            "INSERT INTO cells VALUES (?, 'ZZ', ?, ?, 's0', '')",
            [(100_000 + n, 5000 + n // 60, f"p{n % 60}") for n in range(more)],
        )
        numbers = [*range(1, cells + 1), *range(100_000, 100_000 + more)]
        rows = [
            (
                f"{cell} {probe}".encode(),
                cell * 3 + probe,
                probe,
                cell,
                last - 1000 * probe,
                "blocked" if probe == 3 else "ok",
            )
            for cell in numbers
            for probe in (1, 2, 3)
        ]
        views.executemany(
            "INSERT INTO votes (key, serial, probe, cell, at, outcome, round, began, received, techniques, confidence,"
            " marks, expected, closed, counted, revision, parts)"
            " VALUES (?, ?, ?, ?, ?, ?, '', 0, 0, '', 1, 0, 1, 1, 1, 0, '')",
            rows,
        )
        views.execute("INSERT INTO positions VALUES ('analysis', 1, ?)", (last,))
    views.close()


async def metrics(state: Path) -> Table:
    table = Table("scrape", "seconds", "series", "MB", title="/metrics; wanted < 1 s")
    async with serving(state, at=END) as served:
        for name in ("first, nothing read yet", "second", "third"):
            began = time.perf_counter()
            answer = await served.client.get("/metrics", headers=READER)
            took = time.perf_counter() - began
            lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
            table.add_row(name, f"{took:.3f}", f"{len(lines):,}", f"{len(answer.content) / 1e6:.1f}")
    return table


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--series", type=int, default=50_000)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    console = Console(width=150)
    with _folder(options.keep) as folder:
        state, other = folder / "api", folder / "metrics"
        for made, make, size in ((state, fill, options.rows), (other, vote, options.series)):
            if not made.exists():
                (made / "log").mkdir(parents=True)
                make(made / VIEWS, size)
        console.print(f"views: {(state / VIEWS).stat().st_size / 1e9:.2f} GB")
        console.print(trio.run(api, state, options.rows))
        console.print(trio.run(metrics, other))


if __name__ == "__main__":
    main()
