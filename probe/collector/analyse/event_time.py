"""When a measurement was made, as well as it can be known, in milliseconds of Unix time (UTC)."""

import datetime as dt

from probe.wire.reports import Report, Reported

_OLDEST_AGE = 400 * 86_400.0  # seconds: no spool holds more; an age beyond it is a fault, not a time


def milliseconds(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)


def moment(at: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC)


def event_time(reported: Reported, report: Report, received: int) -> int:
    """When the measurement began: the receipt minus its age by a clock that never jumps, else the probe's wall clock
    corrected by the offset that it knew. Never later than the receipt (`received`, ms)."""
    if reported.age is not None and 0 <= reported.age <= _OLDEST_AGE:
        return received - round(reported.age * 1000)
    began = milliseconds(reported.measurement.started_at)
    return max(0, min(received, began + round((report.clock_offset or 0.0) * 1000)))
