"""What OONI recorded of the network, as our steps in the order in which they happened.

OONI keeps one list for each kind of step. web_connectivity 0.5 tags every entry with its redirect depth and gives the
steps of one connection one transaction id; older tests have their times, and the oldest not even those. So: hop by hop,
in each hop the lookups, then connection by connection (TCP, TLS, HTTP), by time where there is one.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from cryptography import x509

from probe.wire.ooni_dns import Answers, answers_of, depth, dns_steps, duplicates_of, told, told_purpose
from probe.wire.ooni_failures import CERTIFICATE, failure
from probe.wire.ooni_fields import (
    Document,
    a_label,
    binary,
    integer,
    part,
    parts,
    place,
    port,
    seconds,
    socket_address,
    span,
    text,
    texts,
)
from probe.wire.ooni_pages import http_step, received
from probe.wire.steps import AnyStep, DnsStep, TcpStep, TlsStep
from probe.wire.vocabulary import UNKNOWN_FAILURE, Failure, Purpose


class _Connection(NamedTuple):
    """A step with its place among the others; steps of one transaction are one connection."""

    depth: int
    transaction: int
    rank: int  # tcp, tls, http
    step: AnyStep


def steps(test_keys: Document, control: Iterable[str] = (), target: str | None = None) -> tuple[AnyStep, ...]:
    """`control` are the addresses that OONI's test helper resolved for `target`, the host of the input."""
    lookups = _lookups(test_keys)
    origin = _Origin(lookups, tuple(control), target)
    connections = [
        *_tcp(test_keys, origin),
        *_tls(test_keys, origin),
        *_http(test_keys, origin),
    ]
    depths = sorted({hop for hop, _ in lookups} | {connection.depth for connection in connections})
    ordered: list[AnyStep] = []
    for hop in depths:
        ordered += sorted((step for at, step in lookups if at == hop), key=lambda step: step.t)
        ordered += _in_order([connection for connection in connections if connection.depth == hop])
    return tuple(ordered)


def _in_order(connections: list[_Connection]) -> list[AnyStep]:
    """Without transaction ids all is one group, kind by kind: old documents time a request by its start."""
    together: dict[int, list[_Connection]] = {}
    for connection in connections:
        together.setdefault(connection.transaction, []).append(connection)
    groups = [sorted(group, key=lambda connection: (connection.rank, connection.step.t)) for group in together.values()]
    groups.sort(key=lambda group: (group[0].step.t0, group[0].rank, group[0].transaction))
    return [connection.step for group in groups for connection in group]


def _lookups(test_keys: Document) -> list[tuple[int, DnsStep]]:
    return [
        (depth(entry), step)
        for entry in parts(test_keys, "queries")
        for step in dns_steps(entry, duplicates_of(entry, test_keys))
    ]


class _Origin:
    """Who gave an address, so that a connection to it is known for the user's own or for a comparison."""

    def __init__(self, lookups: list[tuple[int, DnsStep]], control: tuple[str, ...], target: str | None) -> None:
        self._control = control
        self._lookups = [step for _, step in lookups]
        self._by_depth: dict[int, list[DnsStep]] = {}
        self._target = target
        for hop, step in lookups:
            self._by_depth.setdefault(hop, []).append(step)

    def answers(self, hop: int) -> Answers:
        at_hop = self._by_depth.get(hop, self._lookups)  # a hop on the same host asks nobody again
        mine = hop == 0 or any(step.name == self._target for step in at_hop)
        return answers_of(at_hop, self._control if mine else ())

    def purpose(self, entry: Document, address: str | None) -> Purpose:
        chosen = told_purpose(entry)
        if chosen is not None:
            return chosen
        purpose = self.answers(depth(entry)).purpose(address)
        beside = "fetch_body=false" in texts(entry, "tags")  # the https port of an http URL: ts-017, extension E001
        return Purpose.OTHER_PORT if beside and purpose is Purpose.TARGET else purpose


def _tcp(test_keys: Document, origin: _Origin) -> Iterable[_Connection]:
    for entry in parts(test_keys, "tcp_connect"):
        where = socket_address(f"{text(entry, 'ip')}:{port(entry, 'port')}")
        if where is None:
            continue
        address, number = where
        status = part(entry, "status")
        wrong = failure(status.get("failure"))
        if wrong is None and status.get("success") is False:
            wrong = f"{UNKNOWN_FAILURE}: connect failed"
        t0, t = span(entry)
        step = TcpStep(
            t0=t0,
            t=t,
            purpose=origin.purpose(entry, address),
            failure=wrong,
            address=address,
            port=number,
        )
        yield _Connection(depth(entry), integer(entry, "transaction_id") or 0, 0, step)


def _tls(test_keys: Document, origin: _Origin) -> Iterable[_Connection]:
    reads = _reads(test_keys)
    for entry in parts(test_keys, "tls_handshakes"):
        where = socket_address(text(entry, "address"))
        if where is None:
            continue
        transaction = integer(entry, "transaction_id") or 0
        purpose = origin.purpose(entry, where[0])
        yield _Connection(depth(entry), transaction, 1, _handshake(entry, where, purpose, reads.get(transaction, [])))


def _handshake(entry: Document, where: tuple[str, int], purpose: Purpose, reads: list[tuple[float, int]]) -> TlsStep:
    """OONI verifies while it shakes hands: a complaint about the certificate says that the handshake got there."""
    wrong = failure(entry.get("failure"))
    verified = wrong is None and entry.get("no_tls_verify") is not True
    t0, t = span(entry)
    first_byte, bytes_read = received(reads, t0, t)
    chain = tuple(der for item in _items(entry, "peer_certificates") if (der := binary(item)))
    issuer, not_after = _leaf(chain)
    return TlsStep(
        t0=t0,
        t=t,
        purpose=purpose,
        failure=None if wrong in CERTIFICATE else wrong,
        address=where[0],
        port=where[1],
        sni=a_label(text(entry, "server_name") or "") or None,
        profile=told(entry, "profile") or "default",
        version=text(entry, "tls_version"),
        cipher=text(entry, "cipher_suite"),
        alpn=text(entry, "negotiated_protocol"),
        chain=chain,
        chain_sha256=hashlib.sha256(b"".join(chain)).hexdigest() if chain else None,
        issuer=issuer,
        not_after=not_after,
        chain_valid=True if verified else (False if wrong in CERTIFICATE - {Failure.SSL_INVALID_HOSTNAME} else None),
        chain_failure=wrong if wrong in CERTIFICATE - {Failure.SSL_INVALID_HOSTNAME} else None,
        host_match=True if verified else (False if wrong == Failure.SSL_INVALID_HOSTNAME else None),
        first_byte=first_byte,
        bytes_read=bytes_read,
    )


def _items(entry: Document, key: str) -> list[object]:
    value = entry.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _leaf(chain: tuple[bytes, ...]) -> tuple[str | None, str | None]:
    """Issuer and end of validity of the leaf, where it can be parsed."""
    try:
        certificate = x509.load_der_x509_certificate(chain[0])
        return certificate.issuer.rfc4514_string(), f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    except (IndexError, ValueError):
        return None, None


def _reads(test_keys: Document) -> dict[int, list[tuple[float, int]]]:
    """When how many bytes came, by transaction (df-008-netevents): tells silence from a cut after ServerHello."""
    events: dict[int, list[tuple[float, int]]] = {}
    for entry in parts(test_keys, "network_events"):
        transaction, size = integer(entry, "transaction_id"), integer(entry, "num_bytes")
        if transaction and size and size > 0 and text(entry, "operation") == "read":
            events.setdefault(transaction, []).append((seconds(entry, "t") or 0.0, size))
    return {transaction: sorted(received) for transaction, received in events.items()}


def _http(test_keys: Document, origin: _Origin) -> Iterable[_Connection]:
    """OONI lists the last hop first."""
    doubtful, reads = _doubtful(test_keys), _reads(test_keys)
    for entry in reversed(parts(test_keys, "requests")):
        where = place(text(part(entry, "request"), "url"))
        address = (socket_address(text(entry, "address")) or (None, 0))[0]
        verified = where is not None and not any(name == where.host and address in {None, at} for name, at in doubtful)
        transaction = integer(entry, "transaction_id") or 0
        step = http_step(entry, origin.purpose(entry, address), reads.get(transaction, []), verified=verified)
        if step is not None:
            yield _Connection(depth(entry), transaction, 2, step)


def _doubtful(test_keys: Document) -> set[tuple[str, str]]:
    """Names and addresses whose certificate was not good or not looked at: a page from there proves nothing."""
    return {
        (a_label(text(entry, "server_name") or ""), where[0])
        for entry in parts(test_keys, "tls_handshakes")
        if (where := socket_address(text(entry, "address")))
        and (entry.get("no_tls_verify") is True or failure(entry.get("failure")) in CERTIFICATE)
    }
