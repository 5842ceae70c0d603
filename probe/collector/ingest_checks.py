"""Whether a document is a report: its shape, its bounds, and what one field says of another."""

import datetime as dt
import re
from collections.abc import Sequence

import msgspec

from probe.collector.ingest_bounds import BoundedReport
from probe.collector.ingest_refusals import Refusal
from probe.wire.reports import Report, Reported

_EARLIEST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)  # clocks that were never set begin there
_LATEST = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
_REPORT = msgspec.json.Decoder(BoundedReport)
_PATH = re.compile(r" - at `(?:key in )?(\$.*)`$")
_IN_WORDS = {"Expected `str` matching regex '\\\\A[0-9a-fA-F]{8}": "Expected a UUID of version 7"}


def checked(document: bytes) -> Report:
    """The report. Raises Refusal, with the path of the fault where the JSON is sound."""
    try:
        report = _REPORT.decode(document)
    except msgspec.ValidationError as error:
        raise _shape_fault(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, "malformed", f"no JSON: {error}") from None
    except RecursionError:
        raise Refusal(400, "malformed", "no report: nested too deeply") from None
    _check(report.measurements, frozenset(report.leases))
    return report


def _check(measurements: Sequence[Reported], leases: frozenset[str]) -> None:
    seen: set[str] = set()
    for index, reported in enumerate(measurements):
        measurement = reported.measurement
        if measurement.id in seen:
            raise _fault(index, "measurement.id", "another measurement of this report has this id")
        seen.add(measurement.id)
        if reported.lease is not None and reported.lease not in leases:
            raise _fault(index, "lease", "the report's leases hold none of this name")
        if not _EARLIEST <= measurement.started_at < _LATEST:
            raise _fault(index, "measurement.started_at", "a time that no clock has")


def _fault(index: int, field: str, error: str) -> Refusal:
    return Refusal(422, "invalid", error, path=f"$.measurements[{index}].{field}")


def _shape_fault(error: msgspec.ValidationError) -> Refusal:
    message, path = _taken_apart(str(error))
    return Refusal(422, "invalid", message, path=path)


def _taken_apart(text: str) -> tuple[str, str | None]:
    match = _PATH.search(text)
    message = text[: match.start()] if match else text
    for begin, words in _IN_WORDS.items():
        message = words if message.startswith(begin) else message
    return message, match[1] if match else None
