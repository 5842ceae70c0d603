"""What each network step saw: facts only, one record a step, one record a redirect.

Times are seconds since the measurement began (`t0` the step's start, `t` its end). `failure` is a string of
`Failure` or `unknown_failure: TEXT`, and absent where the step succeeded. What was not measured is absent.
"""

import msgspec

from probe.wire.vocabulary import Purpose


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="step"):
    t0: float
    t: float
    purpose: Purpose = Purpose.TARGET
    failure: str | None = None


class DnsReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reply datagram, kept whether or not it can be parsed or belongs to the query."""

    t: float  # arrival, by the kernel's clock where it gives one
    size: int  # bytes
    ip_ttl: int | None = None  # IP time to live or hop limit on arrival: an injected reply usually has another one
    matches: bool = True  # same id and question as the query, from its address
    rcode: str | None = None  # NOERROR, NXDOMAIN, ...; absent where the reply cannot be parsed
    addresses: tuple[str, ...] = ()  # of A and AAAA records
    cnames: tuple[str, ...] = ()
    min_ttl: int | None = None  # smallest TTL of the answer records, seconds
    truncated: bool = False
    ede: tuple[int, ...] = ()  # extended DNS errors (RFC 8914)
    malformed: str | None = None  # why it could not be parsed


class DnsStep(Step, frozen=True, kw_only=True, tag="dns"):
    """One question to one resolver. `answers` is the set used: those of the first reply that matches."""

    name: str  # as asked: IDNA A-labels
    qtype: str  # A, AAAA, TXT
    resolver: str  # its address, or the URL of a resolver over HTTPS
    transport: str  # udp, tcp, https, or system (the platform's own getaddrinfo: OONI's older measurements)
    replies: tuple[DnsReply, ...] = ()
    answers: tuple[str, ...] = ()
    sent: int = 1  # datagrams sent, retransmissions included


class TcpStep(Step, frozen=True, kw_only=True, tag="tcp"):
    """One connect to one address."""

    address: str
    port: int
    errno: str | None = None  # ECONNREFUSED, ...
    rtt: float | None = None  # the kernel's smoothed RTT (TCP_INFO), seconds, Linux only


class TlsStep(Step, frozen=True, kw_only=True, tag="tls"):
    """One handshake that does not verify; the chain is verified afterwards, so `failure` never means the certificate.

    `chain_failure` is `ssl_unknown_authority` or `ssl_invalid_certificate`; `host_match` is judged apart from it.
    """

    address: str
    port: int
    sni: str | None  # None: no server_name extension
    profile: str = "default"  # which ClientHello: default, split, small
    hello_size: int | None = None  # bytes of the ClientHello record
    version: str | None = None  # TLSv1.3, ...
    cipher: str | None = None
    alpn: str | None = None
    chain: tuple[bytes, ...] = ()  # DER, leaf first; left out where an earlier record has the same chain_sha256
    chain_sha256: str | None = None  # of the concatenated DER
    issuer: str | None = None  # of the leaf, RFC 4514 text
    not_after: str | None = None  # of the leaf, RFC 3339
    chain_valid: bool | None = None
    chain_failure: str | None = None
    host_match: bool | None = None
    first_byte: float | None = None  # when the server's first byte came
    bytes_read: int = 0  # before the end of the step: 0 with a failure means before ServerHello
    alert: str | None = None  # a TLS alert that the server sent
    after_hit: str | None = None  # another name, whose handshake failed at this address shortly before

    @property
    def trusted(self) -> bool:
        """The server proved to be who the name says: the handshake finished over a valid chain for the right host."""
        return self.failure is None and self.chain_valid is True and self.host_match is True


class HttpStep(Step, frozen=True, kw_only=True, tag="http"):
    """One request and its response: one hop of a redirect chain."""

    url: str
    address: str | None = None
    port: int | None = None
    method: str = "GET"
    host: str | None = None  # the Host header, where it is not the URL's
    protocol: str | None = None  # http/1.1, h2
    trusted: bool = False  # came over a valid certificate for the right name
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()  # the chosen ones
    location: str | None = None  # the absolute URL of the next hop
    title: str | None = None
    body: bytes = b""  # the first 64 KiB, decoded from content encodings
    body_sha256: str | None = None  # of what was read
    body_length: int | None = None  # bytes of body that were read
    body_truncated: bool = False  # the server had more than was read
    first_byte: float | None = None
    last_byte: float | None = None  # when the last bytes came: a stall lies between it and the end
    bytes_read: int = 0  # on this connection since the request, before the end of the step


AnyStep = DnsStep | TcpStep | TlsStep | HttpStep
