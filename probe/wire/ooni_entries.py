"""Our steps as the entries of OONI's test keys (df-001, df-002, df-005, df-006, df-008).

What OONI's format has no field for goes into `tags`, which it leaves open: `purpose=...` says what a follow-up
changed; `endpoint`, `transport`, `profile` and `body_length` are as in our records. Readers of OONI's data pass over
them.
"""

import base64
from collections.abc import Iterable
from typing import Any

from probe.wire.addresses import is_address, parse_address, scrub
from probe.wire.measurement import Measurement
from probe.wire.steps import AnyStep, DnsReply, DnsStep, HttpStep, TcpStep, TlsStep
from probe.wire.strangers import acquainted, body_without_strangers
from probe.wire.vocabulary import Failure, Purpose

Entry = dict[str, Any]

# The address of any other resolver is told by nobody: a home router's IPv6 address is the volunteer's.
_NAMED_RESOLVERS = frozenset({Purpose.TRUSTED, Purpose.TRUSTED_UDP, Purpose.SILENT_NEUTRAL, Purpose.SILENT_TARGET})
_ENGINES = {"https": "doh", "tcp": "tcp"}
_FAILURES: dict[str | None, str | None] = {
    "NXDOMAIN": Failure.DNS_NXDOMAIN_ERROR,
    "REFUSED": Failure.DNS_REFUSED_ERROR,
    "SERVFAIL": Failure.DNS_SERVFAIL_ERROR,
}


class Entries:
    """The lists of one document's test keys; `add` takes the steps of one measurement after the other.

    `shift` is the measurement's start after the document's, in seconds.
    """

    def __init__(self) -> None:
        self.queries: list[Entry] = []
        self.duplicates: list[Entry] = []
        self.tcp_connect: list[Entry] = []
        self.tls_handshakes: list[Entry] = []
        self.requests: list[Entry] = []
        self.network_events: list[Entry] = []
        self._transaction = 0

    def add(self, measurement: Measurement, shift: float) -> None:
        steps = measurement.steps
        known = acquainted(steps)
        chains = {step.chain_sha256: step.chain for step in steps if isinstance(step, TlsStep) and step.chain}
        connections: dict[tuple[str | None, int | None], int] = {}
        depth = 0
        for step in steps:
            shared = self._shared(step, depth, shift, known, measurement.endpoint)
            match step:
                case DnsStep():
                    self._dns(step, shared, shift)
                case TcpStep():
                    connections[step.address, step.port] = shared["transaction_id"]
                    self._tcp(step, shared)
                case TlsStep():
                    _join(connections, step, shared)
                    self._tls(step, shared, step.chain or chains.get(step.chain_sha256, ()), shift)
                case HttpStep():
                    _join(connections, step, shared)
                    self._http(step, shared, known)
                    self._read(step, shared, shift)
                    depth += step.location is not None and step.purpose is Purpose.TARGET

    def test_keys(self) -> Entry:
        return {
            "agent": "redirect",
            "queries": self.queries,
            "tcp_connect": self.tcp_connect,
            "tls_handshakes": self.tls_handshakes,
            "requests": sorted(self.requests, key=lambda entry: entry["t"])[::-1],
            "network_events": sorted(self.network_events, key=lambda event: event["t"]),
            **({"x_dns_duplicate_responses": self.duplicates} if self.duplicates else {}),
        }

    def _shared(self, step: AnyStep, depth: int, shift: float, known: frozenset[str], endpoint: str) -> Entry:
        self._transaction += 1
        classic = ["classic"] if step.purpose is Purpose.TARGET else []
        return {
            "failure": scrub(step.failure, known) if step.failure else None,
            "t0": round(step.t0 + shift, 6),
            "t": round(step.t + shift, 6),
            "tags": [*classic, f"depth={depth}", f"purpose={step.purpose}", f"endpoint={endpoint}"],
            "transaction_id": self._transaction,
        }

    def _event(self, operation: str, shared: Entry, t: float, **more: object) -> None:
        event = {"operation": operation, "failure": None, "t": t, "transaction_id": shared["transaction_id"]}
        self.network_events.append({**event, **more})

    def _read(self, step: TlsStep | HttpStep, shared: Entry, shift: float) -> None:
        if step.bytes_read:
            first = shared["t"] if step.first_byte is None else round(step.first_byte + shift, 6)
            self._event("read", shared, first, num_bytes=step.bytes_read, proto="tcp")

    def _dns(self, step: DnsStep, shared: Entry, shift: float) -> None:
        replies = [reply for reply in step.replies if reply.matches]
        named = step.purpose in _NAMED_RESOLVERS
        entry = {
            "hostname": step.name,
            "query_type": step.qtype,
            "engine": _ENGINES.get(step.transport, "udp") if named else "system",
            "resolver_address": _resolver_address(step.resolver) if named else "",
            "resolver_hostname": None,
            "resolver_port": None,
            **shared,
            "tags": [*shared["tags"], f"transport={step.transport}"],
        }
        self._event("resolve_start", shared, shared["t0"])
        self._event("resolve_done", shared, shared["t"], failure=shared["failure"])
        self.queries.append({**entry, "answers": _answers(step.answers, replies[:1])})
        for reply in replies[1:]:
            wrong = _FAILURES.get(reply.rcode, None if reply.addresses else Failure.DNS_NO_ANSWER)
            late = {"failure": wrong, "t": round(reply.t + shift, 6)}
            self.duplicates.append({**entry, **late, "answers": _answers(reply.addresses, [reply])})

    def _tcp(self, step: TcpStep, shared: Entry) -> None:
        wrong = shared.pop("failure")
        status = {"failure": wrong, "success": wrong is None}
        self.tcp_connect.append({"ip": step.address, "port": step.port, "status": status, **shared})
        address = _endpoint(step.address, step.port)
        self._event("connect", shared, shared["t"], failure=wrong, address=address, proto="tcp")

    def _tls(self, step: TlsStep, shared: Entry, chain: Iterable[bytes], shift: float) -> None:
        shared["failure"] = shared["failure"] or _complaint(step)
        verified = step.chain_valid is True and step.host_match is True
        self._event("tls_handshake_start", shared, shared["t0"])
        self._read(step, shared, shift)
        self._event("tls_handshake_done", shared, shared["t"], failure=shared["failure"])
        self.tls_handshakes.append(
            {
                "network": "tcp",
                "address": _endpoint(step.address, step.port),
                "server_name": step.sni or "",
                "cipher_suite": step.cipher or "",
                "negotiated_protocol": step.alpn or "",
                "no_tls_verify": shared["failure"] is None and not verified,
                "peer_certificates": [_base64(der) for der in chain],
                "tls_version": step.version or "",
                **shared,
                "tags": [*shared["tags"], f"profile={step.profile}"],
            }
        )

    def _http(self, step: HttpStep, shared: Entry, known: frozenset[str]) -> None:
        headers = [(name, scrub(value, known)) for name, value in step.headers]
        body = body_without_strangers(step.body, known)
        length = [f"body_length={step.body_length}"] if step.body_length is not None else []
        request_headers = [("Host", step.host)] if step.host else []
        self.requests.append(
            {
                "network": "tcp",
                "address": _endpoint(step.address, step.port) if step.address and step.port else "",
                "alpn": step.protocol or "",
                "request": {
                    "method": step.method,
                    "url": scrub(step.url, known),
                    "headers": dict(request_headers),
                    "headers_list": [list(pair) for pair in request_headers],
                    "body": "",
                    "body_is_truncated": False,
                    "tor": {"is_tor": False, "exit_ip": None, "exit_name": None},
                    "x_transport": "tcp",
                },
                "response": {
                    "code": step.status or 0,
                    "headers": dict(reversed(headers)),
                    "headers_list": [list(pair) for pair in headers],
                    "body": _maybe_binary(body),
                    "body_is_truncated": step.body_truncated or len(body) < (step.body_length or 0),
                },
                **shared,
                "tags": [*shared["tags"], *length],
            }
        )


def _join(connections: dict[tuple[str | None, int | None], int], step: TlsStep | HttpStep, shared: Entry) -> None:
    """What follows a connect to the same address and port is the same transaction."""
    shared["transaction_id"] = connections.setdefault((step.address, step.port), shared["transaction_id"])


def _complaint(step: TlsStep) -> str | None:
    """OONI verifies while it shakes hands, so there a bad certificate is the handshake's failure."""
    if step.failure is None and step.chain_valid is False:
        return step.chain_failure or Failure.SSL_INVALID_CERTIFICATE
    return Failure.SSL_INVALID_HOSTNAME if step.failure is None and step.host_match is False else None


def _answers(addresses: tuple[str, ...], replies: list[DnsReply]) -> list[Entry]:
    reply = replies[0] if replies else None
    ttl = reply.min_ttl if reply else None
    cnames = [{"answer_type": "CNAME", "hostname": name, "ttl": ttl} for name in (reply.cnames if reply else ())]
    return cnames + [
        {"answer_type": "AAAA", "ipv6": address, "ttl": ttl}
        if ":" in address
        else {"answer_type": "A", "ipv4": address, "ttl": ttl}
        for address in addresses
    ]


def _resolver_address(resolver: str) -> str:
    return _endpoint(str(parse_address(resolver)), 53) if is_address(resolver) else resolver


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _maybe_binary(body: bytes) -> str | Entry:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return _base64(body)


def _base64(data: bytes) -> Entry:
    return {"format": "base64", "data": base64.b64encode(data).decode("ascii")}
