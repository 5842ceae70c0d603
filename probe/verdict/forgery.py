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


def forged(hop: Hop, rule: str, text: str, confidence: float, *, scope: str | None = None) -> Finding:
    injected = injected_replies(hop) or bool(injection_evidence(hop))
    return blocks(Technique.DNS_FORGED, rule, text, confidence, injected=injected, scope=scope)


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
    """One dead node of a content network looks so too: little sure, and only where every answer was tried."""
    tried = {hop.real(step.address) for step in hop.tcp if step.port == hop.port}
    working = (hop.proved or hop.connected) - told
    if not told <= tried or hop.connected & told or not working or neighbours(told, hop.trusted_answers):
        return None
    return "dns-nobody-there", f"nothing answers there, while {min(working)} does", 0.6


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


def where(hop: Hop) -> list[Finding]:
    """Whether a trusted resolver over plain UDP gets through: the filter is the ISP's resolver, or on the path; and
    whether what a local stub forwards to says the same."""
    return [*_uplink(hop), *_over_udp(hop), *answered_for_everybody(hop)]


def _uplink(hop: Hop) -> list[Finding]:
    asked = hop.queries(Purpose.UPLINK)
    if not asked:
        return []
    honest = {hop.real(answer) for answer in asked[0].answers} & set(hop.trusted_answers)
    if honest:
        text = f"{asked[0].resolver}, to which the stub here forwards, answers honestly: the stub itself filters"
        return [note("dns-stub-filters", text)]
    told = ", ".join(asked[0].answers) or asked[0].failure
    return [note("dns-uplink", f"{asked[0].resolver}, which the stub on this machine forwards to, answers {told}")]


def _over_udp(hop: Hop) -> list[Finding]:
    asked = hop.queries(Purpose.TRUSTED_UDP)
    heard = [step for step in asked if step.answers or (step.failure or "").startswith("dns_")]
    if not heard:
        return []
    said = f"{heard[0].resolver} asked over plain UDP"
    answers = [hop.real(answer) for step in heard for answer in step.answers]
    if set(answers) & set(hop.trusted_answers) or neighbours(answers, hop.trusted_answers):
        return [note("dns-filter-in-resolver", f"{said} answers honestly: the filter sits in the ISP's resolver")]
    if answers and not set(answers) & set(hop.answers):
        return []
    return [note("dns-filter-on-path", f"{said} is answered wrongly too: the filter sits on the path")]


def listed(addresses: Sequence[str]) -> str:
    shown = ", ".join(addresses[:3])
    return f"{shown} and {len(addresses) - 3} more" if len(addresses) > 3 else shown
