"""Which lease a measurement may carry: the one that held when it was made.

A lease is what the collector saw of the address that a check-in came from. It says nothing of a measurement once the
machine has moved to another network, so what the machine is attached to is compared: in memory only, never kept. After
a restart no lease holds before the first check-in. Through a proxy none ever does: the collector sees the proxy's. One
that none of the collector's online keys signed is nobody's word: it is told once, and not used.
"""

import datetime as dt
import hashlib
import logging
from collections.abc import Callable

import msgspec

from probe.catalogue.signatures import SignatureFault
from probe.clock import Clock
from probe.wire.signed import Lease, Signed

_KEY = 12  # hexadecimal digits: the leases of one report are told apart by them

Attachment = Callable[[], frozenset[str]]

logger = logging.getLogger(__name__)


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """`until` by the monotonic clock: a wrong wall clock does not matter."""

    key: str
    signed: Signed
    lease: Lease
    attachment: frozenset[str]
    until: float


class Leases:
    """`attachment` changes when the machine moves to another network. `opened` gives what a lease says, or raises
    SignatureFault."""

    def __init__(
        self, clock: Clock, attachment: Attachment, opened: Callable[[Signed], Lease], *, proxied: bool = False
    ) -> None:
        self._clock, self._attachment, self._opened, self._proxied = clock, attachment, opened, proxied
        self._held: Held | None = None
        self._refused = False

    def attached(self) -> frozenset[str]:
        """To be asked before a check-in, and given to `take` with its answer."""
        return self._attachment()

    def take(self, signed: Signed | None, attached: frozenset[str], time: dt.datetime, at: float) -> Held | None:
        """The lease of a check-in that was answered at `time` by the collector's clock and `at` by the monotonic one.
        None where it holds for nobody: the network changed meanwhile, it came through a proxy, or it is not the
        collector's. What held before holds no more."""
        self._held = None
        lease = self._checked(signed)
        if signed is None or lease is None or lease.proxied or self._proxied or self._attachment() != attached:
            return None
        self._held = Held(
            key=hashlib.sha256(signed.payload.encode()).hexdigest()[:_KEY],
            signed=signed,
            lease=lease,
            attachment=attached,
            until=at + (lease.expires_at - time).total_seconds(),
        )
        return self._held

    def _checked(self, signed: Signed | None) -> Lease | None:
        if signed is None:
            return None
        try:
            lease = self._opened(signed)
        except SignatureFault as reason:
            if not self._refused:
                logger.warning("the collector's lease is not used: %s", reason)
            self._refused = True
            return None
        self._refused = False
        return lease

    def drop(self) -> None:
        self._held = None

    def held(self) -> Held | None:
        """What holds now. To be asked when a measurement begins and again when it ends: it carries the lease's key
        only where the first answer `still` holds then."""
        return self._held if self._held is not None and self.still(self._held) else None

    def still(self, held: Held) -> bool:
        """Whether a measurement that began under this lease may carry it: on the same network to its end."""
        return self._clock.monotonic() < held.until and self._attachment() == held.attachment
