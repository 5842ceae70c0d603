"""Any sequence of steps that could be recorded, for property tests."""

from hypothesis import strategies as st

from probe.wire.expectations import Expectation
from probe.wire.measurement import Surroundings
from probe.wire.steps import AnyStep, DnsReply, DnsStep, HttpStep, TcpStep, TlsStep
from probe.wire.vocabulary import Failure, Purpose

from .records import EXPIRED, FIT, FORGED, FRONT, NODE, NOTICE, SELF_SIGNED, SITE, SITE6, SPARE, STRANGER, VALID, WORKS

HOSTS = st.sampled_from(["x.com", "www.x.com", "example.com", "notice.isp.example", SITE])
ADDRESSES = st.sampled_from(
    [SITE, SPARE, NODE, SITE6, NOTICE, STRANGER, "10.10.34.35", "127.0.0.1", "0.0.0.0", "::1", "64:ff9b::68f4:2a01"]
)
URLS = st.builds("{}://{}{}".format, st.sampled_from(["http", "https"]), HOSTS, st.sampled_from(["", "/", "/login"]))
ENDPOINTS = st.one_of(
    URLS,
    st.builds("{}://{}:{}".format, st.sampled_from(["tcp", "tls", "quic"]), HOSTS, st.sampled_from([443, 80, 5222])),
    st.just("dns:x.com"),
    st.just("https://x.com:8443/"),
    st.just(f"https://[{SITE6}]/"),
)
FAILURES = st.none() | st.sampled_from(list(Failure)).map(str) | st.just("unknown_failure: something")
PURPOSES = st.sampled_from(list(Purpose))
TIMES = st.floats(0, 60, allow_nan=False)
TITLES = st.none() | st.sampled_from(["X", "Notice", "Just a moment...", ""])
SHOWN = st.sampled_from([VALID, FRONT, EXPIRED, SELF_SIGNED, FORGED])

REPLIES = st.builds(
    DnsReply,
    t=TIMES,
    size=st.integers(0, 4096),
    matches=st.booleans(),
    rcode=st.none() | st.sampled_from(["NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED", "23"]),
    addresses=st.lists(ADDRESSES, max_size=3).map(tuple),
    cnames=st.lists(HOSTS, max_size=2).map(tuple),
    truncated=st.booleans(),
)
LOOKUPS = st.builds(
    DnsStep,
    t0=TIMES,
    t=TIMES,
    purpose=PURPOSES,
    failure=FAILURES,
    name=HOSTS,
    qtype=st.sampled_from(["A", "AAAA", "TXT"]),
    resolver=st.sampled_from(["9.9.9.9", "system"]),
    transport=st.just("udp"),
    replies=st.lists(REPLIES, max_size=3).map(tuple),
    answers=st.lists(ADDRESSES, max_size=3).map(tuple),
    sent=st.integers(1, 3),
)
CONNECTS = st.builds(
    TcpStep,
    t0=TIMES,
    t=TIMES,
    purpose=PURPOSES,
    failure=FAILURES,
    address=ADDRESSES,
    port=st.sampled_from([443, 80, 5222, 8443]),
)
_BROKEN = st.builds(
    TlsStep,
    t0=TIMES,
    t=TIMES,
    purpose=PURPOSES,
    failure=FAILURES,
    address=ADDRESSES,
    port=st.sampled_from([443, 8443]),
    sni=st.none() | HOSTS,
    profile=st.sampled_from(["default", "split", "small"]),
    bytes_read=st.integers(0, 5000),
    alert=st.none() | st.just("handshake_failure"),
)
_FINISHED = st.builds(
    lambda shown, **facts: TlsStep(**shown._asdict(), **facts),
    SHOWN,
    t0=TIMES,
    t=TIMES,
    purpose=PURPOSES,
    address=ADDRESSES,
    port=st.just(443),
    sni=st.none() | HOSTS,
)
HANDSHAKES = _BROKEN | _FINISHED
PAGES = st.builds(
    HttpStep,
    t0=TIMES,
    t=TIMES,
    purpose=PURPOSES,
    failure=FAILURES,
    url=URLS,
    address=st.none() | ADDRESSES,
    trusted=st.booleans(),
    status=st.none() | st.integers(100, 599),
    location=st.none() | URLS,
    title=TITLES,
    body=st.sampled_from([b"", b"law nr. 5651", b"\xff\x00"]),
    body_length=st.none() | st.integers(0, 100_000),
    body_truncated=st.booleans(),
    body_sha256=st.none() | st.just("0" * 64),
    bytes_read=st.integers(0, 100_000),
)
STEPS: st.SearchStrategy[list[AnyStep]] = st.lists(LOOKUPS | CONNECTS | HANDSHAKES | PAGES, max_size=14)

_MAYBE = st.none() | st.booleans()
EXPECTATIONS = st.none() | st.just(WORKS) | st.builds(
    Expectation,
    addresses=st.lists(ADDRESSES, max_size=2).map(tuple),
    dns_failure=FAILURES,
    tcp_ok=_MAYBE,
    tls_ok=_MAYBE,
    chain_valid=_MAYBE,
    chain_failure=st.none() | st.just("ssl_unknown_authority"),
    host_match=_MAYBE,
    http_ok=_MAYBE,
    status=st.none() | st.integers(100, 599),
    title=TITLES,
    body_length=st.none() | st.integers(0, 100_000),
    hosts=st.lists(HOSTS, max_size=2).map(tuple),
)  # fmt: skip
AROUND = st.none() | st.just(FIT) | st.builds(
    Surroundings,
    anchors=st.just(FIT.anchors),
    rewrite=st.lists(ADDRESSES, max_size=2).map(tuple),
    resolver_ok=_MAYBE,
    private_neutral=st.booleans(),
    ipv6=_MAYBE,
)  # fmt: skip
