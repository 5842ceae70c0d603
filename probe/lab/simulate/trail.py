"""The records of one measurement in the making: each step begins where the one before it ended."""

import hashlib
import random

from probe.wire.steps import AnyStep, DnsReply, DnsStep, HttpStep, TcpStep, TlsStep
from probe.wire.vocabulary import Failure, Purpose

DNS_TIMEOUT, TCP_TIMEOUT, TLS_TIMEOUT, HTTP_IDLE = 4.0, 8.0, 8.0, 8.0
HALF = 0.5  # of a timeout, when repeated
_RCODES = {
    Failure.DNS_NXDOMAIN_ERROR: "NXDOMAIN",
    Failure.DNS_REFUSED_ERROR: "REFUSED",
    Failure.DNS_SERVFAIL_ERROR: "SERVFAIL",
    Failure.DNS_NO_ANSWER: "NOERROR",
}
_ERRNOS = {
    Failure.GENERIC_TIMEOUT_ERROR: "ETIMEDOUT",
    Failure.CONNECTION_REFUSED: "ECONNREFUSED",
    Failure.HOST_UNREACHABLE: "EHOSTUNREACH",
    Failure.NETWORK_UNREACHABLE: "ENETUNREACH",
}
_HANDSHAKE = 4800  # bytes that a server sends
_NEVER_REACHED = frozenset({Failure.NETWORK_UNREACHABLE, Failure.HOST_UNREACHABLE})
_ISSUER = "CN=Example Issuing CA R1,O=Example Trust,C=US"


class Trail:
    """`distance` is the time to a server and back, seconds; `resolver` the system's."""

    def __init__(self, resolver: str, distance: float, chance: random.Random) -> None:
        self.steps: list[AnyStep] = []
        self.now = 0.0
        self._resolver, self._distance, self._chance = resolver, distance, chance

    def ask(
        self,
        name: str,
        answers: tuple[str, ...] = (),
        *,
        purpose: Purpose = Purpose.TARGET,
        resolver: str | None = None,
        failure: str | None = None,
        forged: tuple[str, ...] = (),
        scale: float = 1.0,
    ) -> DnsStep:
        """A question for IPv4 addresses. `forged` arrives before the answer, from nearer."""
        silent = failure == Failure.GENERIC_TIMEOUT_ERROR
        lost = silent or failure in _NEVER_REACHED
        took = DNS_TIMEOUT * scale if silent else self._delay()
        replies = () if lost else (self._reply(took, answers, failure),)
        if forged:
            replies = (self._reply(took / 2, forged, None, ip_ttl=58), *replies)
        t0, t = self._span(took)
        step = DnsStep(
            t0=t0,
            t=t,
            purpose=purpose,
            failure=failure if not forged else None,
            name=name,
            qtype="A",
            resolver=resolver or self._resolver,
            transport="https" if purpose is Purpose.TRUSTED else "udp",
            replies=replies if purpose is not Purpose.TRUSTED else (),
            answers=forged or answers,
            sent=2 if silent else 1,
        )
        self.steps.append(step)
        return step

    def connect(
        self,
        address: str,
        port: int,
        *,
        purpose: Purpose = Purpose.TARGET,
        failure: str | None = None,
        scale: float = 1.0,
    ) -> TcpStep:
        silent = failure == Failure.GENERIC_TIMEOUT_ERROR
        took = TCP_TIMEOUT * scale if silent else self._delay()
        t0, t = self._span(took)
        step = TcpStep(
            t0=t0,
            t=t,
            purpose=purpose,
            failure=failure,
            address=address,
            port=port,
            errno=_ERRNOS.get(Failure(failure)) if failure else None,
            rtt=round(took, 4) if failure is None else None,
        )
        self.steps.append(step)
        return step

    def shake(
        self,
        address: str,
        port: int,
        sni: str,
        *,
        purpose: Purpose = Purpose.TARGET,
        failure: str | None = None,
        forger: str | None = None,
        profile: str = "default",
        took: float | None = None,
        scale: float = 1.0,
    ) -> TlsStep:
        """`forger` issues the certificate in the place of the site's own authority."""
        silent = failure == Failure.GENERIC_TIMEOUT_ERROR
        delay = self._delay()
        t0, t = self._span(took or (TLS_TIMEOUT * scale if silent else 2 * delay))
        facts: dict[str, object] = {}
        if failure is None:
            facts = _certificate(sni, forger) | {"first_byte": round(t0 + delay, 4), "bytes_read": _HANDSHAKE}
        step = TlsStep(
            t0=t0,
            t=t,
            purpose=purpose,
            failure=failure,
            address=address,
            port=port,
            sni=sni,
            profile=profile,
            hello_size=200 if profile == "small" else 517,
            **facts,  # type: ignore[arg-type]
        )
        self.steps.append(step)
        return step

    def fetch(
        self,
        url: str,
        address: str,
        port: int,
        *,
        status: int,
        length: int,
        trusted: bool,
        purpose: Purpose = Purpose.TARGET,
        title: str = "",
        body: bytes = b"",
        stall: bool = False,
        took: float | None = None,
        scale: float = 1.0,
    ) -> HttpStep:
        """`stall`: nothing comes any more after `length` bytes."""
        delay = self._delay()
        flowing = took or 2 * delay
        t0, t = self._span(flowing + (HTTP_IDLE * scale if stall else 0))
        step = HttpStep(
            t0=t0,
            t=t,
            purpose=purpose,
            failure=Failure.GENERIC_TIMEOUT_ERROR if stall else None,
            url=url,
            address=address,
            port=port,
            protocol="http/1.1",
            trusted=trusted,
            status=status,
            headers=(("content-type", "text/html"), ("server", "example")),
            title=title or None,
            body=body,
            body_sha256=hashlib.sha256(body or f"{url} {length}".encode()).hexdigest(),
            body_length=length,
            first_byte=round(t0 + delay, 4),
            last_byte=round(t0 + flowing, 4),
            bytes_read=length + 300,
        )
        self.steps.append(step)
        return step

    def wait(self, seconds: float) -> None:
        """The pause before a repeat."""
        self.now = round(self.now + seconds, 4)

    def _reply(self, at: float, answers: tuple[str, ...], failure: str | None, *, ip_ttl: int | None = 52) -> DnsReply:
        rcode = _RCODES.get(Failure(failure), "NOERROR") if failure else "NOERROR"
        t, size = round(self.now + at, 4), 60 + 16 * len(answers)
        return DnsReply(t=t, size=size, ip_ttl=ip_ttl, rcode=rcode, addresses=answers, min_ttl=60 if answers else None)

    def _span(self, took: float) -> tuple[float, float]:
        began, self.now = self.now, round(self.now + took, 4)
        return began, self.now

    def _delay(self) -> float:
        return self._distance * self._chance.lognormvariate(0, 0.15)


def _certificate(sni: str, forger: str | None) -> dict[str, object]:
    issuer = forger or _ISSUER
    return {
        "version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "alpn": "h2",
        "chain_sha256": hashlib.sha256(f"{issuer} {sni}".encode()).hexdigest(),
        "issuer": issuer,
        "not_after": "2031-01-01T00:00:00Z",
        "chain_valid": forger is None,
        "chain_failure": Failure.SSL_UNKNOWN_AUTHORITY if forger else None,
        "host_match": True,
    }
