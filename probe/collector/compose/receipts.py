"""How far it can be told who is silent: not further than reports came in steadily.

When the collector itself was away, or analysis is behind, every probe looks silent. So the moment up to which silences
are judged stands still from the last receipt before a gap until all who are there have had the time to report again.
"""

import msgspec

FALTERED = 300.0  # seconds without a report from anybody
SETTLED = 600.0  # seconds after a gap in which probes come back: twice the longest time between two check-ins


class Receipts(msgspec.Struct):
    """Times in seconds since 1970, by the collector's clock. `newest` is the latest receipt; `held` the one before the
    last gap, which counts until `free`."""

    newest: float = 0.0
    held: float = 0.0
    free: float = 0.0

    def hear(self, received: float) -> None:
        if self.newest and received - self.newest > FALTERED:
            self.held = self.held if received < self.free else self.newest
            self.free = received + SETTLED
        self.newest = max(self.newest, received)

    def horizon(self, now: float) -> float:
        """Until when silence means something."""
        if self.newest and now - self.newest > FALTERED:
            return self.newest if self.newest >= self.free else self.held
        return self.held if now < self.free else now
