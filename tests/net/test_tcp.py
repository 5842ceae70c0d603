import socket
import sys

import pytest
import trio

from probe.net import tcp
from probe.net.trace import Trace
from probe.wire.vocabulary import Failure, Purpose

from .servers import HOST, anywhere, closed_port, listen, silence


async def test_a_connect_gives_a_stream_and_the_kernels_rtt(nursery: trio.Nursery, trace: Trace) -> None:
    port = await listen(nursery, silence)
    step, stream = await tcp.connect(trace, HOST, port, purpose=Purpose.OTHER_PORT, allowed=anywhere)
    assert stream is not None
    assert (step.failure, step.address, step.port, step.purpose) == (None, HOST, port, Purpose.OTHER_PORT)
    assert 0 <= step.t0 < step.t < 5
    if sys.platform == "linux":
        assert step.rtt is not None
        assert 0 < step.rtt < 1
    assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    await stream.aclose()


async def test_a_closed_port_is_refused_and_the_errno_kept(trace: Trace) -> None:
    step, stream = await tcp.connect(trace, HOST, await closed_port(), allowed=anywhere)
    assert (stream, step.failure, step.errno) == (None, Failure.CONNECTION_REFUSED, "ECONNREFUSED")


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.10.34.35", "192.168.1.1", "::1", "fe80::1", "169.254.1.1", "0.0.0.0"]
)
async def test_no_packet_goes_to_an_address_that_is_not_public(address: str, trace: Trace) -> None:
    with trio.socket.socket(tcp.family_of(address)) as server:
        bound = address in {"127.0.0.1", "::1"}
        if bound:
            await server.bind((address, 0))
            server.listen()
        port = server.getsockname()[1] if bound else 9
        step, stream = await tcp.connect(trace, address, port)
        assert (stream, step.failure, step.errno) == (None, Failure.DNS_BOGON_ERROR, None)
        if bound:
            with trio.move_on_after(0.05) as nobody_came:
                await server.accept()
            assert nobody_came.cancelled_caught


async def test_silence_times_out_by_itself(trace: Trace) -> None:
    """A listener whose backlog is full drops the SYN."""
    with trio.socket.socket() as server:
        await server.bind((HOST, 0))
        server.listen(0)
        port = server.getsockname()[1]
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(_fill, port)
            await trio.sleep(0.05)
            step, stream = await tcp.connect(trace, HOST, port, timeout=0.2, allowed=anywhere)
            nursery.cancel_scope.cancel()
    assert (stream, step.failure, step.errno) == (None, Failure.GENERIC_TIMEOUT_ERROR, None)
    assert 0.2 <= step.t - step.t0 < 2


async def _fill(port: int) -> None:
    with trio.socket.socket() as sock:
        await sock.connect((HOST, port))
        await trio.sleep_forever()


async def test_a_source_of_another_family_is_a_failure_not_an_exception(nursery: trio.Nursery, trace: Trace) -> None:
    port = await listen(nursery, silence)
    step, stream = await tcp.connect(trace, HOST, port, source="::1", allowed=anywhere)
    assert (stream, step.failure) == (None, Failure.ADDRESS_FAMILY_NOT_SUPPORTED)


async def test_the_source_address_is_used(nursery: trio.Nursery, trace: Trace) -> None:
    seen: list[str] = []

    async def note(stream: trio.SocketStream) -> None:
        seen.append(stream.socket.getpeername()[0])

    port = await listen(nursery, note)
    _, stream = await tcp.connect(trace, HOST, port, source="127.0.0.9", allowed=anywhere)
    assert stream is not None
    assert await stream.receive_some() == b""
    await stream.aclose()
    assert seen == ["127.0.0.9"]


@pytest.mark.parametrize(("address", "port"), [("site.example", 443), (HOST, 0), (HOST, 70000), ("", 443)])
async def test_what_is_no_address_is_never_resolved(address: str, port: int, trace: Trace) -> None:
    step, stream = await tcp.connect(trace, address, port, allowed=anywhere)
    assert (stream, step.failure) == (None, Failure.INVALID_ARGUMENT)


async def test_cancelling_a_connect_is_not_a_failure(trace: Trace) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await tcp.connect(trace, HOST, 9, allowed=anywhere)
    assert scope.cancelled_caught
