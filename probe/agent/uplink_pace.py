"""When to try again: exponential back-off with full jitter, and what the collector itself asks for.

Full jitter (a delay drawn from zero to the bound) spreads the probes of a whole country best when a collector comes
back (M. Brooker, Exponential Backoff and Jitter, 2015).
"""

import random

_FIRST, _LONGEST = 5.0, 300.0  # seconds: bounds of the first delay and of all later ones
_SPREAD = 0.25  # of a Retry-After, on top of it

MALFORMED = frozenset({400, 413, 422})  # statuses that no repetition will mend


class Backoff:
    """Of one kind of request."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.failures = 0

    def delay(self, retry_after: float | None = None) -> float:
        """Seconds to wait after one more failure."""
        bound = min(_FIRST * 2.0 ** min(self.failures, 16), _LONGEST)
        self.failures += 1
        if retry_after is not None:
            return retry_after + self._chance.uniform(0.0, max(1.0, _SPREAD * retry_after))
        return self._chance.uniform(0.0, bound)

    def reset(self) -> None:
        self.failures = 0


def jittered(seconds: float, chance: random.Random) -> float:
    """Around so many seconds: probes that were started together do not stay together."""
    return seconds * chance.uniform(0.8, 1.2)
