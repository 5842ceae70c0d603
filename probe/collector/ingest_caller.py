"""Who calls: the token of a request, and whether its role may ask for this."""

import datetime as dt
import logging

import trio
from starlette.types import Scope

from probe.clock import Clock
from probe.collector.accounts import Account, Accounts, AccountsFault
from probe.collector.complaints import Complaints
from probe.collector.ingest_refusals import Refusal, overloaded, unauthorized
from probe.wire.reports import Role

MEASURING: tuple[Role, ...] = ("probe", "control")
ANYBODY: tuple[Role, ...] = ("probe", "control", "read", "admin")
_NOTED_EVERY = 30.0  # seconds
_LOGGER = logging.getLogger(__name__)


class Callers:
    def __init__(self, accounts: Accounts, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock
        self._seen: dict[str, dt.date] = {}
        self._unwritten: set[str] = set()
        self._reading = Complaints(_LOGGER, "the accounts can be read again")
        self._writing = Complaints(_LOGGER, "the accounts can be written again")

    def caller(self, scope: Scope, roles: tuple[Role, ...]) -> Account:
        """Raises Refusal for a stranger, a revoked token, a wrong role. One answer for the first two."""
        token = _token(scope)
        if token is None:
            raise unauthorized()
        try:
            account = self._accounts.authenticated(token)
        except AccountsFault as fault:
            self._reading.begin(str(fault))
            raise overloaded("the accounts cannot be read") from None
        self._reading.end()
        if account is None:
            raise unauthorized()
        if account.role not in roles:
            raise Refusal(403, "forbidden", f"a token of the role {account.role} may not do this")
        return account

    def note_seen(self, account: Account) -> None:
        """Once a day a token, and on the disk within a minute or so."""
        today = self._clock.now().date()
        if account.last_seen != today and self._seen.get(account.probe) != today:
            self._seen[account.probe] = today
            self._unwritten.add(account.probe)

    async def keep_noting(self) -> None:
        """Many in one transaction: no request waits for it."""
        while True:
            await trio.sleep(_NOTED_EVERY)
            await self.write_seen()

    async def write_seen(self) -> None:
        probes, self._unwritten = self._unwritten, set()
        if not probes:
            return
        try:
            await trio.to_thread.run_sync(self._accounts.seen, probes, self._clock.now())
        except AccountsFault as fault:
            self._writing.begin(str(fault))
            self._unwritten |= probes
        else:
            self._writing.end()


def _token(scope: Scope) -> str | None:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) != 1:
        return None
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
