"""Why did it fail? Each follow-up changes one thing, in the order of the method: names, addresses, the name that is
sent, the shape of the ClientHello, the Host header; and last the failed step once more.

Test names go to the platform's own addresses, and to `reflectors` that the catalogue names; never to anchors, trusted
resolvers' HTTPS or the collector: on some networks a filtered name taints the address it was sent to. The one place
where a trusted resolver sees the name is as a question over plain UDP, which is what it is for.
"""

import trio

from probe.measure.flow import HALF, TOO_MANY_REDIRECTS, Flow, Reached
from probe.measure.recorder import drop
from probe.verdict.handshakes import answered
from probe.verdict.seen import TIMEOUTS, all_bogus
from probe.wire.addresses import is_address
from probe.wire.steps import DnsStep, HttpStep, TcpStep, TlsStep
from probe.wire.vocabulary import Failure, Purpose

PAUSE_ACTIVE = 1.0  # seconds before a repeat, after an active failure
PAUSE_SILENT = 5.0
MORE_ADDRESSES = 6  # of the name, once the first of them all failed
_OTHER_PORT = {443: 80, 80: 443}
_SILENT_TIMEOUT = 0.5  # of the DNS timeout: nobody is expected to answer


async def follow_up(flow: Flow) -> None:
    """All that can tell why the current host failed."""
    await _names(flow)
    if flow.target.scheme != "dns":
        await _transport(flow)


# --- names ---


async def _names(flow: Flow) -> None:
    if is_address(flow.target.host):
        return
    trusted = await flow.ask_trusted()
    if not _proved(flow.reached):
        await _ask_uplink(flow)
    if _suspicious(flow):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_ask_trusted_udp, flow)
            nursery.start_soon(_ask_silent, flow)
    if trusted and not _proved(flow.reached) and not set(trusted) & set(flow.reached.tried):
        await _at_trusted_addresses(flow)
    if not flow.told:
        await _ask_again(flow)


async def _ask_again(flow: Flow) -> None:
    asked = [step for step in flow.take.steps if isinstance(step, DnsStep) and step.purpose is Purpose.TARGET]
    await trio.sleep(_pause([step.failure for step in asked if step.name == flow.target.host]))
    flow.told = await flow.lookup(Purpose.REPEAT, scale=HALF)
    if flow.usable(flow.told) and not flow.reached.connected and flow.target.scheme != "dns":
        flow.reached = await flow.attempt(flow.usable(flow.told), Purpose.TARGET)


async def _ask_uplink(flow: Flow) -> None:
    """The user's view is the stub's; the provider's is what the stub forwards to."""
    for uplink in flow.context.uplinks[:1]:
        await flow.take.ask(uplink, flow.target.host, Purpose.UPLINK, qtypes=("A",), scale=HALF)


async def _ask_trusted_udp(flow: Flow) -> None:
    if flow.context.udp_resolver is not None:
        await flow.take.ask(flow.context.udp_resolver, flow.target.host, Purpose.TRUSTED_UDP, qtypes=("A",), scale=HALF)


def _suspicious(flow: Flow) -> bool:
    """Whether the system's answer may be forged: it fails, is bogus, or leads to no server that proves itself."""
    if not flow.told or all_bogus(flow.told):
        return True
    return not _proved(flow.reached) and not set(flow.told) & set(flow.trusted)


async def _ask_silent(flow: Flow) -> None:
    """An address of the host itself runs no resolver: whoever answers there sits on the path."""
    addresses = flow.usable(flow.trusted)
    if not addresses or flow.neutral is None:
        return

    async def ask(name: str, purpose: Purpose) -> None:
        await flow.take.ask(addresses[0], name, purpose, qtypes=("A",), scale=_SILENT_TIMEOUT)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, flow.neutral, Purpose.SILENT_NEUTRAL)
        nursery.start_soon(ask, flow.target.host, Purpose.SILENT_TARGET)


async def _at_trusted_addresses(flow: Flow) -> None:
    addresses = flow.usable(flow.trusted)[:1]
    if addresses and flow.target.scheme != "dns":
        reached = await flow.attempt(addresses, Purpose.TRUSTED_ADDRESS)
        flow.reached = reached if _further(reached, flow.reached) else flow.reached


def _further(one: Reached, other: Reached) -> bool:
    return _depth(one) >= _depth(other)


def _depth(reached: Reached) -> int:
    return bool(reached.connected) + bool(reached.tls and reached.tls.failure is None) + _proved(reached)


def _proved(reached: Reached) -> bool:
    """Whether a server proved to be the host: a plain page proves nothing."""
    return reached.tls is not None and reached.tls.trusted


# --- transport ---


async def _transport(flow: Flow) -> None:
    reached = flow.reached
    if not reached.tried:
        return
    if not reached.connected:
        await _unconnected(flow, reached)
    elif reached.tls is not None and reached.tls.failure is not None:
        await _unshaken(flow, reached, reached.tls)
    elif reached.tls is not None and not reached.tls.trusted:
        await _other_address(flow, reached)
    elif reached.page is not None and reached.page.failure is not None:
        await _unfetched(flow, reached, reached.page)
    elif reached.page is not None and not reached.page.trusted:
        await _unproved(flow, reached, reached.page)


async def _unconnected(flow: Flow, reached: Reached) -> None:
    """Another port while waiting, then once more."""
    failures = [step.failure for step in flow.take.steps if isinstance(step, TcpStep) and step.address in reached.tried]
    address, port = reached.tried[0], flow.target.port

    async def try_other_port() -> None:
        if port in _OTHER_PORT:
            await drop(await flow.take.connect(address, _OTHER_PORT[port], Purpose.OTHER_PORT, scale=HALF))

    rest = [place for place in flow.every_usable() if place not in reached.tried][:MORE_ADDRESSES]
    streams = await flow.connect_all(rest, Purpose.OTHER_ADDRESS, scale=HALF)
    if not streams:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(try_other_port)
            await trio.sleep(_pause(failures))
        streams = await flow.connect_all(reached.tried, Purpose.REPEAT, scale=HALF)
    await _go_on(flow, reached, streams)


async def _go_on(flow: Flow, reached: Reached, streams: dict[str, trio.SocketStream]) -> None:
    """With one of the connections that were made after all."""
    if streams:
        chosen = next(iter(streams))
        for address, stream in streams.items():
            if address != chosen:
                await drop(stream)
        purpose = Purpose.REPEAT if chosen in reached.tried else Purpose.OTHER_ADDRESS
        flow.reached = await flow.talk(streams[chosen], chosen, purpose, Reached(reached.tried, [chosen]))


async def _unshaken(flow: Flow, reached: Reached, failed: TlsStep) -> None:
    await _other_address(flow, reached)
    address = failed.address
    if failed.after_hit or not any(answered(step) for step in _handshakes(flow, Purpose.INNOCUOUS)):
        await flow.innocuous(address, scale=HALF)
    isolated = any(answered(step) for step in _handshakes(flow, Purpose.INNOCUOUS))
    if failed.failure in TIMEOUTS and not isolated:
        await flow.innocuous(address, purpose=Purpose.SMALL_HELLO, profile="small", scale=HALF)
    if not isolated:
        await _elsewhere(flow)
    if isolated or failed.failure not in TIMEOUTS:  # where every name is met with silence its shape cannot matter
        await _shake_again(flow, address, Purpose.SPLIT, profile="split")
    await trio.sleep(_pause([failed.failure]))
    await _shake_again(flow, address, Purpose.REPEAT)


async def _other_address(flow: Flow, reached: Reached) -> None:
    """A clean address of the same name: the innocuous name first, then the real one."""
    used = {reached.connected[0], *(step.address for step in _handshakes(flow, *Purpose))}
    spare = [address for address in [*reached.connected, *flow.usable(flow.trusted)] if address not in used]
    if not spare:
        return
    await flow.innocuous(spare[0], scale=HALF)
    await _shake_again(flow, spare[0], Purpose.OTHER_ADDRESS)


async def _elsewhere(flow: Flow) -> None:
    """This name at an address that has nothing to do with it and accepts any name."""
    for reflector in flow.context.reflectors[:1]:
        stream = await flow.take.connect(reflector, 443, Purpose.ELSEWHERE, scale=HALF)
        if stream is not None:
            await drop((await flow.shake(stream, reflector, Purpose.ELSEWHERE, port=443, scale=HALF))[1])


async def _shake_again(flow: Flow, address: str, purpose: Purpose, *, profile: str = "default") -> None:
    """Where that succeeds, on to the page: in TLS 1.3 a client is through before anybody has heard its last word."""
    stream = await flow.take.connect(address, flow.target.port, purpose, scale=HALF)
    if stream is None:
        return
    step, secure = await flow.shake(stream, address, purpose, profile=profile, scale=HALF)
    if secure is None or purpose is Purpose.SPLIT or flow.target.scheme != "https" or flow.context.mode == "light":
        await drop(secure)
        return
    page = await flow.get(secure, address, purpose, tls=step, scale=HALF)
    if page.failure is not None and not page.bytes_read:
        await _after_innocuous(flow, address)


def _handshakes(flow: Flow, *purposes: Purpose) -> list[TlsStep]:
    return [step for step in flow.take.steps if isinstance(step, TlsStep) and step.purpose in purposes]


# --- pages ---


async def _unfetched(flow: Flow, reached: Reached, failed: HttpStep) -> None:
    if failed.failure == TOO_MANY_REDIRECTS:
        return
    if reached.tls is None:
        await _other_host(flow, reached.connected[0])
    elif not failed.bytes_read:
        await _after_innocuous(flow, failed.address or reached.connected[0])
    await trio.sleep(_pause([failed.failure]))
    streams = await flow.connect_all(reached.connected[:1], Purpose.REPEAT, scale=HALF)
    for address, stream in streams.items():
        await flow.talk(stream, address, Purpose.REPEAT, Reached(), scale=HALF)


async def _after_innocuous(flow: Flow, address: str) -> None:
    """The same request after a handshake with a name that no censor minds: some filters strike only once the server has
    answered, when the handshake is over for the client."""
    stream = await flow.take.connect(address, flow.target.port, Purpose.INNOCUOUS, scale=HALF)
    if stream is None or flow.neutral is None:
        await drop(stream)
        return
    step, secure = await flow.shake(stream, address, Purpose.INNOCUOUS, sni=flow.neutral, scale=HALF)
    if secure is not None:
        await flow.get(secure, address, Purpose.INNOCUOUS, tls=step, scale=HALF)


async def _unproved(flow: Flow, reached: Reached, page: HttpStep) -> None:
    """A plain page: is it the one that comes over a valid certificate, or for another Host?"""
    address = page.address or reached.connected[0]
    if flow.target.port == 80:
        await _same_over_tls(flow, address)
    await _other_host(flow, address)


async def _same_over_tls(flow: Flow, address: str) -> None:
    stream = await flow.take.connect(address, 443, Purpose.OTHER_PORT, scale=HALF)
    if stream is None:
        return
    step, secure = await flow.shake(stream, address, Purpose.OTHER_PORT, port=443, scale=HALF)
    if secure is None or not step.trusted:
        await drop(secure)
        return
    url = f"https://{flow.target.host}{flow.target.path}"
    await flow.get(secure, address, Purpose.OTHER_PORT, tls=step, url=url, scale=HALF)


async def _other_host(flow: Flow, address: str) -> None:
    if flow.neutral is None:
        return
    stream = await flow.take.connect(address, flow.target.port, Purpose.OTHER_HOST, scale=HALF)
    if stream is not None:
        await flow.get(stream, address, Purpose.OTHER_HOST, host=flow.neutral, scale=HALF)


def _pause(failures: list[str | None]) -> float:
    """An active failure comes again at once; silence may be loss that passes."""
    said = [failure for failure in failures if failure]
    silent = bool(said) and all(failure in TIMEOUTS or failure == Failure.INTERRUPTED for failure in said)
    return PAUSE_SILENT if silent else PAUSE_ACTIVE
