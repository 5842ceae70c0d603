"""The straight line: resolve, connect, shake hands, fetch; each step leaves its record, and a failure ends the line.

A filtered name may poison its address for minutes (residual censorship), so an ordinary handshake must not run before
the test that it could spoil: where a host has one address only, an innocuous name is tried there first; where it has
several, the others are kept clean for the follow-ups.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from probe.catalogue.model import CatalogueError, Target
from probe.catalogue.targets import parse_target
from probe.measure.context import Context
from probe.measure.pace import Beat
from probe.measure.recorder import AGREEING, Recorder, Stream, drop
from probe.measure.task import Task
from probe.net.tls import TlsStream
from probe.verdict.pages import within
from probe.wire.addresses import is_address, is_bogon, parse_address, unsynthesised
from probe.wire.identifiers import uuid7
from probe.wire.measurement import Measurement
from probe.wire.steps import HttpStep, TlsStep
from probe.wire.vocabulary import Failure, Purpose

MAX_REDIRECTS = 10
LONGEST_WALK = 60.0  # seconds after which no further redirect is followed
ADDRESSES_A_FAMILY = 2
_WEB_PORTS = frozenset({80, 443})
HALF = 0.5  # of a timeout, for whatever is not the user's own connection
TOO_MANY_REDIRECTS = "unknown_failure: stopped after too many redirects"
_TRY_NEXT_RESOLVER = frozenset(
    {Failure.GENERIC_TIMEOUT_ERROR, Failure.DNS_SERVFAIL_ERROR, Failure.DNS_REFUSED_ERROR, Failure.CONNECTION_REFUSED}
)


@dataclass
class Reached:
    """How far one attempt came."""

    tried: list[str] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)
    tls: TlsStep | None = None
    page: HttpStep | None = None


class Flow:
    """One measurement in the making. `target`, `told`, `trusted` and `reached` are the current host's."""

    def __init__(self, task: Task, context: Context, beat: Beat | None = None) -> None:
        self.task = task
        self.context = context
        self.take = Recorder(context, beat)
        self.started_at = context.now()
        self.id = uuid7(self.started_at)
        self.target = task.target
        self.resolved: str | None = None  # whose names these are: a redirect to the same host asks nobody again
        self.told: tuple[str, ...] = ()
        self.trusted: tuple[str, ...] = ()
        self.reached = Reached()

    def measurement(self) -> Measurement:
        context, task = self.context, self.task
        return Measurement(
            id=self.id,
            endpoint=task.target.url,
            platform=task.platform,
            service=task.service,
            started_at=self.started_at,
            duration=self.take.trace.now(),
            mode=context.mode,
            network=context.network,
            surroundings=context.surroundings,
            agent=context.agent,
            steps=tuple(self.take.steps),
        )

    async def walk(self) -> None:
        """The ordinary connection of a user, along its redirects."""
        for followed in range(MAX_REDIRECTS + 1):
            await self.visit()
            page = self.reached.page
            following = self._following(page) if page is not None else None
            if following is None or page is None:
                return
            if followed == MAX_REDIRECTS or self.take.trace.now() > LONGEST_WALK:
                self.reached.page = self.take.amend_page(failure=TOO_MANY_REDIRECTS, location=None)
                return
            self.target = following

    async def visit(self) -> None:
        """One host: its names, then the first of its addresses that accepts."""
        self.reached = Reached()
        if self.target.host != self.resolved:
            await self._resolve()
        if self.target.scheme != "dns" and self.usable(self.told):
            self.reached = await self.attempt(self.usable(self.told), Purpose.TARGET)

    # --- names ---

    async def _resolve(self) -> None:
        """The system's answers, and as many trusted ones as needed: where a certificate will tell whether the answer
        was honest, one trusted resolver is asked for the record if the round is small, and else none."""
        self.resolved, self.trusted = self.target.host, ()
        if is_address(self.target.host):
            self.told = self.trusted = (self.target.host,)
            return
        self.told = await self.lookup(Purpose.TARGET)
        if self.context.mode == "deep" or not self._secure or not self.usable(self.told):
            await self.ask_trusted()
        elif self.context.mode == "default" and self.context.small:
            await self.ask_trusted(1)

    async def lookup(self, purpose: Purpose, *, scale: float = 1.0) -> tuple[str, ...]:
        """What the system's resolvers tell, asked as a stub would: the next one where one fails."""
        answers: list[str] = []
        for resolver in self.context.resolvers:
            steps = await self.take.ask(resolver, self.target.host, purpose, scale=scale)
            answers = [answer for step in steps for answer in step.answers]
            if answers or not any(step.failure in _TRY_NEXT_RESOLVER for step in steps):
                break
        return tuple(dict.fromkeys(answers))

    async def ask_trusted(self, wanted: int = AGREEING) -> tuple[str, ...]:
        """What trusted resolvers tell over HTTPS."""
        self.trusted = await self.take.ask_trusted(self.target.host, wanted)
        return self.trusted

    def usable(self, answers: Sequence[str]) -> list[str]:
        """Addresses that may be connected to: public ones, a few of each family that works here."""
        public = [answer for answer in answers if self._may_connect(answer)]
        sixes = [answer for answer in public if ":" in answer]
        fours = [answer for answer in public if ":" not in answer]
        return [*fours[:ADDRESSES_A_FAMILY], *sixes[:ADDRESSES_A_FAMILY]]

    def every_usable(self) -> list[str]:
        """All that anybody told of the host."""
        return [answer for answer in dict.fromkeys((*self.told, *self.trusted)) if self._may_connect(answer)]

    def _may_connect(self, answer: str) -> bool:
        address = parse_address(answer)
        if address is None or not self.context.allowed(answer) or self._leads_inside(answer):
            return False
        return address.version == 4 or self.context.ipv6

    def _leads_inside(self, answer: str) -> bool:
        """Whether the address stands, behind this network's NAT64, for one that no public host has."""
        surroundings = self.context.surroundings
        return surroundings is not None and is_bogon(unsynthesised(answer, surroundings.nat64))

    # --- connections ---

    async def attempt(self, addresses: Sequence[str], purpose: Purpose, *, scale: float = 1.0) -> Reached:
        """Connect to all the addresses, then go on with the first that accepted, up to the page."""
        streams = await self.connect_all(addresses, purpose, scale=scale)
        reached = Reached(tried=list(addresses), connected=[place for place in addresses if place in streams])
        if not reached.connected:
            return reached
        chosen, *spare = reached.connected
        for address in spare:
            await drop(streams[address])
        stream: trio.SocketStream | None = streams[chosen]
        if self._secure and self.neutral is not None and self._innocuous_first(addresses, purpose):
            stream = await self._after_innocuous(streams[chosen], chosen, purpose, scale=scale)
        if stream is None:
            return reached
        return await self.talk(stream, chosen, purpose, reached, scale=scale)

    async def _after_innocuous(
        self, stream: trio.SocketStream, address: str, purpose: Purpose, *, scale: float
    ) -> trio.SocketStream | None:
        """The connection at hand is spent on the innocuous name, and another made: some servers take one at a time."""
        _, secure = await self.shake(stream, address, Purpose.INNOCUOUS, sni=self.neutral, scale=HALF)
        await drop(secure)
        return await self.take.connect(address, self.target.port, purpose, scale=scale)

    async def connect_all(
        self, addresses: Sequence[str], purpose: Purpose, *, port: int | None = None, scale: float = 1.0
    ) -> dict[str, trio.SocketStream]:
        streams: dict[str, trio.SocketStream] = {}

        async def one(address: str) -> None:
            spare = purpose is Purpose.TARGET and address != addresses[0]
            why = Purpose.OTHER_ADDRESS if spare else purpose
            stream = await self.take.connect(address, port or self.target.port, why, scale=scale)
            if stream is not None:
                streams[address] = stream

        async with trio.open_nursery() as nursery:
            for address in addresses:
                nursery.start_soon(one, address)
        return streams

    async def talk(
        self, stream: trio.SocketStream, address: str, purpose: Purpose, reached: Reached, *, scale: float = 1.0
    ) -> Reached:
        """What the scheme says over a connection made: handshake, page, or nothing at all."""
        if self.target.scheme == "http":
            reached.page = await self.get(stream, address, purpose, scale=scale)
        elif self._secure:
            reached.tls, secure = await self.shake(stream, address, purpose, scale=scale)
            light = self.context.mode == "light" and reached.tls.trusted
            if secure is not None and self.target.scheme == "https" and not light:
                reached.page = await self.get(secure, address, purpose, tls=reached.tls, scale=scale)
            else:
                await drop(secure)
        else:
            await drop(stream)
        return reached

    async def shake(
        self,
        stream: trio.SocketStream,
        address: str,
        purpose: Purpose,
        *,
        sni: str | None = None,
        port: int | None = None,
        profile: str = "default",
        scale: float = 1.0,
    ) -> tuple[TlsStep, TlsStream | None]:
        """A handshake, held against the target's name whatever SNI is sent."""
        host = self.target.host
        place, names = (address, port or self.target.port), (sni or host, host)
        roots = self.task.roots
        return await self.take.shake(stream, place, names, purpose, roots=roots, profile=profile, scale=scale)

    async def get(
        self,
        stream: Stream,
        address: str,
        purpose: Purpose,
        *,
        tls: TlsStep | None = None,
        url: str | None = None,
        host: str | None = None,
        scale: float = 1.0,
    ) -> HttpStep:
        place, method = (address, tls.port if tls else self.target.port), self.task.method
        url = url or self.target.url
        return await self.take.fetch(stream, url, place, purpose, tls=tls, method=method, host=host, scale=scale)

    async def innocuous(
        self, address: str, *, purpose: Purpose = Purpose.INNOCUOUS, profile: str = "default", scale: float = 1.0
    ) -> None:
        """A handshake at the target's address with a name that no censor minds."""
        if self.neutral is None:
            return
        stream = await self.take.connect(address, self.target.port, purpose, scale=scale)
        if stream is not None:
            _, secure = await self.shake(stream, address, purpose, sni=self.neutral, profile=profile, scale=scale)
            await drop(secure)

    @property
    def neutral(self) -> str | None:
        """A name that no censor minds; None where the only one is what is being measured."""
        return next((name for name in self.context.infrastructure.neutral if name != self.target.host), None)

    @property
    def _secure(self) -> bool:
        return self.target.scheme in {"https", "tls"}

    def _innocuous_first(self, addresses: Sequence[str], purpose: Purpose) -> bool:
        """Only a lone address can be spoilt for the test by name. A light round leaves it for its follow-ups."""
        if purpose is Purpose.TRUSTED_ADDRESS or self.context.mode == "deep":
            return True
        return self.context.mode == "default" and len(addresses) == 1

    # --- redirects ---

    def _following(self, page: HttpStep) -> Target | None:
        """Where to go on. A probe contacts only what its owner agreed to, and a redirect may be a censor's: a catalogue
        endpoint's are followed on its own host and its platform's domains; where else they lead is recorded, and not
        visited. Nor is anything that a page behind a bad certificate names."""
        try:
            target = parse_target(page.location or "")
        except CatalogueError:
            return None
        forged = self.target.scheme == "https" and not page.trusted
        if forged or target.scheme not in {"http", "https"} or target.port not in {*_WEB_PORTS, self.task.target.port}:
            return None
        domains = self.task.domains
        if domains is None or target.host == self.task.target.host:
            return target
        return target if within(target.host, domains) and not is_address(target.host) else None
