"""Measurements as CSV: a row each, the columns those of the API's rows."""

import csv
from collections.abc import Iterable
from typing import Any, TextIO

import msgspec

from probe.collector.web.rows import MeasurementRow

COLUMNS = tuple(field.encode_name for field in msgspec.structs.fields(MeasurementRow))


def write_csv(rows: Iterable[MeasurementRow], out: TextIO) -> int:
    """How many rows. Lists are separated by spaces."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for row in rows:
        plain = msgspec.to_builtins(row)
        writer.writerow([_cell(plain.get(name)) for name in COLUMNS])
        count += 1
    return count


def _cell(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list | tuple) else value
