"""Durations and sizes as people write them: `5 min`, `6 h`, `100 MB`; a plain number is seconds or bytes."""

import math
import re

_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", re.ASCII)
_SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}
_BYTES = {
    "b": 1,
    "byte": 1,
    "bytes": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
}


def seconds_of(value: float | str) -> float:
    """Raises ValueError with a sentence that says how to write it."""
    return _quantity(value, _SECONDS, "seconds, or a number with s, min, h or d, such as '5 min'")


def bytes_of(value: float | str) -> int:
    """The same."""
    return round(_quantity(value, {unit: float(size) for unit, size in _BYTES.items()}, _SIZES))


_SIZES = "bytes, or a number with kB, MB, GB, KiB, MiB or GiB, such as '100 MB'"


def _quantity(value: float | str, units: dict[str, float], how: str) -> float:
    number = _plain(value) if not isinstance(value, str) else _with_unit(value, units)
    if number is None or not math.isfinite(number):
        raise ValueError(f"{value!r} cannot be read: write {how}")
    return number


def _plain(value: float) -> float | None:
    return float(value) if value >= 0 else None


def _with_unit(text: str, units: dict[str, float]) -> float | None:
    match = _QUANTITY.fullmatch(text)
    unit = units.get(match[2].lower()) if match else None
    return float(match[1]) * unit if match and unit is not None else None
