"""What proves that a DNS answer is forged, beyond being another one than trusted resolvers give."""

from collections.abc import Sequence

from probe.verdict.findings import Finding, blocks, note
from probe.verdict.fingerprints import concludes, describe
from probe.verdict.injection import answered_for_everybody, injected_replies, injection_evidence
from probe.verdict.known import Known
from probe.verdict.seen import USER_PATH, Hop, neighbours
from probe.wire.steps import TlsStep
from probe.wire.vocabulary import Purpose, Technique

_SERVER_ERROR = 500

Proof = tuple[str, str, float]  # rule, sentence, confidence


def forged(hop: Hop, known: Known, rule: str, text: str, confidence: float, *, scope: str | None = None) -> Finding:
    injected = injected_replies(hop) or bool(injection_evidence(hop))
    scope = scope or scope_of(hop, known)
    return blocks(Technique.DNS_FORGED, rule, text, confidence, injected=injected, scope=scope)


def scope_of(hop: Hop, known: Known) -> str | None:
    """`resolver` where the filter sits in a resolver that is none of the ISP's: this machine's own, or a third
    party's. What is put on the wire is the ISP's doing, whoever was asked."""
    if injected_replies(hop) or injection_evidence(hop) or _over_udp(hop, honest=False):
        return None
    return "resolver" if _stub_filters(hop) else known.resolver_scope(hop.network)


def proof_of_forgery(hop: Hop, known: Known, answers: Sequence[str]) -> Proof | None:
    """The strongest proof against public addresses that nobody expected."""
    told = frozenset(answers)
    if injection_evidence(hop):
        return "dns-injection", "an address that runs no resolver answered for this name", 0.95
    return _wrong_server(hop, known, told) or _race(hop) or _nobody_there(hop, told) or _other_page(hop, known, told)


def _wrong_server(hop: Hop, known: Known, told: frozenset[str]) -> Proof | None:
    """A server at the answer that shows somebody else's certificate when asked for this name. A fault that the site
    has everywhere, or that one interceptor puts on every path, says nothing of the answer."""
    wrong = [step for step in _own_name(hop) if hop.real(step.address) in told and not step.trusted]
    elsewhere = [step for step in _own_name(hop) if hop.real(step.address) not in told]
    if not wrong:
        return None
    right = [step for step in elsewhere if step.trusted]
    if right:
        text = f"the server there has no valid certificate for it, the one at {right[0].address} has"
        return "dns-wrong-server", text, 0.97
    expected = known.expectation
    sites_own = expected is not None and (expected.chain_valid is False or expected.host_match is False)
    if sites_own or wrong[0].issuer in {step.issuer for step in elsewhere}:
        return None
    return "dns-wrong-server", "the server there has no valid certificate for it", 0.85


def _own_name(hop: Hop) -> list[TlsStep]:
    return [step for step in hop.tls if step.sni == hop.host and step.failure is None]


def _race(hop: Hop) -> Proof | None:
    if not injected_replies(hop):
        return None
    return "dns-race", "the query drew incompatible replies", 0.9


def _nobody_there(hop: Hop, told: frozenset[str]) -> Proof | None:
    """One dead node of a content network looks so too: little sure."""
    working = works_elsewhere(hop, told)
    if working is None or neighbours(told, hop.trusted_answers):
        return None
    return "dns-nobody-there", f"nothing answers there, while {working} does", 0.6


def works_elsewhere(hop: Hop, told: frozenset[str]) -> str | None:
    """An address of the host that works, where every one that the resolver told was tried in vain."""
    tried = {hop.real(step.address) for step in hop.tcp if step.port == hop.port}
    working = (hop.proved or hop.connected) - told
    return None if not told <= tried or hop.connected & told else min(working, default=None)


def _other_page(hop: Hop, known: Known, told: frozenset[str]) -> Proof | None:
    """Plain HTTP: the page at the resolver's answer is not the one at the trusted answer."""
    pages = [page for page in hop.pages(*USER_PATH) if page.failure is None and page.address]
    here = [page for page in pages if hop.real(page.address or "") in told]
    there = [page for page in pages if page not in here]
    marked = next((row for page in here if concludes(row := known.fingerprints.of_page(page))), None)
    if marked is not None:
        return "dns-notice-there", f"the page there is a known notice: fingerprint {describe(marked)}", 0.95
    if not here or not there or any((page.status or 0) >= _SERVER_ERROR for page in (here[0], there[0])):
        return None
    if (here[0].title, here[0].status, here[0].location) == (there[0].title, there[0].status, there[0].location):
        return None
    return "dns-other-page", "the page there is not the one that the expected server gives", 0.8


def where(hop: Hop, known: Known) -> list[Finding]:
    """Whether a trusted resolver over plain UDP gets through: the filter is the resolver, or on the path; whether what
    a local stub forwards to says the same; and whose the resolver is, where it is not the ISP's."""
    return [
        *_third_party(hop, known),
        *_uplink(hop),
        *(_over_udp(hop, honest=True) or _over_udp(hop, honest=False)),
        *answered_for_everybody(hop),
    ]


def _third_party(hop: Hop, known: Known) -> list[Finding]:
    if scope_of(hop, known) is None or known.resolver_scope(hop.network) is None:
        return []
    network = hop.network
    text = f"the resolver asks from AS{network.resolver_asn}, this network is AS{network.asn}: not the ISP's own"
    return [note("dns-third-party-resolver", text)]


def _stub_filters(hop: Hop) -> bool:
    asked = hop.queries(Purpose.UPLINK)
    return bool(asked) and bool({hop.real(answer) for answer in asked[0].answers} & set(hop.trusted_answers))


def _uplink(hop: Hop) -> list[Finding]:
    asked = hop.queries(Purpose.UPLINK)
    if not asked:
        return []
    if _stub_filters(hop):
        text = f"{asked[0].resolver}, to which the stub here forwards, answers honestly: the stub itself filters"
        return [note("dns-stub-filters", text)]
    told = ", ".join(asked[0].answers) or asked[0].failure
    return [note("dns-uplink", f"{asked[0].resolver}, which the stub on this machine forwards to, answers {told}")]


def _over_udp(hop: Hop, *, honest: bool) -> list[Finding]:
    """What a trusted resolver's answer over plain UDP tells: that it was honest, or that it was not."""
    asked = hop.queries(Purpose.TRUSTED_UDP)
    heard = [step for step in asked if step.answers or (step.failure or "").startswith("dns_")]
    if not heard:
        return []
    said = f"{heard[0].resolver} asked over plain UDP"
    answers = [hop.real(answer) for step in heard for answer in step.answers]
    if set(answers) & set(hop.trusted_answers) or neighbours(answers, hop.trusted_answers):
        text = f"{said} answers honestly: the filter sits in the resolver that this machine uses"
        return [note("dns-filter-in-resolver", text)] if honest else []
    if honest or (answers and not set(answers) & set(hop.answers)):
        return []
    return [note("dns-filter-on-path", f"{said} is answered wrongly too: the filter sits on the path")]


def listed(addresses: Sequence[str]) -> str:
    shown = ", ".join(addresses[:3])
    return f"{shown} and {len(addresses) - 3} more" if len(addresses) > 3 else shown
