"""Measurements as Parquet, every column described in the file itself."""

from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from probe.collector.web.rows import MeasurementRow

_TOGETHER = 20_000  # rows of a row group

COLUMNS: dict[str, tuple[Any, str]] = {
    "id": (pa.string(), "Number of the measurement, the id of /api/v1/measurements"),
    "time": (pa.timestamp("ms", tz="UTC"), "When the measurement began"),
    "country": (pa.string(), "ISO 3166-1 alpha-2; null where unknown"),
    "asn": (pa.int64(), "Autonomous system of the probe's network; null where unknown"),
    "network": (pa.string(), "Name of that network"),
    "platform": (pa.string(), "Platform of the catalogue; null for what is not in it"),
    "service": (pa.string(), "Service of the platform: web, api, media, messaging, ..."),
    "endpoint": (pa.string(), "The URL that was tested"),
    "outcome": (pa.string(), "ok, blocked, degraded, down, inconclusive or void, as the collector judges it"),
    "techniques": (pa.list_(pa.string()), "How it was stopped, in the order in which a connection meets it"),
    "confidence": (pa.float64(), "0 to 1"),
    "rule": (pa.string(), "The rule that spoke first; `proved` where the record proves by itself that it works"),
    "rules": (pa.string(), "Version of all rules"),
    "scope": (pa.string(), "resolver: done by a resolver outside the network; opt-in: the owner's own filter"),
    "marks": (pa.list_(pa.string()), "Why it supports and does not confirm: vpn, hosting, claimed, proxied, ..."),
    "own": (pa.string(), "The probe's own verdict, where it was another"),
    "expectations": (pa.string(), "Version of the expectations that it was judged with; null: none were needed"),
    "probe": (pa.string(), "The probe's name on that UTC day; another one every day"),
}
RECORD = (pa.string(), "The whole record as JSON: every step with what it saw")


def schema(*, records: bool = False) -> pa.Schema:
    listed = {**COLUMNS, **({"record": RECORD} if records else {})}
    fields = [pa.field(name, kind, metadata={"description": text}) for name, (kind, text) in listed.items()]
    return pa.schema(fields)


class Parquet:
    """Row groups written as they fill. Close it, else the file is broken."""

    def __init__(self, out: BinaryIO | str, *, records: bool = False) -> None:
        self._schema = schema(records=records)
        self._writer = pq.ParquetWriter(out, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self.count = 0

    def add(self, row: MeasurementRow, record: str | None = None) -> None:
        facts = msgspec.structs.asdict(row)
        self._rows.append({**facts, "record": record} if record is not None else facts)
        self.count += 1
        if len(self._rows) >= _TOGETHER:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(_columns(self._rows), schema=self._schema))
            self._rows.clear()


def _columns(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "techniques": list(row["techniques"]), "marks": list(row["marks"])} for row in rows]


def write_parquet(rows: Iterable[MeasurementRow], out: BinaryIO) -> int:
    """How many rows."""
    parquet = Parquet(out)
    try:
        for row in rows:
            parquet.add(row)
    finally:
        parquet.close()
    return parquet.count
