"""Virtual probes that are enrolled: each with its token, its lease, and what it has not sent yet."""

import datetime as dt
import random
from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from probe.lab.simulate.client import Collector, Held
from probe.lab.simulate.fleet import Resident
from probe.lab.simulate.rounds import AGENT, Made, identifier, network_of
from probe.wire.reports import Report

_MOST = 200  # measurements of a report


class Parcel(msgspec.Struct, frozen=True):
    """A report on its way, and when the newest of its measurements began."""

    station: "Station"
    report: Report
    newest: dt.datetime


class Station:
    def __init__(self, resident: Resident, token: str, chance: random.Random) -> None:
        self.resident, self._token, self._chance = resident, token, chance
        self._held: Held | None = None
        self._leases: dict[str, Held] = {}
        self._spool: list[Made] = []

    def needs_lease(self, until: dt.datetime) -> bool:
        return self._held is None or self._held.expires_at <= until

    async def check_in(self, collector: Collector) -> None:
        self._held = await collector.check_in(self.resident, self._token)
        if self._held is not None:
            self._leases[self._held.key] = self._held

    def take(self, made: Sequence[Made]) -> None:
        """Measurements of a round that begins, under the lease that holds."""
        held = self._held
        for one in made:
            key = held.key if held is not None and one.at < held.expires_at else None
            reported = msgspec.structs.replace(one.reported, lease=key)
            self._spool.append(msgspec.structs.replace(one, reported=reported))
        self._spool.sort(key=lambda one: one.done)

    def parcels(self, now: dt.datetime) -> list[Parcel]:
        """What is there by now, as reports. It leaves the spool."""
        count = bisect_right(self._spool, now, key=lambda one: one.done)
        due, self._spool = self._spool[:count], self._spool[count:]
        return [self._parcel(due[start : start + _MOST], now) for start in range(0, len(due), _MOST)]

    async def send(self, collector: Collector, parcel: Parcel) -> None:
        await collector.send(self.resident, self._token, parcel.report)

    def _parcel(self, due: Sequence[Made], now: dt.datetime) -> Parcel:
        sent = tuple(msgspec.structs.replace(one.reported, age=max(0.0, (now - one.at).total_seconds())) for one in due)
        names = {one.lease for one in sent if one.lease is not None}
        report = Report(
            report_id=identifier(now, self._chance),
            agent=AGENT,
            network=network_of(self.resident),
            measurements=sent,
            leases={name: self._leases[name].signed for name in sorted(names)},
            clock_offset=0.0,
        )
        return Parcel(self, report, max(one.at for one in due))
