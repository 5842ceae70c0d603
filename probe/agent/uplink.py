"""What goes between probe and collector while the daemon runs: check-ins, reports, re-tests. Never blocks measuring.

One task does one thing at a time over one connection. A check-in is a heartbeat and brings the lease, so it goes out
about every minute whatever else happens. Reports gather for about a minute, for the more measurements there are in one,
the fewer bytes each takes; one that shows interference leaves within seconds.

What goes wrong, and what comes of it:
  nobody answers          check-ins are tried with back-off, nothing else is sent until one succeeds
  429, 5xx                reports wait for as long as the collector asks, else with back-off; check-ins go on
  400, 413, 422           the report is set aside until the collector has another version
  500, again and again    the report waits while the next one is tried; set aside where only it fails
  401                     reports stop; a check-in an hour asks whether that still holds
"""

import datetime as dt
import logging
import math
import random
from collections.abc import Awaitable, Callable

import msgspec
import trio

from probe.agent.client import CollectorClient
from probe.agent.client_faults import CollectorFault, Rejected
from probe.agent.leases import Held, Leases
from probe.agent.spool import Spool
from probe.agent.spool_file import SpoolUnavailable
from probe.agent.state import UplinkState
from probe.agent.uplink_pace import MALFORMED, Backoff, jittered
from probe.agent.uplink_reports import OverBudget, Reports
from probe.clock import Clock
from probe.wire.measurement import Network
from probe.wire.reports import Agent, Checkin, Retest

CHECKIN_EVERY = 60.0  # seconds
GATHER, GATHER_URGENT = 60.0, 3.0  # seconds that a measurement waits for others
_ASIDE_AT_ONCE = 3  # reports; where more are refused one after another the fault is hardly theirs
_STILL_REVOKED = 3600.0  # seconds
ALONE = "none, so nothing is uploaded, and no results are kept but the last of each service"
_RETESTS_KEPT = 1000  # ids, not to hand one on twice

logger = logging.getLogger(__name__)


def _no_claim() -> Network:
    return Network()


async def _nothing_else(checkin: Checkin) -> None:
    """Where nobody wants to hear of check-ins."""


class Uplink:
    """`run` it in a nursery; `stir` it when a measurement was added."""

    def __init__(
        self,
        spool: Spool,
        client: CollectorClient,
        clock: Clock,
        agent: Agent,
        leases: Leases,
        *,
        retests: trio.MemorySendChannel[Retest],
        network: Callable[[], Network] = _no_claim,
        may_spend: Callable[[int], bool] = lambda _: True,
        checked_in: Callable[[Checkin], Awaitable[None]] = _nothing_else,
        limiter: trio.CapacityLimiter | None = None,
        chance: random.Random | None = None,
        every: float = CHECKIN_EVERY,
        gather: float = GATHER,
    ) -> None:
        """`network` is what the probe believes of itself now. `may_spend` is asked with the bytes of a report before it
        is sent. `checked_in` gets each answer, for documents to be fetched; of a CollectorFault it may raise there is
        one line in the log. `limiter` is that of the one thread for the spool. `every` and `gather` in seconds."""
        self._spool, self._client, self._clock, self._leases = spool, client, clock, leases
        self._retests, self._network, self._may_spend, self._checked_in = retests, network, may_spend, checked_in
        self._chance = chance or random.Random()
        self._every, self._gather = every, gather
        self._reports = Reports(spool, client, clock, agent, limiter or trio.CapacityLimiter(1))
        self._touch, self._sending = Backoff(self._chance), Backoff(self._chance)
        self._in_touch = self._revoked = self._thrifty = False
        self._next_checkin = self._upload_at = self._not_before = -math.inf
        self._handed_on: dict[str, None] = {}
        self._woken = trio.Event()
        self.state = UplinkState(state="starting", collector=client.base)
        self.last: Checkin | None = None

    def stir(self, *, urgent: bool = False) -> None:
        """A measurement was added; `urgent`: it shows interference, or somebody waits for it."""
        at = self._clock.monotonic() + (GATHER_URGENT if urgent else jittered(self._gather, self._chance))
        if at < self._upload_at:
            self._upload_at = at
            self._woken.set()

    async def run(self) -> None:
        """Until cancelled. Where there is no collector it does nothing."""
        if self._client.base is None:
            self._tell(state=ALONE)
            await trio.sleep_forever()
        while True:
            try:
                await self._turn()
            except SpoolUnavailable as fault:
                self._failed(str(fault))
                self._upload_at = -math.inf
                self._held_back(self._sending.delay())
            await self._rest()

    # --- what is due ---

    async def _turn(self) -> None:
        if self._clock.monotonic() >= self._next_checkin:
            await self._check_in()
        while self._may_upload() and await self._upload():
            if self._clock.monotonic() >= self._next_checkin:
                await self._check_in()
        self._tell(state=self._word())

    def _may_upload(self) -> bool:
        ready = self._in_touch and not self._revoked
        return ready and self._clock.monotonic() >= max(self._upload_at, self._not_before)

    def _due(self) -> float:
        """When something is to be done next, by the monotonic clock."""
        ready = self._in_touch and not self._revoked
        return min(self._next_checkin, max(self._upload_at, self._not_before)) if ready else self._next_checkin

    async def _rest(self) -> None:
        async def sleep() -> None:
            await self._clock.sleep(self._due() - self._clock.monotonic())
            nursery.cancel_scope.cancel()

        self._woken = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sleep)
            await self._woken.wait()
            nursery.cancel_scope.cancel()

    # --- check-ins ---

    async def _check_in(self) -> None:
        attached, began, claim = self._leases.attached(), self._clock.monotonic(), self._network()
        self._tell(attempts=self.state.attempts + 1)
        try:
            checkin = await self._client.checkin(country=claim.country, asn=claim.asn)
        except CollectorFault as fault:
            self._out_of_touch(fault)
            return
        at = self._clock.monotonic()
        middle = self._clock.now() - dt.timedelta(seconds=(at - began) / 2)
        self._next_checkin = at + jittered(self._every, self._chance)
        self._greet(checkin, (checkin.time - middle).total_seconds())
        await self._documents_of(checkin)
        await self._keep(self._leases.take(checkin.lease, attached, checkin.time, at))
        if await self._reports.meet(checkin.collector_version):
            self._upload_at = -math.inf

    def _greet(self, checkin: Checkin, offset: float) -> None:
        if self.state.failure and not self._in_touch:
            logger.info("the collector answers again")
        self._in_touch, self._revoked, self.last = True, False, checkin
        self._touch.reset()
        self._tell(last_checkin=self._clock.now(), clock_offset=round(offset, 2))
        if not self._sending.failures:
            self._tell(failure=None, failed_at=None)
        self._hand_on(checkin.retests)

    async def _documents_of(self, checkin: Checkin) -> None:
        """Before the lease, which may be signed with a key that they are the first to name."""
        try:
            await self._checked_in(checkin)
        except CollectorFault as fault:
            logger.warning("%s", fault)

    async def _keep(self, held: Held | None) -> None:
        """A lease that cannot be kept until the report goes is of no use to it."""
        try:
            if held is not None:
                await self._reports.in_thread(lambda: self._spool.keep_lease(held.key, held.signed))
        except SpoolUnavailable:
            self._leases.drop()
            raise

    def _out_of_touch(self, fault: CollectorFault) -> None:
        self._failed(str(fault))
        self._in_touch = False
        if isinstance(fault, Rejected) and fault.status == 401:
            self._forbidden()
            return
        asked = fault.retry_after if isinstance(fault, Rejected) else None
        self._next_checkin = self._clock.monotonic() + self._touch.delay(asked)

    def _forbidden(self) -> None:
        if not self._revoked:
            logger.error("the collector no longer takes this probe's reports (its token is unknown or was revoked)")
        self._revoked = True
        self._next_checkin = self._clock.monotonic() + jittered(_STILL_REVOKED, self._chance)

    def _hand_on(self, retests: tuple[Retest, ...]) -> None:
        """Each once. Where the scheduler has too many waiting it is not remembered, and comes again."""
        for wish in retests:
            if wish.id in self._handed_on:
                continue
            try:
                self._retests.send_nowait(wish)
            except (trio.WouldBlock, trio.BrokenResourceError):
                return
            self._handed_on[wish.id] = None
            while len(self._handed_on) > _RETESTS_KEPT:
                del self._handed_on[next(iter(self._handed_on))]

    # --- reports ---

    async def _upload(self) -> bool:
        """One report; whether to go on with the next at once. What is added meanwhile stirs again."""
        self._upload_at = math.inf
        self._tell(attempts=self.state.attempts + 1)
        try:
            delivered = await self._reports.send_next(self._network(), self.state.clock_offset, self._may_spend)
        except (CollectorFault, OverBudget) as fault:
            self._upload_at = -math.inf
            self._thrifty = isinstance(fault, OverBudget)
            return self._hindered(fault) if isinstance(fault, CollectorFault) else self._held_back(self._gather)
        self._thrifty = False
        if delivered is None:
            return False
        self._sending.reset()
        self._hand_on(delivered.accepted.retests)
        self._tell(last_upload=self._clock.now(), failure=None, failed_at=None)
        if delivered.more:
            self._upload_at = -math.inf
        return delivered.more

    def _hindered(self, fault: CollectorFault) -> bool:
        self._failed(str(fault))
        if not isinstance(fault, Rejected):
            self._in_touch = False
            self._next_checkin = self._clock.monotonic() + self._touch.delay()
            return self._held_back(self._sending.delay())
        if fault.status == 401:
            self._forbidden()
            return False
        if fault.status in MALFORMED and self._reports.set_aside <= _ASIDE_AT_ONCE:
            return True
        return self._held_back(self._sending.delay(fault.retry_after))

    def _held_back(self, seconds: float) -> bool:
        self._not_before = self._clock.monotonic() + seconds
        return False

    # --- what is told ---

    def _word(self) -> str:
        if self._revoked:
            return "refused: the collector does not know this probe, or has revoked it"
        if not self._in_touch:
            return "out of touch"
        if self._thrifty:
            return "waiting for the data budget"
        return "held back" if self._sending.failures else "in touch"

    def _failed(self, line: str) -> None:
        """Told in the log once, until something went well again."""
        if self.state.failure != line:
            logger.warning("%s", line)
        self._tell(failure=line, failed_at=self._clock.now(), failures=self.state.failures + 1)

    def _tell(self, **facts: object) -> None:
        self.state = msgspec.structs.replace(self.state, collector=self._client.base, **facts)
