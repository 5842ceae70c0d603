"""Connect to one address."""

import ipaddress
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

import trio

from probe.net.failures import errno_name, failure_of_oserror, unknown
from probe.net.trace import Trace
from probe.wire.addresses import is_public, parse_address
from probe.wire.steps import TcpStep
from probe.wire.vocabulary import Failure, Purpose

_TCP_INFO = 11  # Linux; `socket.TCP_INFO` is not on every build
_OPENED = (60 + 2 * 52, 60 + 52)  # bytes of the packets that open a connection and, later, close it: sent, received
_REFUSED = (60, 40)
_UNANSWERED = (4 * 60, 0)  # so often the SYN is sent within the usual timeout
_RTT_OFFSET = 68  # struct tcp_info: eight bytes, then 32-bit counters, the smoothed RTT the sixteenth; microseconds


async def connect(
    trace: Trace,
    address: str,
    port: int,
    *,
    purpose: Purpose = Purpose.TARGET,
    timeout: float = 8.0,  # noqa: ASYNC109 (it is recorded, not raised)
    source: str | None = None,
    allowed: Callable[[str], bool] = is_public,
) -> tuple[TcpStep, trio.SocketStream | None]:
    """The stream is None exactly where the record has a failure. Nothing is sent to an address that `allowed` refuses:
    the record then says `dns_bogon_error`, the only way in which such an address gets here."""
    t0 = trace.now()

    facts: dict[str, Any] = {"t0": t0, "address": address, "port": port, "purpose": purpose}
    if not allowed(address):
        return TcpStep(t=trace.now(), failure=Failure.DNS_BOGON_ERROR, **facts), None
    if parse_address(address) is None or not 0 < port < 65536:
        return TcpStep(t=trace.now(), failure=Failure.INVALID_ARGUMENT, **facts), None
    try:
        with trio.fail_after(timeout):
            stream = await _open(address, port, source)
    except (OSError, trio.TooSlowError) as exc:
        trace.traffic.add(*(_UNANSWERED if isinstance(exc, trio.TooSlowError) else _REFUSED))
        errno = errno_name(exc) if isinstance(exc, OSError) else None
        return TcpStep(t=trace.now(), failure=failure_of(exc), errno=errno, **facts), None
    trace.traffic.add(*_OPENED)
    return TcpStep(t=trace.now(), rtt=kernel_rtt(stream.socket), **facts), stream


async def _open(address: str, port: int, source: str | None) -> trio.SocketStream:
    sock = trio.socket.socket(family_of(address), socket.SOCK_STREAM)
    try:
        if source is not None:
            await sock.bind((source, 0))
        await sock.connect((address, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return trio.SocketStream(sock)
    except BaseException:
        sock.close()
        raise


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if isinstance(parse_address(address), ipaddress.IPv6Address) else socket.AF_INET


def kernel_rtt(sock: trio.socket.SocketType) -> float | None:
    """The kernel's smoothed round-trip time in seconds: free of this process's own delays. None where not Linux."""
    if sys.platform != "linux":
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 256)
    except OSError:
        return None
    if len(info) < _RTT_OFFSET + 4:
        return None
    microseconds: int = struct.unpack_from("=I", info, _RTT_OFFSET)[0]
    return microseconds / 1e6 or None


def failure_of(exc: BaseException) -> str:
    match exc:
        case trio.TooSlowError():
            return Failure.GENERIC_TIMEOUT_ERROR
        case OSError():
            return failure_of_oserror(exc)
        case trio.BrokenResourceError() if isinstance(exc.__cause__, OSError):
            return failure_of_oserror(exc.__cause__)
    return unknown(exc)
