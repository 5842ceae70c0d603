"""One measurement, one verdict.

The layers are judged in the order in which a connection meets them, hop by hop, and their findings put together: what
somebody stops is `blocked`; what the control cannot do either is `down`; what failed without anything to tell why is
`inconclusive`; `ok` needs proof. A DNS answer that is forged does not end the judging: the addresses that trusted
resolvers give are judged too, so several techniques may hold.
"""

import math
from collections.abc import Sequence

import msgspec

from probe.verdict.dns import honest_addresses, judge_dns
from probe.verdict.findings import RULES, Finding, Says, any_says, evidence, fine, unclear
from probe.verdict.http import judge_http
from probe.verdict.known import Known
from probe.verdict.pages import on_platform
from probe.verdict.seen import USER_PATH, Hop, hops, host_of
from probe.verdict.surroundings import judge_surroundings
from probe.verdict.tcp import judge_tcp
from probe.verdict.tls import judge_tls
from probe.wire.expectations import Expectation
from probe.wire.measurement import Measurement
from probe.wire.verdicts import Evidence, Verdict
from probe.wire.vocabulary import CONNECTION_ORDER, Outcome, Void

_CERTAIN = 0.99
_PROOF_OF = {  # the rules whose word `ok` needs, by scheme
    "https": ("tls-", "http-"),
    "tls": ("tls-",),
    "http": ("http-",),
    "tcp": ("tcp-",),
    "dns": ("dns-",),
}


def judge(measurement: Measurement, known: Known) -> Verdict:
    """The verdict on one measurement. Pure: the same records and knowledge give the same verdict."""
    route = hops(measurement)
    void = judge_surroundings(measurement.surroundings)
    if void is not None and not (void[0] is Void.OFFLINE and route[0].proved):
        return _void(*void)
    return _conclude(_findings(route, known), _PROOF_OF.get(route[-1].scheme, ()))


def _void(reason: Void, text: str) -> Verdict:
    found = Evidence(rule=f"void-{reason}", text=text)
    return Verdict(outcome=Outcome.VOID, confidence=0.9, evidence=(found,), void=reason, rules=RULES)


def _findings(route: Sequence[Hop], known: Known) -> list[Finding]:
    findings: list[Finding] = []
    vouched = True
    for hop in route:
        of_hop = known if hop.first else _later(known)
        vouched = vouched and (hop.first or _led_by_site(route, hop, known))
        found = _of_hop(hop, of_hop, last=hop is route[-1], vouched=vouched)
        findings += found if vouched else map(_doubted, found)
        if any_says(found, Says.BLOCKS):
            break
    return findings


def _doubted(found: Finding) -> Finding:
    """A fault of a place to which somebody on the path may have led is not the site's."""
    if found.says is not Says.DOWN:
        return found
    return unclear(found.rule, f"{found.text}; an unprotected redirect led there, which anybody may have sent")


def _of_hop(hop: Hop, known: Known, *, last: bool, vouched: bool) -> list[Finding]:
    names = judge_dns(hop, known)
    if hop.scheme == "dns":
        return names if any(finding.says is not Says.NOTE for finding in names) else [*names, *_resolved(hop)]
    honest = honest_addresses(hop, known, names)
    rest = [*judge_tcp(hop, known, honest), *judge_tls(hop, known, honest)]
    rest += judge_http(hop, known, honest, last=last, vouched=vouched)
    return [*names, *rest]


def _resolved(hop: Hop) -> list[Finding]:
    """A `dns:` endpoint has no server to prove anything: an answer that nobody contradicts will do."""
    if hop.answers and not hop.trusted_answers:
        return [fine("dns-resolved", f"{hop.host} resolves; no trusted resolver was asked", 0.6)]
    return []


def _led_by_site(route: Sequence[Hop], hop: Hop, known: Known) -> bool:
    """Whether the site itself led to this hop: over TLS, or to a host of its own."""
    before = route[list(route).index(hop) - 1]
    pages = [page for page in before.pages(*USER_PATH) if page.location]
    return all(page.trusted for page in pages) or on_platform(hop.host, hop.origin, known)


def _later(known: Known) -> Known:
    """What is expected of the hosts that redirects lead to: that they work if the control got through to a page."""
    expected = known.expectation
    if expected is None:
        return msgspec.structs.replace(known, public=False)
    through = expected.http_ok
    later = Expectation(
        tcp_ok=through,
        tls_ok=through,
        chain_valid=through,
        http_ok=through,
        http_failure=expected.http_failure,
        status=expected.status,
        title=expected.title,
        body_length=expected.body_length,
        body_sha256=expected.body_sha256,
        headers=expected.headers,
        hosts=expected.hosts,
    )
    return msgspec.structs.replace(known, expectation=later, public=False)


def _conclude(findings: Sequence[Finding], proof: tuple[str, ...]) -> Verdict:
    """`ok` needs the word of the last layer: an honest answer or a connection says nothing of what lies behind it."""
    for says, outcome in (
        (Says.BLOCKS, Outcome.BLOCKED),
        (Says.DOWN, Outcome.DOWN),
        (Says.UNCLEAR, Outcome.INCONCLUSIVE),
        (Says.FINE, Outcome.OK),
    ):
        deciding = [finding for finding in findings if finding.says is says]
        if deciding and (says is not Says.FINE or any(finding.rule.startswith(proof) for finding in deciding)):
            return _verdict(outcome, deciding, findings)
    return _verdict(Outcome.INCONCLUSIVE, [unclear("nothing-measured", "no step tells whether it works")], findings)


def _verdict(outcome: Outcome, deciding: Sequence[Finding], findings: Sequence[Finding]) -> Verdict:
    techniques = {finding.technique for finding in deciding if finding.technique is not None}
    told = [finding for finding in findings if finding.says is not Says.FINE or outcome is Outcome.OK]
    extra = [finding for finding in deciding if finding not in told]
    scopes = {finding.scope for finding in deciding}
    return Verdict(
        outcome=outcome,
        techniques=tuple(sorted(techniques, key=lambda technique: CONNECTION_ORDER[technique])),
        injected=any(finding.injected for finding in deciding),
        confidence=_confidence(outcome, deciding),
        evidence=evidence([*extra, *told]),
        scope=scopes.pop() if len(scopes) == 1 else None,
        rules=RULES,
    )


def _confidence(outcome: Outcome, deciding: Sequence[Finding]) -> float:
    """`ok` is as sure as its best proof; of what is blocked each independent technique adds its own."""
    if outcome is Outcome.BLOCKED:
        return round(min(_CERTAIN, 1 - math.prod(1 - finding.confidence for finding in deciding)), 3)
    return round(max(finding.confidence for finding in deciding), 3)


def hosts_of(measurement: Measurement) -> tuple[str, ...]:
    """Every host that the measurement's redirect chain went through or pointed to."""
    found = [hop.host for hop in hops(measurement)]
    pages = [page for hop in hops(measurement) for page in hop.http if page.location]
    pointed = [host_of(page.location or "") for page in pages]
    return tuple(dict.fromkeys([*found, *(host for host in pointed if host)]))
