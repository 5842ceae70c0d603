"""The accuracy table as records: what the probe's ordinary flow leaves behind in each case, follow-ups included."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from probe.verdict.expect import expectation_of
from probe.wire.expectations import Expectation
from probe.wire.measurement import Measurement
from probe.wire.steps import AnyStep
from probe.wire.vocabulary import Failure, Purpose

from .records import (
    CLOSED,
    EXPIRED,
    FIT,
    FORGED,
    FRONT,
    ISP_RESOLVER,
    NEUTRAL,
    NO_ANSWER,
    NODE,
    NOTICE,
    NXDOMAIN,
    REFUSED,
    REFUSES,
    RESET,
    SELF_SIGNED,
    SERVFAIL,
    SITE,
    SITE6,
    SPARE,
    STRANGER,
    TIMEOUT,
    TRUSTED_PLAIN,
    VALID,
    WORKS,
    Certificate,
    connect,
    http,
    https,
    lookup,
    measured,
    page,
    repeated,
    reply,
    shake,
    trusted,
)

X = "x.com"


class Case(NamedTuple):
    """`says` with the control's expectation; without it the same, or inconclusive."""

    name: str
    measurement: Measurement
    says: str
    expectation: Expectation = WORKS


def at_honest_address() -> tuple[AnyStep, ...]:
    at = Purpose.TRUSTED_ADDRESS
    return (
        connect(SITE, purpose=at),
        shake(X, SITE, purpose=at),
        page("https://x.com/", purpose=at),
    )


def over_plain_udp(*answers: str) -> AnyStep:
    return lookup(X, answers, purpose=Purpose.TRUSTED_UDP, resolver=TRUSTED_PLAIN)


def silent_address(answered: str | None) -> tuple[AnyStep, ...]:
    """The test with an address that runs no resolver; only an injector answers there."""
    neutral = lookup(NEUTRAL, TIMEOUT, purpose=Purpose.SILENT_NEUTRAL, resolver=SITE)
    found = (answered,) if answered else TIMEOUT
    named = lookup(X, found, purpose=Purpose.SILENT_TARGET, resolver=SITE, replies=(reply(*found),) if answered else ())
    return neutral, named


def dns_failure(failure: str) -> Measurement:
    again = lookup(X, failure, purpose=Purpose.REPEAT)
    return https(dns=failure, then=(over_plain_udp(SITE), *at_honest_address(), again))


def stopped(failure: str) -> Measurement:
    """By name, at the host's one address; the innocuous name went before."""
    split, again = shake(X, SITE, failure, profile="split", purpose=Purpose.SPLIT), repeated(shake(X, SITE, failure))
    return https(tls=failure, innocuous=FRONT, then=(split, again))


def unconnected(failure: str) -> Measurement:
    other = connect(SITE, failure, port=80, purpose=Purpose.OTHER_PORT)
    return https(tcp=failure, then=(other, repeated(connect(SITE, failure))))


def forged_dns(address: str, *at_forger: AnyStep) -> Measurement:
    steps = (lookup(X, (address,)), trusted(X, (SITE,)), *at_forger, *at_honest_address())
    return measured("https://x.com/", *steps)


def names() -> Iterator[Case]:
    yield Case("dns-nxdomain", dns_failure(NXDOMAIN), "blocked dns-nxdomain")
    yield Case("dns-refused", dns_failure(REFUSES), "blocked dns-refused")
    yield Case("dns-servfail", dns_failure(SERVFAIL), "blocked dns-servfail")
    yield Case("dns-no-answer", dns_failure(NO_ANSWER), "blocked dns-no-answer")
    yield Case("dns-timeout", dns_failure(TIMEOUT), "blocked dns-timeout")
    yield Case("dns-bogon", forged_dns("10.10.34.35"), "blocked dns-forged")
    yield Case("dns-loopback", forged_dns("127.0.0.1"), "blocked dns-forged")
    notice = (connect(NOTICE), shake(X, NOTICE, FORGED))
    yield Case("dns-blockpage-address", forged_dns(NOTICE, *notice), "blocked dns-forged")
    yield Case("dns-other-cdn-node", https(dns=(NODE,)), "ok")
    yield Case("dns-hijack-transparent", https(dns=(STRANGER,)), "ok")
    yield Case("opt-in-filter", forged_dns("193.192.98.41"), "blocked dns-forged")
    rewriting = msgspec.structs.replace(FIT, rewrite=(STRANGER,))
    yield Case("nxdomain-rewrite", https(around=rewriting), "ok")


def races() -> Iterator[Case]:
    first, real = reply(STRANGER, ip_ttl=60), reply(SITE, ip_ttl=54)
    asked = lookup(X, (STRANGER,), replies=(first, real))
    plain = lookup(X, (STRANGER,), purpose=Purpose.TRUSTED_UDP, resolver=TRUSTED_PLAIN, replies=(first, real))
    tried = (connect(STRANGER, TIMEOUT), *silent_address(STRANGER), *at_honest_address())
    forged = measured("https://x.com/", asked, trusted(X, (SITE,)), *tried, plain)
    yield Case("dns-injected", forged, "blocked dns-forged injected")
    denied = lookup(X, NXDOMAIN, replies=(reply(rcode="NXDOMAIN"), real))
    steps = (denied, trusted(X, (SITE,)), over_plain_udp(SITE), *at_honest_address())
    yield Case("dns-injected-nxdomain", measured("https://x.com/", *steps), "blocked dns-nxdomain injected")
    twice = lookup(X, (SITE, SPARE), replies=(reply(SITE, SPARE), reply(SPARE, SITE)))
    reached = (connect(SITE), shake(X, SITE), page("https://x.com/"))
    healthy = measured("https://x.com/", twice, trusted(X, (SPARE,)), *reached)
    yield Case("duplicated-reply", healthy, "ok")
    answered = lookup(NEUTRAL, ("93.184.215.14",), purpose=Purpose.SILENT_NEUTRAL, resolver=SITE)
    yield Case("transparent-dns", https(then=(answered,)), "ok")


def addresses() -> Iterator[Case]:
    yield Case("ip-drop", unconnected(TIMEOUT), "blocked ip-drop")
    yield Case("ip-reset", unconnected(REFUSED), "blocked ip-reset")
    yield Case("ip-unreachable", unconnected(Failure.HOST_UNREACHABLE), "blocked ip-unreachable")
    both = (lookup(X, (SPARE, SITE)), trusted(X, (SITE, SPARE)), connect(SPARE, TIMEOUT))
    rest = (connect(SITE, purpose=Purpose.OTHER_ADDRESS), shake(X, SITE), page("https://x.com/"))
    yield Case("ip-drop-one-of-two", measured("https://x.com/", *both, *rest), "ok")
    six = connect(SITE6, Failure.NETWORK_UNREACHABLE, purpose=Purpose.OTHER_ADDRESS)
    broken = (lookup(X, (SITE,)), lookup(X, (SITE6,), qtype="AAAA"), trusted(X, (SITE,)), connect(SITE), six)
    yield Case("ipv6-broken", measured("https://x.com/", *broken, shake(X, SITE), page("https://x.com/")), "ok")
    mapped = "64:ff9b::68f4:2a01"
    nat64 = msgspec.structs.replace(FIT, nat64="64:ff9b::/96", ipv6=True)
    asked = (lookup(X, (SITE,)), lookup(X, (mapped,), qtype="AAAA"), trusted(X, (SITE,)))
    four = connect(SITE, Failure.NETWORK_UNREACHABLE)
    through = (*asked, four, connect(mapped), shake(X, mapped), page("https://x.com/", mapped))
    yield Case("nat64", measured("https://x.com/", *through, around=nat64), "ok")


def handshakes() -> Iterator[Case]:
    yield Case("healthy-https", https(), "ok")
    yield Case("healthy-light", measured("https://x.com/", lookup(X, (SITE,)), connect(SITE), shake(X, SITE)), "ok")
    yield Case("sni-drop", stopped(TIMEOUT), "blocked sni-drop")
    yield Case("sni-reset", stopped(RESET), "blocked sni-reset")
    yield Case("sni-close", stopped(CLOSED), "blocked sni-close")
    tainted = (connect(SITE, RESET, purpose=Purpose.SPLIT), connect(SITE, RESET, purpose=Purpose.REPEAT))
    yield Case("sni-reset-residual", https(tls=RESET, innocuous=FRONT, then=tainted), "blocked sni-reset")
    split = shake(X, SITE, VALID, profile="split", purpose=Purpose.SPLIT)
    once = https(tls=RESET, innocuous=FRONT, then=(split, repeated(shake(X, SITE, RESET))))
    yield Case("sni-reset-first-segment-only", once, "blocked sni-reset")
    small = shake(NEUTRAL, SITE, TIMEOUT, profile="small", purpose=Purpose.SMALL_HELLO)
    silent = (small, shake(X, SITE, TIMEOUT, profile="split", purpose=Purpose.SPLIT), repeated(shake(X, SITE, TIMEOUT)))
    yield Case("tls-drop-all-names", https(tls=TIMEOUT, innocuous=TIMEOUT, then=silent), "blocked tls-drop")
    own = FORGED._replace(chain_sha256="f" * 64)
    yield Case("tls-interception", https(tls=FORGED, innocuous=own), "blocked tls-interception")
    notice = page("https://x.com/", trusted=False, title="Notice", body=b"blocked under law nr. 5651")
    shown = https(tls=FORGED, innocuous=own, then=(notice,))
    yield Case("tls-interception-blockpage", shown, "blocked tls-interception")
    reached = (connect(STRANGER), shake(X, STRANGER, FORGED))
    at = Purpose.TRUSTED_ADDRESS
    stop = (shake(NEUTRAL, SITE, FRONT, purpose=Purpose.INNOCUOUS), shake(X, SITE, RESET, purpose=at))
    steps = (lookup(X, (STRANGER,)), trusted(X, (SITE,)), *reached, connect(SITE, purpose=at), *stop)
    both = measured("https://x.com/", *steps, *silent_address(STRANGER))
    yield Case("dns-and-sni", both, "blocked dns-forged sni-reset injected")


def served_over_tls(*got: AnyStep) -> Measurement:
    return measured("https://x.com/", lookup(X, (SITE,)), trusted(X, (SITE,)), connect(SITE), shake(X, SITE), *got)


def pages() -> Iterator[Case]:
    plain = msgspec.structs.replace(WORKS, title="Home", hosts=("x.com",))
    home = page("http://x.com/", title="Home")
    yield Case("healthy-http", http(X, home), "ok", plain)
    other = page("http://x.com/", title="Example", host=NEUTRAL, purpose=Purpose.OTHER_HOST)
    notice = page("http://x.com/", title="Notice", body=b"blocked under law nr. 5651")
    yield Case("http-blockpage-injected", http(X, notice, other), "blocked http-blockpage", plain)
    moved = page("http://x.com/", status=302, title=None, location="http://aidiyet.esb.org.tr/landpage?ms=1")
    yield Case("http-redirect-to-notice", http(X, moved), "blocked http-blockpage", plain)
    for name, failure in (("http-reset", RESET), ("http-close", CLOSED), ("http-drop", TIMEOUT)):
        got = page("http://x.com/", failure=failure)
        yield Case(name, http(X, got, other, repeated(got)), f"blocked {name}", plain)
    cut = page(
        "https://x.com/",
        failure=TIMEOUT,
        last_byte=1.0,
        t0=0.9,
        t=9.0,
        status=200,
        bytes_read=16_000,
        body_length=15_500,
    )
    long = msgspec.structs.replace(WORKS, body_length=65_536)
    yield Case("cutoff-16k", served_over_tls(cut, repeated(cut)), "blocked http-cutoff", long)
    for status in (500, 403):
        served = page("https://x.com/", status=status, title="Attention Required! | Cloudflare")
        yield Case(f"server-{status}", served_over_tls(served), "ok")
    big = page("https://x.com/", body_length=65_536, body_truncated=True)
    yield Case("server-big-page", served_over_tls(big), "ok")
    yield Case("idna-name", https("xn--d1acpjx3f.xn--p1ai"), "ok")
    yield Case("redirect-chain", chain(5), "ok")


def chain(length: int, *, looped: bool = False) -> Measurement:
    steps: list[AnyStep] = []
    for number in range(length):
        here, there = f"https://x.com/{number or ''}", f"https://x.com/{number + 1}"
        steps += [lookup(X, (SITE,)), trusted(X, (SITE,)), connect(SITE), shake(X, SITE)]
        steps.append(page(here, status=302, title=None, location=there))
    steps += [lookup(X, (SITE,)), trusted(X, (SITE,)), connect(SITE), shake(X, SITE)]
    failure = "unknown_failure: stopped after 10 redirects" if looped else None
    return measured("https://x.com/", *steps, page(f"https://x.com/{length}", failure=failure))


def faults() -> Iterator[Case]:
    """The site's own: the control sees the same, so the expectation is made of the very records."""
    kinds: dict[str, Certificate] = {"expired-cert": EXPIRED, "wrong-name": FRONT, "self-signed": SELF_SIGNED}
    found = {f"server-{kind}": https(tls=shown, innocuous=shown) for kind, shown in kinds.items()}
    found["server-refuses"] = unconnected(REFUSED)
    found["server-nxdomain"] = https(dns=NXDOMAIN, true=NXDOMAIN, then=(lookup(X, NXDOMAIN, purpose=Purpose.REPEAT),))
    found["server-silent"] = https(tls=TIMEOUT, innocuous=TIMEOUT, then=(repeated(shake(X, SITE, TIMEOUT)),))
    found["redirect-loop"] = chain(10, looped=True)
    found["loopback-everywhere"] = https(dns=("127.0.0.1",), true=("127.0.0.1",))
    for name, seen in found.items():
        yield Case(name, seen, "down", expectation_of(seen))


def unfit() -> Iterator[Case]:
    reset = (
        lookup(X, (SITE,), resolver=ISP_RESOLVER),
        trusted(X, TIMEOUT),
        connect(SITE),
        shake(NEUTRAL, SITE, FRONT, purpose=Purpose.INNOCUOUS),
        shake(X, SITE, RESET),
        repeated(shake(X, SITE, RESET)),
    )
    yield Case("trusted-resolvers-blocked", measured("https://x.com/", *reset), "blocked sni-reset")


CASES = [*names(), *races(), *addresses(), *handshakes(), *pages(), *faults(), *unfit()]
