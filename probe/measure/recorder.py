"""Takes steps and keeps their records: the only place where a measurement touches the network."""

from collections.abc import Sequence

import msgspec
import trio

from probe.measure.context import Context
from probe.measure.pace import Beat
from probe.net.dns import query_udp
from probe.net.doh import TrustedConnection
from probe.net.http import fetch
from probe.net.tcp import connect
from probe.net.tls import TlsStream, handshake
from probe.net.trace import Trace
from probe.wire.addresses import SCRUBBED
from probe.wire.steps import AnyStep, DnsStep, HttpStep, TlsStep
from probe.wire.strangers import acquainted, without_visitor
from probe.wire.vocabulary import Purpose

Stream = trio.SocketStream | TlsStream
RESIDUAL = 180.0  # seconds: what China's filter was seen to hold (Bock and others, 2021), and others less
AGREEING = 2  # independent trusted resolvers are enough


class Recorder:
    """The steps of one measurement, in the order in which they ended. `scale` shortens the timeouts of a repeat."""

    def __init__(self, context: Context, beat: Beat | None = None) -> None:
        self.context = context
        self._beat = beat
        self.trace = Trace(context.traffic)
        self.steps: list[AnyStep] = []

    async def ask(
        self, resolver: str, name: str, purpose: Purpose, *, qtypes: Sequence[str] = ("A", "AAAA"), scale: float = 1.0
    ) -> list[DnsStep]:
        """The questions side by side, over plain UDP."""
        timeout, source = self.context.timeouts.dns * scale, self.context.source_for(resolver)

        async def one(qtype: str) -> None:
            step = await query_udp(self.trace, name, qtype, resolver, purpose=purpose, timeout=timeout, source=source)
            found.append(msgspec.structs.replace(step, resolver=_nobodys(resolver, purpose)))

        found: list[DnsStep] = []
        async with trio.open_nursery() as nursery:
            for qtype in qtypes:
                nursery.start_soon(one, qtype)
        found.sort(key=lambda step: step.qtype)
        self._keep(*found)
        return found

    async def ask_trusted(self, name: str, wanted: int = AGREEING) -> tuple[str, ...]:
        """What so many trusted resolvers tell over HTTPS: the next one where one cannot be reached, and none twice."""
        asked = [step for step in self.steps if isinstance(step, DnsStep) and step.purpose is Purpose.TRUSTED]
        found = [step for step in asked if step.name == name]
        heard = len({step.resolver for step in found if not _unreached(step)})
        left = [one for one in self.context.trusted if one.url not in {step.resolver for step in found}]
        while heard < wanted and left:
            now, left = left[: wanted - heard], left[wanted - heard :]
            steps = await self._ask_each(now, name)
            self._keep(*steps)
            found += steps
            heard += len({step.resolver for step in steps if not _unreached(step)})
        return tuple(dict.fromkeys(answer for step in found for answer in step.answers))

    async def _ask_each(self, resolvers: Sequence[TrustedConnection], name: str) -> list[DnsStep]:
        timeout = self.context.timeouts.dns
        found: list[DnsStep] = []
        async with trio.open_nursery() as nursery:
            for trusted in resolvers:

                async def one(qtype: str, trusted: TrustedConnection = trusted) -> None:
                    found.append(await trusted.query(self.trace, name, qtype, timeout=timeout))

                for qtype in ("A", "AAAA") if self.context.ipv6 else ("A",):
                    nursery.start_soon(one, qtype)
        found.sort(key=lambda step: (step.resolver, step.qtype))
        return found

    async def connect(
        self, address: str, port: int, purpose: Purpose, *, scale: float = 1.0
    ) -> trio.SocketStream | None:
        context = self.context
        step, stream = await connect(
            self.trace,
            address,
            port,
            purpose=purpose,
            timeout=context.timeouts.tcp * scale,
            source=context.source_for(address),
            allowed=context.allowed,
        )
        self._keep(step)
        return stream

    async def shake(
        self,
        stream: trio.SocketStream,
        place: tuple[str, int],
        names: tuple[str, str],
        purpose: Purpose,
        *,
        roots: str | None = None,
        profile: str = "default",
        scale: float = 1.0,
    ) -> tuple[TlsStep, TlsStream | None]:
        """A handshake over a connection made. `names`: the SNI to send, and the one to hold the certificate against."""
        context = self.context
        step, secure = await handshake(
            self.trace,
            stream,
            *place,
            names[0],
            roots=context.roots_for(roots),
            profile=profile,
            purpose=purpose,
            timeout=context.timeouts.tls * scale,
            verify_name=names[1],
            now=context.today(),
        )
        step = self._with_hit(step, names[1])
        self._keep(self._chain_once(step))
        return step, secure

    def amend_page(self, **facts: str | None) -> HttpStep:
        """The last page that was kept, with what turned out only after it."""
        at = max(index for index, step in enumerate(self.steps) if isinstance(step, HttpStep))
        page = msgspec.structs.replace(self.steps[at], **facts)
        assert isinstance(page, HttpStep)
        self.steps[at] = page
        return page

    def _keep(self, *steps: AnyStep) -> None:
        self.steps += steps
        if self._beat is not None:
            self._beat()

    def _with_hit(self, step: TlsStep, host: str) -> TlsStep:
        """Residual censorship: what another endpoint's name drew may befall whoever comes to the same address next."""
        now, hits = trio.current_time(), self.context.hits
        when, name = hits.get(step.address, (-RESIDUAL, host))
        tainted = name != host and now - when < RESIDUAL
        if step.failure is not None and step.sni == host and not tainted:
            hits[step.address] = (now, host)
        return msgspec.structs.replace(step, after_hit=name) if tainted else step

    def _chain_once(self, step: TlsStep) -> TlsStep:
        """Each distinct chain is kept with the first record that has it."""
        kept = {other.chain_sha256 for other in self.steps if isinstance(other, TlsStep) and other.chain}
        return msgspec.structs.replace(step, chain=()) if step.chain_sha256 in kept else step

    async def fetch(
        self,
        stream: Stream,
        url: str,
        place: tuple[str, int],
        purpose: Purpose,
        *,
        tls: TlsStep | None = None,
        method: str = "GET",
        host: str | None = None,
        scale: float = 1.0,
    ) -> HttpStep:
        """One request over a connection made, which is closed after it. What is kept names no visitor; what is given
        back is as it came, for following."""
        timeouts = self.context.timeouts
        step = await fetch(
            self.trace,
            stream,
            url,
            address=place[0],
            port=place[1],
            alpn=tls.alpn if tls else None,
            trusted=tls.trusted if tls else False,
            method=method,
            host=host,
            purpose=purpose,
            idle=timeouts.http_idle * scale,
            whole=timeouts.http_whole * scale,
        )
        await drop(stream)
        self._keep(without_visitor(_without_own_body(step), acquainted([*self.steps, step])))
        return step


def _without_own_body(step: HttpStep) -> HttpStep:
    """What came over a valid certificate is the site's own, proves nothing by its text, and may name its visitor."""
    return msgspec.structs.replace(step, body=b"") if step.trusted and step.failure is None else step


def _nobodys(resolver: str, purpose: Purpose) -> str:
    """A home router's IPv6 address is its owner's; a provider's resolver in IPv6 cannot be told from it."""
    own = purpose in {Purpose.TARGET, Purpose.REPEAT, Purpose.UPLINK} and ":" in resolver
    return SCRUBBED if own else resolver


def _unreached(step: DnsStep) -> bool:
    return step.failure is not None and not step.failure.startswith("dns_")


async def drop(stream: Stream | None) -> None:
    """Close at once, without waiting for the peer's farewell."""
    if stream is not None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.aclose()
