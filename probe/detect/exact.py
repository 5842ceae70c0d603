"""Fisher's exact test, one-sided, and robust figures of a sample.

R. A. Fisher, "Statistical Methods for Research Workers", 5th edition (1934): given the margins of a two by two table,
the count in its first field is hypergeometric.
"""

import math
from collections.abc import Sequence

import msgspec


class Contrast(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison: `table` is ((failed, worked) here, (failed, worked) there); `p` is the probability of a table at
    least as lopsided if both were alike."""

    name: str
    table: tuple[tuple[int, int], tuple[int, int]]
    p: float
    text: str


def fisher(table: tuple[tuple[int, int], tuple[int, int]]) -> float:
    """P(first field at least as large, given the margins)."""
    (a, b), (c, d) = table
    row, column, total = a + b, a + c, a + b + c + d
    most = min(row, column)
    whole = _choose(total, column)
    return min(
        1.0, sum(math.exp(_choose(row, k) + _choose(total - row, column - k) - whole) for k in range(a, most + 1))
    )


def contrast(name: str, here: tuple[int, int], there: tuple[int, int], what: str, against: str) -> Contrast:
    p = fisher((here, there))
    shares = f"{here[0]} of {sum(here)} failed {what}, {there[0]} of {sum(there)} {against}"
    return Contrast(name=name, table=(here, there), p=float(f"{p:.3g}"), text=f"{shares} (p = {p:.2g})")


def median(sample: Sequence[float]) -> float:
    ordered = sorted(sample)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def spread(sample: Sequence[float], centre: float) -> float:
    """The median absolute deviation, scaled to a normal distribution's standard deviation."""
    return 1.4826 * median([abs(value - centre) for value in sample])


def _choose(n: int, k: int) -> float:
    if k < 0 or k > n:
        return -math.inf
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
