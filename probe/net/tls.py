"""One TLS handshake, and then, outside the time that is recorded, what its certificates prove."""

import datetime as dt
import functools
import hashlib
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import trio

from probe.net.chain import Proof, Roots, RootsError, prove
from probe.net.failures import causes, failure_of_oserror, unknown
from probe.net.meter import ByteStream, Meter
from probe.net.tls_stream import TlsStream, context_for
from probe.net.trace import Trace
from probe.wire.addresses import is_address
from probe.wire.steps import TlsStep
from probe.wire.vocabulary import Failure, Purpose

__all__ = ["Roots", "RootsError", "TlsStream", "alert_of", "failure_of", "handshake"]

_TICKETS = 500  # bytes that servers send after the handshake, whether or not anybody reads them
_INLINE_CHAIN = 16384  # bytes of certificates that are surely verified in under 20 ms; more goes to a thread


async def handshake(
    trace: Trace,
    stream: ByteStream,
    address: str,
    port: int,
    sni: str | None,
    *,
    roots: Roots,
    alpn: Sequence[str] = ("h2", "http/1.1"),
    profile: str = "default",
    purpose: Purpose = Purpose.TARGET,
    timeout: float = 8.0,  # noqa: ASYNC109 (it is recorded, not raised)
    verify_name: str | None = None,
    now: dt.datetime | None = None,
) -> tuple[TlsStep, TlsStream | None]:
    """The stream is None exactly where the record has a failure, and the one beneath is closed then.

    `profile`: `default`; `split`, the ClientHello in two segments, cut inside the name; `small`, TLS 1.2 with two
    ciphers and no ALPN. An address literal is never sent as SNI. `verify_name` is the name that the certificate is
    held against, by default the SNI, else the address; `now` the moment for its validity, by default the wall clock's.
    """
    sni = None if sni is None or is_address(sni) else sni
    facts: dict[str, Any] = {"address": address, "port": port, "sni": sni, "profile": profile, "purpose": purpose}
    t0 = trace.now()
    try:
        tls = TlsStream(stream, context_for(tuple(alpn), profile), sni)
    except (ValueError, TypeError, ssl.SSLError):  # no host name: empty, too long, with a null byte
        await Meter(stream).aclose()
        return TlsStep(t0=t0, t=trace.now(), failure=Failure.INVALID_ARGUMENT, **facts), None
    tls.meter.traffic = trace.traffic
    arrivals = _first_arrivals(trace, tls.meter)
    broken = await _negotiated(tls, functools.partial(_middle_of_name, sni) if profile == "split" else None, timeout)
    t = trace.now()
    facts |= {"hello_size": tls.hello_size, "first_byte": next(iter(arrivals), None), "bytes_read": tls.meter.received}
    if broken is not None:
        return TlsStep(t0=t0, t=t, failure=failure_of(broken), alert=alert_of(broken), **facts), None
    if tls.version == "TLSv1.3":
        trace.traffic.stream(received=_TICKETS)
    facts |= {"version": tls.version, "cipher": tls.cipher, "alpn": tls.alpn}
    chain = tls.chain()
    proof = await _proof(chain, verify_name or sni or address, roots, now or dt.datetime.now(dt.UTC), timeout)
    return TlsStep(t0=t0, t=t, **facts, **_certificate(chain, proof)), tls


def _first_arrivals(trace: Trace, meter: Meter) -> list[float]:
    """Fills with the time of the first byte from the server, once it has come."""
    arrivals: list[float] = []

    def heard() -> None:
        arrivals.append(trace.now())
        meter.heard = None

    meter.heard = heard
    return arrivals


async def _negotiated(tls: TlsStream, cut: Callable[[bytes], int] | None, seconds: float) -> Exception | None:
    """What broke the handshake. The stream is closed then, and where the handshake is cancelled."""
    finished = False
    try:
        with trio.fail_after(seconds):
            await tls.negotiate(cut)
        finished = True
    except (OSError, trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError) as exc:
        return exc
    finally:
        if not finished:
            await tls.aclose()
    return None


def _middle_of_name(sni: str | None, hello: bytes) -> int:
    """Where to cut: inside the name, where there is one, else in the middle."""
    name = sni.encode("idna") if sni else b""
    at = hello.find(name) if name else -1
    return at + max(1, len(name) // 2) if at > 0 else len(hello) // 2


async def _proof(chain: tuple[bytes, ...], name: str, roots: Roots, moment: dt.datetime, seconds: float) -> Proof:
    if not chain:
        return Proof(failure=Failure.SSL_INVALID_CERTIFICATE)
    if sum(map(len, chain)) <= _INLINE_CHAIN:
        return prove(chain, name, roots, moment)
    with trio.move_on_after(seconds):
        return await trio.to_thread.run_sync(prove, chain, name, roots, moment, abandon_on_cancel=True)
    return Proof(failure=Failure.SSL_INVALID_CERTIFICATE)


def _certificate(chain: tuple[bytes, ...], proof: Proof) -> dict[str, Any]:
    return {
        "chain": chain,
        "chain_sha256": hashlib.sha256(b"".join(chain)).hexdigest(),
        "chain_valid": proof.failure is None,
        "chain_failure": proof.failure,
        "host_match": proof.host_match,
        "issuer": proof.issuer,
        "not_after": proof.not_after,
    }


def alert_of(exc: BaseException) -> str | None:
    """The alert that the server sent, by its name in RFC 8446, where that is what ended the handshake."""
    reason = next((link.reason for link in causes(exc) if isinstance(link, ssl.SSLError)), None) or ""
    protocol, _, name = reason.partition("_")
    return name.removeprefix("ALERT_").lower() if protocol in {"SSLV3", "TLSV1", "TLSV13"} else None


def failure_of(exc: BaseException) -> str:
    for link in causes(exc):
        match link:
            case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
                return Failure.EOF_ERROR
            case ssl.SSLError():  # an OSError too, but its errno is none
                return Failure.SSL_FAILED_HANDSHAKE
            case OSError():
                return failure_of_oserror(link)
            case trio.TooSlowError():
                return Failure.GENERIC_TIMEOUT_ERROR
            case trio.ClosedResourceError():
                return Failure.CONNECTION_ALREADY_CLOSED
    return Failure.CONNECTION_RESET if isinstance(exc, trio.BrokenResourceError) else unknown(exc)
