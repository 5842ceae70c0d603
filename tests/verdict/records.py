"""Measurements made of plain records, so that a case of the judge's reads in a few lines.

Steps are given in the order in which they happened; `measured` gives them their times. Addresses are public ones,
since documentation addresses are no answer that an honest resolver gives.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from probe.catalogue.model import Fingerprint
from probe.verdict.fingerprints import Fingerprints
from probe.verdict.judge import judge
from probe.verdict.known import Known
from probe.wire.addresses import is_public
from probe.wire.expectations import Expectation
from probe.wire.measurement import AnchorSeen, Measurement, Network, Surroundings
from probe.wire.steps import AnyStep, DnsReply, DnsStep, HttpStep, TcpStep, TlsStep
from probe.wire.verdicts import Verdict
from probe.wire.vocabulary import Failure, Purpose

SITE, SPARE, NODE = "104.244.42.1", "104.244.42.65", "162.159.140.229"  # X; the last on another network's node
SITE6 = "2606:4700:7::a29f:8ce5"
NOTICE, STRANGER = "195.175.254.2", "88.255.216.20"  # a known notice server; one that nobody knows
ISP_RESOLVER, TRUSTED_URL, TRUSTED_PLAIN = "195.175.39.39", "https://cloudflare-dns.com/dns-query", "1.1.1.1"
NEUTRAL = "example.com"
TIMEOUT, RESET, CLOSED, REFUSED = (
    str(Failure.GENERIC_TIMEOUT_ERROR),
    str(Failure.CONNECTION_RESET),
    str(Failure.EOF_ERROR),
    str(Failure.CONNECTION_REFUSED),
)
NXDOMAIN, SERVFAIL, NO_ANSWER, REFUSES = (
    str(Failure.DNS_NXDOMAIN_ERROR),
    str(Failure.DNS_SERVFAIL_ERROR),
    str(Failure.DNS_NO_ANSWER),
    str(Failure.DNS_REFUSED_ERROR),
)
_RCODES = {NXDOMAIN: "NXDOMAIN", SERVFAIL: "SERVFAIL", NO_ANSWER: "NOERROR", REFUSES: "REFUSED", None: "NOERROR"}


class Certificate(NamedTuple):
    """What a server showed, by what verification says of it."""

    chain_sha256: str
    issuer: str
    chain_valid: bool = True
    host_match: bool = True
    chain_failure: str | None = None
    chain: tuple[bytes, ...] = (b"leaf", b"intermediate")


VALID = Certificate("a" * 64, "CN=Public CA")
FRONT = Certificate("b" * 64, "CN=Public CA", host_match=False)  # of a server that does not know the name
EXPIRED = VALID._replace(chain_sha256="c" * 64, chain_valid=False, chain_failure="ssl_invalid_certificate")
SELF_SIGNED = Certificate("d" * 64, "CN=self", False, True, "ssl_unknown_authority", (b"leaf",))
FORGED = Certificate("e" * 64, "CN=Gateway", False, True, "ssl_unknown_authority")

# --- steps ---


def reply(*addresses: str, rcode: str = "NOERROR", **more: Any) -> DnsReply:
    return DnsReply(t=0.02, size=60, rcode=rcode, addresses=addresses, **more)


def lookup(host: str, told: Sequence[str] | str, *, purpose: Purpose = Purpose.TARGET, **more: Any) -> DnsStep:
    """A question and its one reply. `told` is what the answer holds, or the failure."""
    over_https = purpose is Purpose.TRUSTED
    failure, answers = (told, ()) if isinstance(told, str) else (None, tuple(told))
    facts: dict[str, Any] = {"qtype": "A", "resolver": ISP_RESOLVER, "transport": "udp"}
    if over_https:
        facts |= {"resolver": TRUSTED_URL, "transport": "https"}
    if failure in _RCODES:
        facts["replies"] = (reply(*answers, rcode=_RCODES[failure]),)
    return DnsStep(t0=0, t=0, name=host, purpose=purpose, failure=failure, answers=answers, **facts | more)


def trusted(host: str, told: Sequence[str] | str) -> DnsStep:
    return lookup(host, told, purpose=Purpose.TRUSTED)


def connect(address: str, failure: str | None = None, *, port: int = 443, **more: Any) -> TcpStep:
    return TcpStep(t0=0, t=0, address=address, port=port, failure=failure, **more)


def shake(host: str, address: str, shows: Certificate | str = VALID, **more: Any) -> TlsStep:
    """A handshake that ended with a certificate, or a failure."""
    if isinstance(shows, str):
        return TlsStep(t0=0, t=0, address=address, port=443, sni=host, failure=shows, **more)
    facts = shows._asdict() | {"bytes_read": 4000, "version": "TLSv1.3"}
    return TlsStep(t0=0, t=0, address=address, port=443, sni=host, **facts | more)


def page(url: str, address: str = SITE, **more: Any) -> HttpStep:
    facts: dict[str, Any] = {"t0": 0, "t": 0, "trusted": url.startswith("https:")}
    facts |= {"status": 200, "title": "X", "body_length": 5000}
    if more.get("failure"):
        facts |= {"status": None, "title": None, "body_length": None}
    return HttpStep(url=url, address=address, **facts | more)


def repeated(step: Any) -> Any:
    return msgspec.structs.replace(step, purpose=Purpose.REPEAT)


# --- measurements ---

RIGHT = (
    AnchorSeen(url="http://connectivitycheck.gstatic.com/generate_204", operator="Google", seen="right"),
    AnchorSeen(url="http://detectportal.firefox.com/success.txt", operator="Mozilla", seen="right"),
    AnchorSeen(url="https://example.com/", operator="IANA", seen="right"),
    AnchorSeen(url="https://www.iana.org/", operator="IANA", seen="right"),
)
FIT = Surroundings(anchors=RIGHT, resolver_ok=True, ipv6=False, trusted_resolvers=True)


def measured(url: str, *steps: AnyStep, around: Surroundings | None = FIT, **more: Any) -> Measurement:
    """The steps one after the other, a tenth of a second each (eight seconds for silence)."""
    now, timed = 0.0, list[AnyStep]()
    for step in steps:
        took = 8.0 if step.failure == TIMEOUT else 0.1
        timed.append(msgspec.structs.replace(step, t0=now, t=now + took) if not step.t else step)
        now = timed[-1].t
    facts: dict[str, Any] = {"network": Network(asn=9121, country="TR", resolver_asn=9121)}
    began = dt.datetime(2020, 2, 27, 20, 30, tzinfo=dt.UTC)
    return Measurement(
        id="0", endpoint=url, started_at=began, duration=now, steps=tuple(timed), surroundings=around, **facts | more
    )


def https(
    host: str = "x.com",
    *,
    dns: Sequence[str] | str = (SITE,),
    true: Sequence[str] | str = (SITE,),
    tcp: str | None = None,
    tls: Certificate | str = VALID,
    innocuous: Certificate | str | None = None,
    then: Sequence[AnyStep] = (),
    around: Surroundings | None = FIT,
) -> Measurement:
    """An https endpoint: what its resolver and the trusted ones said, how the connect, the innocuous handshake before
    it and its own handshake went, and the follow-ups. A valid certificate brings a page."""
    steps: list[AnyStep] = [lookup(host, dns), trusted(host, true)]
    address = next((told for told in dns if is_public(told)), None) if not isinstance(dns, str) else None
    if address is not None:
        steps.append(connect(address, tcp))
    if address is not None and tcp is None:
        if innocuous is not None:
            steps.append(shake(NEUTRAL, address, innocuous, purpose=Purpose.INNOCUOUS))
        steps.append(shake(host, address, tls))
        steps += [page(f"https://{host}/", address)] if tls == VALID else []
    return measured(f"https://{host}/", *steps, *then, around=around)


def http(host: str, got: HttpStep, *then: AnyStep, dns: Sequence[str] = (SITE,), **more: Any) -> Measurement:
    steps = (lookup(host, dns), trusted(host, (SITE,)), connect(dns[0], port=80), got)
    return measured(f"http://{host}/", *steps, *then, **more)


# --- knowledge ---

MARKS = Fingerprints(
    (
        Fingerprint(
            name="tr-notice", location="dns", pattern_type="full", pattern=NOTICE, scope="nat", countries=("TR",)
        ),
        Fingerprint(name="tr-family", location="dns", pattern_type="full", pattern="193.192.98.41", scope="opt-in"),
        Fingerprint(name="tr-law", location="body", pattern_type="contains", pattern="law nr. 5651", scope="nat"),
        Fingerprint(
            name="tr-esb", location="url", pattern_type="prefix", pattern="http://aidiyet.esb.org.tr/", scope="nat"
        ),
    )
)
WORKS = Expectation(
    addresses=(SITE,),
    tcp_ok=True,
    tls_ok=True,
    chain_valid=True,
    host_match=True,
    issuers=(VALID.issuer,),
    chain_sha256=(VALID.chain_sha256,),
    http_ok=True,
    status=200,
    title="X",
    body_length=5000,
    headers=("content-type", "server"),
    hosts=("x.com",),
)
X_DOMAINS = ("x.com", "twitter.com", "twimg.com", "t.co")


def known(expectation: Expectation | None = None, **more: Any) -> Known:
    facts: dict[str, Any] = {"public": True, "domains": X_DOMAINS, "fingerprints": MARKS}
    return Known(expectation=expectation, **facts | more)


CONTROLLED, ALONE = known(WORKS), known()


def verdict(measurement: Measurement, of: Known = CONTROLLED) -> Verdict:
    return judge(measurement, of)


def says(measurement: Measurement, of: Known = CONTROLLED) -> str:
    """`blocked dns-forged sni-reset injected`: the verdict in words."""
    found = judge(measurement, of)
    return " ".join([found.outcome, *found.techniques, *(["injected"] if found.injected else [])])


def rules(measurement: Measurement, of: Known = CONTROLLED) -> set[str]:
    return {evidence.rule for evidence in judge(measurement, of).evidence}


def told(measurement: Measurement, of: Known = CONTROLLED) -> str:
    """All evidence as one text."""
    return "; ".join(evidence.text for evidence in judge(measurement, of).evidence)
