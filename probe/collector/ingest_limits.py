"""How much one token may ask for, and how much all together."""

from collections.abc import Hashable

from probe.clock import Clock
from probe.collector.ingest_refusals import Refusal

_MOST_BUCKETS = 50_000


class RateLimit:
    """Token buckets by key: `per_minute` on average, that many at once after a pause."""

    def __init__(self, clock: Clock, per_minute: float) -> None:
        self._clock = clock
        self._rate = per_minute / 60.0
        self._size = max(1.0, per_minute)
        self._buckets: dict[Hashable, tuple[float, float]] = {}  # what is left, and when that was so

    def take(self, key: Hashable) -> None:
        """Raises Refusal with the seconds after which it will do."""
        now = self._clock.monotonic()
        left, then = self._buckets.pop(key, (self._size, now))
        left = min(self._size, left + max(0.0, now - then) * self._rate)
        if left < 1.0:
            self._buckets[key] = (left, now)
            raise Refusal(429, "rate", "too many requests with this token", retry_after=(1.0 - left) / self._rate)
        self._buckets[key] = (left - 1.0, now)  # the newest last
        if len(self._buckets) > _MOST_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
