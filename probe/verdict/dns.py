"""The DNS layer: does the system's resolver tell the truth about this name?

Different addresses alone are never blocking: a content network answers everybody differently. A server that shows a
valid certificate for the name proves its address honest, whatever anybody else answered.
"""

from collections.abc import Sequence

from probe.verdict.findings import Finding, Says, any_says, blocks, down, fine, note, unclear
from probe.verdict.fingerprints import concludes, describe
from probe.verdict.injection import injected_replies, injection_evidence
from probe.verdict.known import Known
from probe.verdict.seen import USER_PATH, Hop, all_bogus, neighbours
from probe.wire.addresses import is_public
from probe.wire.vocabulary import Failure, Purpose, Technique

TECHNIQUE_OF_FAILURE: dict[str, Technique] = {
    Failure.DNS_NXDOMAIN_ERROR: Technique.DNS_NXDOMAIN,
    Failure.DNS_NO_ANSWER: Technique.DNS_NO_ANSWER,
    Failure.ANDROID_DNS_CACHE_NO_DATA: Technique.DNS_NO_ANSWER,
    Failure.DNS_REFUSED_ERROR: Technique.DNS_REFUSED,
    Failure.DNS_SERVFAIL_ERROR: Technique.DNS_SERVFAIL,
    Failure.DNS_SERVER_MISBEHAVING: Technique.DNS_SERVFAIL,
    Failure.DNS_TEMPORARY_FAILURE: Technique.DNS_SERVFAIL,
    Failure.DNS_NON_RECOVERABLE_FAILURE: Technique.DNS_SERVFAIL,
    Failure.GENERIC_TIMEOUT_ERROR: Technique.DNS_TIMEOUT,
    Failure.TIMED_OUT: Technique.DNS_TIMEOUT,
}
_SURE = {Technique.DNS_NXDOMAIN: 0.95, Technique.DNS_NO_ANSWER: 0.9, Technique.DNS_REFUSED: 0.9}
_IS_FAULT = 0.85  # SERVFAIL and silence happen without a censor too


def judge_dns(hop: Hop, known: Known) -> list[Finding]:
    """Findings about the system's resolver. Empty where no name was asked for."""
    if hop.is_literal or not hop.system:
        return []
    if hop.answers:
        return _of_answers(hop, known, hop.answers)
    if hop.repeated_answers:
        text = f"the resolver failed once for {hop.host} ({hop.system[0].failure}) and answered when asked again"
        return [note("dns-transient", text), *_of_answers(hop, known, hop.repeated_answers)]
    return _of_failure(hop, known)


def honest_addresses(hop: Hop, known: Known, findings: Sequence[Finding]) -> frozenset[str] | None:
    """The addresses at which the later layers are to be judged; None where every address is as good as another."""
    if hop.is_literal or not hop.system:
        return None
    told = hop.answers or hop.repeated_answers
    if told and not any_says(findings, Says.BLOCKS):
        return frozenset(told) | frozenset(hop.trusted_answers)
    return frozenset(hop.trusted_answers) | frozenset(_expected(known))


def _expected(known: Known) -> tuple[str, ...]:
    return known.expectation.addresses if known.expectation else ()


def _of_failure(hop: Hop, known: Known) -> list[Finding]:
    failure = hop.system[0].failure or Failure.DNS_NO_ANSWER
    said = f"the resolver answered {failure} for {hop.host}"
    if known.expectation and known.expectation.dns_failure and not known.expectation.addresses:
        return [down("dns-fails-for-control", f"{said}; the control cannot resolve it either")]
    technique = TECHNIQUE_OF_FAILURE.get(failure)
    reference = hop.trusted_answers or _expected(known)
    if not reference:
        return [_nobody_knows(hop, said)]
    if technique is None:
        return [unclear("dns-resolver-unreachable", f"{said}: no resolver there")]
    if technique is Technique.DNS_TIMEOUT and hop.surroundings.resolver_ok is False:
        return [unclear("dns-resolver-dead", f"{said}, and for neutral names too")]
    if all_bogus(reference):
        return [down("dns-bogon-everywhere", f"{said}; elsewhere it resolves to {', '.join(reference)} only")]
    whose = "trusted resolvers" if hop.trusted_answers else "the control"
    text = f"{said}; {whose} resolved it to {_listed(reference)}"
    injected = injected_replies(hop)
    found = blocks(technique, f"{technique}", text, _SURE.get(technique, _IS_FAULT), injected=injected)
    return [found, *injection_evidence(hop), *_where(hop)]


def _nobody_knows(hop: Hop, said: str) -> Finding:
    if Failure.DNS_NXDOMAIN_ERROR in hop.trusted_failures and hop.system[0].failure == Failure.DNS_NXDOMAIN_ERROR:
        return down("dns-nxdomain-everywhere", f"{said}; trusted resolvers say the same", 0.8)
    return unclear("dns-no-reference", f"{said}; no trusted resolver or control tells whether the name exists")


def _where(hop: Hop) -> list[Finding]:
    """Whether a trusted resolver over plain UDP gets through: the ISP's resolver, or the path."""
    asked = hop.queries(Purpose.TRUSTED_UDP)
    if any(is_public(answer) and answer in hop.trusted_answers for step in asked for answer in step.answers):
        text = f"{asked[0].resolver} asked over plain UDP answers honestly: the filter sits in the ISP's resolver"
        return [note("dns-filter-in-resolver", text)]
    if asked:
        text = f"{asked[0].resolver} asked over plain UDP is answered wrongly too: the filter sits on the path"
        return [note("dns-filter-on-path", text)]
    return []


def _of_answers(hop: Hop, known: Known, answers: tuple[str, ...]) -> list[Finding]:
    if hop.proved & frozenset(answers):
        return _proved(hop, known, answers)
    row = known.fingerprints.of_answer([*answers, *_cnames(hop)])
    usual = frozenset(answers) <= frozenset(hop.surroundings.rewrite)
    if row is not None and concludes(row) and not usual:
        scope = "opt-in" if row.scope == "opt-in" else None
        text = f"the resolver answered {_listed(answers)} for {hop.host}: fingerprint {describe(row)}"
        forged = _forged(hop, "dns-fingerprint", text, 0.98, scope=scope)
        return [forged, *injection_evidence(hop), *_where(hop)]
    if all_bogus(answers):
        return _bogus(hop, known, answers)
    return _unproved(hop, known, answers, usual=usual)


def _proved(hop: Hop, known: Known, answers: tuple[str, ...]) -> list[Finding]:
    where = sorted(hop.proved & frozenset(answers))[0]
    found = [fine("dns-certificate", f"the server at {where}, as the resolver told, proved to be {hop.host}", 0.97)]
    reference = hop.trusted_answers or _expected(known)
    if reference and not frozenset(answers) & frozenset(reference):
        text = (
            f"the resolver answers {_listed(answers)} where {_listed(reference)} is expected: another node, or a "
            "transparent relay, harmless since the certificate is valid"
        )
        found.append(note("dns-differs", text))
    if injected_replies(hop):
        found.append(note("dns-extra-reply", "the query drew incompatible replies, and the first one was honest"))
    return found


def _bogus(hop: Hop, known: Known, answers: tuple[str, ...]) -> list[Finding]:
    said = f"the resolver answered {_listed(answers)} for {hop.host}, no public address"
    reference = hop.trusted_answers or _expected(known)
    if all_bogus(reference):
        if hop.scheme == "dns":
            return [fine("dns-consistent", f"{said}, and so do trusted resolvers")]
        return [down("dns-bogon-everywhere", f"{said}; trusted resolvers and controls get the like")]
    if reference:
        text = f"{said}; it should be {_listed(reference)}"
        return [_forged(hop, "dns-bogon", text, 0.97), *injection_evidence(hop), *_where(hop)]
    if hop.surroundings.private_neutral:
        return [unclear("dns-split-horizon", f"{said}; neutral names resolve to private addresses here too")]
    if known.public:
        return [_forged(hop, "dns-bogon", f"{said}, and the catalogue knows it as a public site", 0.85)]
    return [unclear("dns-bogon-no-reference", f"{said}; nothing tells what it should be")]


def _unproved(hop: Hop, known: Known, answers: tuple[str, ...], *, usual: bool) -> list[Finding]:
    """Public addresses where no server proved to be the host."""
    reference = frozenset(hop.trusted_answers) | frozenset(_expected(known))
    if reference & frozenset(answers):
        return [fine("dns-consistent", f"the resolver's answer for {hop.host} is among the expected ones")]
    said = f"the resolver answered {_listed(answers)} for {hop.host}"
    if not reference:
        return [_without_reference(hop, known, said, usual=usual)]
    said += f" where {_listed(tuple(sorted(reference)))} is expected"
    if usual:
        text = f"{said}; it is what this resolver answers for names that do not exist"
        return [_forged(hop, "dns-rewritten", text, 0.8)]
    proof = _proof_of_forgery(hop, known, answers)
    if proof is None:
        return [note("dns-differs", f"{said}; different addresses alone prove nothing")]
    rule, why, confidence = proof
    return [_forged(hop, rule, f"{said}; {why}", confidence), *injection_evidence(hop), *_where(hop)]


def _without_reference(hop: Hop, known: Known, said: str, *, usual: bool) -> Finding:
    nowhere = Failure.DNS_NXDOMAIN_ERROR in hop.trusted_failures or bool(
        known.expectation and known.expectation.dns_failure
    )
    if nowhere and usual:
        return down("dns-nxdomain-rewritten", f"{said}, its usual answer for names that do not exist")
    if nowhere:
        return unclear("dns-ghost", f"{said}; for trusted resolvers and controls the name does not exist")
    return note("dns-unchecked", f"{said}; no trusted resolver or control tells what it should be")


def _proof_of_forgery(hop: Hop, known: Known, answers: tuple[str, ...]) -> tuple[str, str, float] | None:
    told = frozenset(answers)
    right = hop.proved - told
    wrong = [step for step in hop.tls if step.address in told and step.failure is None and not step.trusted]
    elsewhere_same = {step.chain_sha256 for step in hop.tls if step.address not in told} - {None}
    own = [step for step in wrong if step.chain_sha256 not in elsewhere_same and step.host_match is not True]
    forged_chain = [step for step in wrong if step.chain_sha256 not in elsewhere_same and step.chain_valid is False]
    if injection_evidence(hop):
        return "dns-injection", "an address that runs no resolver answered for this name", 0.95
    if right and wrong:
        return (
            "dns-wrong-server",
            f"the server there has no valid certificate for it, the one at {min(right)} has",
            0.97,
        )
    if own or forged_chain:
        return "dns-wrong-server", "the server there has no valid certificate for it", 0.85
    if injected_replies(hop):
        return "dns-race", "the query drew incompatible replies", 0.9
    if not hop.connected & told and (right or hop.connected - told) and not neighbours(told, hop.trusted_answers):
        return "dns-nobody-there", f"nothing answers there, while {min(right or hop.connected - told)} does", 0.85
    return _other_page(hop, known, told)


def _other_page(hop: Hop, known: Known, told: frozenset[str]) -> tuple[str, str, float] | None:
    """Plain HTTP: the page at the resolver's answer is not the one at the trusted answer."""
    here = [page for page in hop.pages(*USER_PATH) if page.address in told and page.failure is None]
    there = [page for page in hop.pages(*USER_PATH) if page.address not in told and page.failure is None]
    marked = next((row for page in here if concludes(row := known.fingerprints.of_page(page))), None)
    if marked is not None:
        return "dns-notice-there", f"the page there is a known notice: fingerprint {describe(marked)}", 0.95
    if here and there and (here[0].title, here[0].status) != (there[0].title, there[0].status):
        return "dns-other-page", "the page there is not the one that the expected server gives", 0.8
    return None


def _forged(hop: Hop, rule: str, text: str, confidence: float, *, scope: str | None = None) -> Finding:
    injected = injected_replies(hop) or bool(injection_evidence(hop))
    return blocks(Technique.DNS_FORGED, rule, text, confidence, injected=injected, scope=scope)


def _cnames(hop: Hop) -> list[str]:
    return [name for step in hop.system for reply in step.replies for name in reply.cnames]


def _listed(addresses: Sequence[str]) -> str:
    shown = ", ".join(addresses[:3])
    return f"{shown} and {len(addresses) - 3} more" if len(addresses) > 3 else shown
