"""`POST /api/v1/enrol`: an invitation for a token, once. `DELETE /api/v1/probe`: out again, with all that is held."""

import logging

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import Response

from probe.catalogue.model import CatalogueError
from probe.clock import Clock
from probe.collector.accounts import Account, Accounts, AccountsFault
from probe.collector.ingest_asgi import json_response
from probe.collector.ingest_body import declared_length, whole_body
from probe.collector.ingest_bounds import bounded
from probe.collector.ingest_caller import MEASURING, Callers
from probe.collector.ingest_desk import Desk
from probe.collector.ingest_limits import RateLimit
from probe.collector.ingest_refusals import Refusal, overloaded
from probe.collector.invitations import Uninvited
from probe.wire.reports import Enrolled, Enrolment
from probe.wire.signed import KeyDocument, Signed

_LARGEST = 16 << 10  # bytes of an enrolment
ERASED_WITHIN = 2 * 3600  # seconds: then the log is free of it, in sealed days too
_ENROLMENT = msgspec.json.Decoder(bounded(Enrolment))
_LOGGER = logging.getLogger(__name__)


class Enrolments:
    """`name` is the collector's, as people know it."""

    def __init__(
        self, *, accounts: Accounts, callers: Callers, desk: Desk, clock: Clock, name: str, per_minute: float
    ) -> None:
        self._accounts = accounts
        self._callers = callers
        self._desk = desk
        self._clock = clock
        self._name = name
        self._limit = RateLimit(clock, per_minute)
        self._one_write = trio.CapacityLimiter(1)

    async def enrol(self, request: Request) -> Response:
        self._limit.take("enrolments")
        declared_length(dict(request.scope["headers"]), _LARGEST)
        enrolment = _enrolment(await whole_body(request.receive, _LARGEST))
        signed, document = self._keys()
        account, token = await self._admit(enrolment)
        enrolled = Enrolled(
            token=token, role=account.role, collector=self._name, catalogue_keys=document.catalogue, keys=signed
        )
        return json_response(200, msgspec.json.encode(enrolled))

    async def erase(self, request: Request) -> Response:
        account = self._callers.caller(request.scope, MEASURING)
        try:
            await trio.to_thread.run_sync(
                self._accounts.erase, account.probe, self._clock.now(), limiter=self._one_write
            )
        except AccountsFault as fault:
            _LOGGER.warning("%s", fault)
            raise overloaded("the accounts cannot be written") from None
        return json_response(202, msgspec.json.encode({"erased_within_seconds": ERASED_WITHIN}))

    async def _admit(self, enrolment: Enrolment) -> tuple[Account, str]:
        agent = f"{enrolment.agent.name}/{enrolment.agent.version}"
        try:
            return await trio.to_thread.run_sync(
                self._accounts.enrol, enrolment.invitation, agent, self._clock.now(), limiter=self._one_write
            )
        except Uninvited as fault:
            raise Refusal(403, "forbidden", str(fault)) from None
        except AccountsFault as fault:
            _LOGGER.warning("%s", fault)
            raise overloaded("the accounts cannot be written") from None

    def _keys(self) -> tuple[Signed, KeyDocument]:
        """Before the invitation is used up: a collector without keys cannot take anybody in."""
        current = self._desk.document("keys")
        if current is None:
            raise overloaded("this collector has no keys yet", 60.0)
        try:
            signed = msgspec.json.decode(current.body, type=Signed)
            return signed, msgspec.json.decode(signed.payload, type=KeyDocument)
        except (msgspec.DecodeError, CatalogueError):
            raise overloaded("this collector's key document is broken", 60.0) from None


def _enrolment(body: bytes) -> Enrolment:
    try:
        enrolment: Enrolment = _ENROLMENT.decode(body)  # type: ignore[assignment]
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at ")
        raise Refusal(422, "invalid", message, path=path.strip("`") or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, "malformed", "no JSON") from None
    return enrolment
