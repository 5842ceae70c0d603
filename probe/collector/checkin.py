"""`GET /api/v1/checkin`: the time, what is new, what is wanted, and a signed lease of the network it comes from."""

import re
from collections.abc import Mapping

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import Response

from probe import __version__
from probe.catalogue.signatures import Keypair
from probe.clock import Clock
from probe.collector.ingest_asgi import json_response
from probe.collector.ingest_caller import MEASURING, Callers
from probe.collector.ingest_desk import Desk
from probe.collector.ingest_limits import RateLimit
from probe.collector.ingest_location import Location
from probe.collector.ingest_refusals import Refusal
from probe.collector.leases import lease
from probe.wire.measurement import Network
from probe.wire.reports import Checkin

_COUNTRY = re.compile(r"[A-Z]{2}")
_LARGEST_ASN = 4_294_967_295
_MOST_WAITING = 500  # long polls at a time: each holds a connection


class Checkins:
    """`hold` is how long a lease is good, `longest_wait` how long a check-in may be kept waiting; seconds."""

    def __init__(
        self,
        *,
        callers: Callers,
        location: Location,
        desk: Desk,
        clock: Clock,
        key: Keypair,
        hold: float,
        longest_wait: float,
        minimum_version: str | None,
        limit: RateLimit,
    ) -> None:
        self._callers = callers
        self._location = location
        self._desk = desk
        self._clock = clock
        self._key = key
        self._hold = hold
        self._longest_wait = longest_wait
        self._minimum_version = minimum_version
        self._limit = limit
        self._waiting = 0
        self.stopping = trio.Event()

    async def __call__(self, request: Request) -> Response:
        account = self._callers.caller(request.scope, MEASURING)
        self._limit.take(account.probe)
        claim, wait = _claim(request.query_params), self._wait(request.query_params)
        self._callers.note_seen(account)
        if wait and not self._desk.retests(account.probe):
            await self._wait_for_news(account.probe, wait)
            self._callers.caller(request.scope, MEASURING)  # may have been revoked meanwhile
        return json_response(200, msgspec.json.encode(self._answer(request, account.probe, claim)))

    def _answer(self, request: Request, probe: str, claim: Network) -> Checkin:
        now = self._clock.now()
        return Checkin(
            time=now,
            catalogue=self._desk.version("catalogue"),
            expectations=self._desk.version("expectations"),
            keys=self._desk.version("keys"),
            lease=lease(self._location.origin(request.scope, claim), probe, self._key, now, self._hold),
            retests=self._desk.retests(probe),
            minimum_version=self._minimum_version,
            collector_version=__version__,
        )

    def _wait(self, query: Mapping[str, str]) -> float:
        text = query.get("wait", "0")
        if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text, re.ASCII):
            raise _wrong("wait", "not a number of seconds")
        return min(float(text), self._longest_wait) if self._waiting < _MOST_WAITING else 0.0

    async def _wait_for_news(self, probe: str, seconds: float) -> None:
        """Until a re-test is wanted of this probe, or the collector stops."""
        self._waiting += 1
        try:
            with trio.move_on_after(seconds):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._end_when_stopping, nursery.cancel_scope)
                    while not self._desk.retests(probe):
                        await self._desk.changed()
                    nursery.cancel_scope.cancel()
        finally:
            self._waiting -= 1

    async def _end_when_stopping(self, scope: trio.CancelScope) -> None:
        await self.stopping.wait()
        scope.cancel()


def _claim(query: Mapping[str, str]) -> Network:
    country, asn = query.get("country") or None, query.get("asn") or None
    if country is not None and not _COUNTRY.fullmatch(country):
        raise _wrong("country", "not two capital letters")
    if asn is not None and not (re.fullmatch(r"\d{1,10}", asn, re.ASCII) and 0 < int(asn) <= _LARGEST_ASN):
        raise _wrong("asn", "not the number of an autonomous system")
    return Network(country=country, asn=int(asn) if asn else None)


def _wrong(name: str, error: str) -> Refusal:
    return Refusal(422, "invalid", error, path=f"?{name}")
