"""Durations and sizes as people write them: `5 min`, `30 days`, `100 MB`; a plain number is seconds or bytes."""

import math
import re

_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", re.ASCII)
_SECONDS = {
    **dict.fromkeys(("s", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}
_BYTES = {"b": 1.0, "byte": 1.0, "bytes": 1.0}
_BYTES |= {f"{letter}b": 1000.0**power for power, letter in enumerate("kmgt", 1)}
_BYTES |= {f"{letter}ib": 1024.0**power for power, letter in enumerate("kmgt", 1)}


def seconds_of(value: float | str) -> float:
    """Raises ValueError with a sentence that says how to write it."""
    return _number(value, _SECONDS, "a number with s, min, h or days, such as '5 min'")


def bytes_of(value: float | str) -> int:
    """The same."""
    return round(_number(value, _BYTES, "a number with kB, MB, GB, KiB, MiB or GiB, such as '100 MB'"))


def _number(value: float | str, units: dict[str, float], how: str) -> float:
    number = _with_unit(value, units) if isinstance(value, str) else value
    if number is None or number < 0 or not math.isfinite(number):
        raise ValueError(f"{value!r} cannot be read: write {how}")
    return float(number)


def _with_unit(text: str, units: dict[str, float]) -> float | None:
    match = _QUANTITY.fullmatch(text)
    unit = units.get(match[2].lower()) if match else None
    return float(match[1]) * unit if match and unit else None
