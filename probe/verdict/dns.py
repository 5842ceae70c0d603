"""The DNS layer: does the system's resolver tell the truth about this name?

Different addresses alone are never blocking: a content network answers everybody differently. A server that shows a
valid certificate for the name proves its address honest, whatever anybody else answered. Why an answer is called forged
is in `forgery`.
"""

from collections.abc import Sequence

from probe.verdict.findings import Finding, Says, any_says, blocks, down, fine, note, unclear
from probe.verdict.fingerprints import concludes, describe
from probe.verdict.forgery import forged, listed, proof_of_forgery, scope_of, where, works_elsewhere
from probe.verdict.injection import injected_replies, injection_evidence
from probe.verdict.known import Known
from probe.verdict.seen import Hop, all_bogus
from probe.wire.vocabulary import Failure, Purpose, Technique

TECHNIQUE_OF_FAILURE: dict[str, Technique] = {  # the most telling first
    Failure.DNS_NXDOMAIN_ERROR: Technique.DNS_NXDOMAIN,
    Failure.DNS_REFUSED_ERROR: Technique.DNS_REFUSED,
    Failure.DNS_NO_ANSWER: Technique.DNS_NO_ANSWER,
    Failure.ANDROID_DNS_CACHE_NO_DATA: Technique.DNS_NO_ANSWER,
    Failure.DNS_SERVFAIL_ERROR: Technique.DNS_SERVFAIL,
    Failure.DNS_SERVER_MISBEHAVING: Technique.DNS_SERVFAIL,
    Failure.DNS_TEMPORARY_FAILURE: Technique.DNS_SERVFAIL,
    Failure.DNS_NON_RECOVERABLE_FAILURE: Technique.DNS_SERVFAIL,
    Failure.GENERIC_TIMEOUT_ERROR: Technique.DNS_TIMEOUT,
    Failure.TIMED_OUT: Technique.DNS_TIMEOUT,
}
_TELLING = list(TECHNIQUE_OF_FAILURE)
_DENIALS = frozenset({Failure.DNS_NXDOMAIN_ERROR, Failure.DNS_NO_ANSWER})
_SURE = {Technique.DNS_NXDOMAIN: 0.95, Technique.DNS_NO_ANSWER: 0.9, Technique.DNS_REFUSED: 0.9}
_IS_FAULT = 0.85  # SERVFAIL and silence happen without a censor too


def judge_dns(hop: Hop, known: Known) -> list[Finding]:
    """Findings about the system's resolver. Empty where no name was asked for."""
    if hop.is_literal or not hop.system:
        return []
    if hop.answers:
        return _of_answers(hop, known, hop.answers)
    if hop.repeated_answers:
        text = f"the resolver failed once for {hop.host} ({_failure(hop)}) and answered when asked again"
        return [note("dns-transient", text), *_of_answers(hop, known, hop.repeated_answers)]
    return _of_failure(hop, known)


def honest_addresses(hop: Hop, known: Known, findings: Sequence[Finding]) -> frozenset[str] | None:
    """The addresses at which the later layers are to be judged; None where every address is as good as another."""
    if hop.is_literal or not hop.system:
        return None
    told = hop.answers or hop.repeated_answers
    if told and not any(any_says(findings, says) for says in (Says.BLOCKS, Says.DOWN, Says.UNCLEAR)):
        return frozenset(told) | frozenset(hop.trusted_answers)
    return frozenset(hop.trusted_answers) | frozenset(known.addresses)


# --- no answer ---


def _failure(hop: Hop) -> str:
    """What the resolvers said of the IPv4 address, which hosts have; where several were asked a denial tells more than
    silence."""
    asked = [step for step in hop.system if step.qtype != "AAAA"] or hop.system
    failures = [step.failure for step in asked if step.failure] or [Failure.DNS_NO_ANSWER]
    return min(failures, key=lambda failure: _TELLING.index(failure) if failure in _TELLING else len(_TELLING))


def _said(failure: str, host: str) -> str:
    """What the network does to a question is no answer."""
    if failure in TECHNIQUE_OF_FAILURE:
        return f"the resolver answered {failure} for {host}"
    return f"the resolver could not be asked for {host} ({failure})"


def _of_failure(hop: Hop, known: Known) -> list[Finding]:
    failure = _failure(hop)
    said = _said(failure, hop.host)
    excuse = _excuse(hop, known, failure, said)
    if excuse is not None:
        return [excuse]
    reference = hop.trusted_answers or known.addresses
    if all_bogus(reference):
        return [down("dns-bogon-everywhere", f"{said}; elsewhere it resolves to {listed(reference)} only")]
    whose = "trusted resolvers" if hop.trusted_answers else "the control"
    technique = TECHNIQUE_OF_FAILURE[failure]
    text = f"{said}; {whose} resolved it to {listed(reference)}"
    sure = _SURE.get(technique, _IS_FAULT)
    scope = scope_of(hop, known)
    found = blocks(technique, technique.value, text, sure, injected=injected_replies(hop), scope=scope)
    return [found, *injection_evidence(hop), *where(hop, known)]


def _excuse(hop: Hop, known: Known, failure: str, said: str) -> Finding | None:
    """Why the failure may be nobody's act against this name."""
    if hop.surroundings.resolver_ok is False:
        return unclear("dns-resolver-dead", f"{said}, and fails for neutral names too")
    if not hop.trusted_answers and _DENIALS & set(hop.trusted_failures):
        return _denied_everywhere(failure, said)
    if not hop.trusted_answers and known.expectation and known.expectation.dns_failure and not known.addresses:
        return down("dns-fails-for-control", f"{said}; the control cannot resolve it either")
    if not (hop.trusted_answers or known.addresses):
        return unclear("dns-no-reference", f"{said}; no trusted resolver or control tells whether the name exists")
    if failure not in TECHNIQUE_OF_FAILURE:
        return unclear("dns-resolver-unreachable", f"{said}: no resolver there")
    if TECHNIQUE_OF_FAILURE[failure] is Technique.DNS_TIMEOUT and _went_away(hop):
        return unclear("dns-network-gone", f"{said}; trusted resolvers, which answered before, are silent as well")
    return None


def _denied_everywhere(failure: str, said: str) -> Finding:
    """Trusted resolvers speak for now; an expectation may have aged."""
    if failure in _DENIALS:
        return down("dns-nxdomain-everywhere", f"{said}; trusted resolvers say the like", 0.8)
    return unclear("dns-withdrawn", f"{said}; trusted resolvers say that it has no address")


def _went_away(hop: Hop) -> bool:
    asked = hop.queries(Purpose.TRUSTED)
    silent = bool(asked) and not hop.trusted_answers and not hop.trusted_failures
    return silent and hop.surroundings.trusted_resolvers is True


# --- an answer ---


def _of_answers(hop: Hop, known: Known, answers: tuple[str, ...]) -> list[Finding]:
    if hop.proved & frozenset(answers):
        return _proved(hop, known, answers)
    marked = _marked(hop, known, answers)
    if marked:
        return marked
    if all_bogus(answers):
        return _bogus(hop, known, answers)
    return _unproved(hop, known, answers)


def _marked(hop: Hop, known: Known, answers: tuple[str, ...]) -> list[Finding]:
    """A known marker; one that trusted resolvers give too has aged, one that the resolver gives for every name that
    does not exist says nothing of this one."""
    names = [name for step in hop.system for reply in step.replies if reply.matches for name in reply.cnames]
    row = known.fingerprints.of_answer([*answers, *names])
    told = frozenset(answers)
    if row is None or not concludes(row) or told <= frozenset(hop.surroundings.rewrite):
        return []
    if told <= frozenset(hop.trusted_answers):
        return []
    text = f"the resolver answered {listed(answers)} for {hop.host}: fingerprint {describe(row)}"
    scope = "opt-in" if row.scope == "opt-in" else None
    found = forged(hop, known, "dns-fingerprint", text, 0.98, scope=scope)
    return [found, *injection_evidence(hop), *where(hop, known)]


def _proved(hop: Hop, known: Known, answers: tuple[str, ...]) -> list[Finding]:
    place = min(hop.proved & frozenset(answers))
    found = [fine("dns-certificate", f"the server at {place}, as the resolver told, proved to be {hop.host}", 0.97)]
    reference = hop.trusted_answers or known.addresses
    if reference and not frozenset(answers) & frozenset(reference):
        text = (
            f"the resolver answers {listed(answers)} where {listed(reference)} is expected: another node, or a "
            "transparent relay, harmless since the certificate is valid"
        )
        found.append(note("dns-differs", text))
    if injected_replies(hop):
        found.append(note("dns-extra-reply", "the query drew incompatible replies, and the first one was honest"))
    return found


def _bogus(hop: Hop, known: Known, answers: tuple[str, ...]) -> list[Finding]:
    said = f"the resolver answered {listed(answers)} for {hop.host}, no public address"
    reference = hop.trusted_answers or known.addresses
    if all_bogus(reference):
        if hop.scheme == "dns":
            return [fine("dns-consistent", f"{said}, and so do trusted resolvers")]
        return [down("dns-bogon-everywhere", f"{said}; trusted resolvers and controls get the like")]
    if hop.surroundings.private_neutral:
        return [unclear("dns-split-horizon", f"{said}; neutral names resolve to private addresses here too")]
    if reference:
        text = f"{said}; it should be {listed(reference)}"
        return [
            forged(hop, known, "dns-bogon", text, 0.97),
            *injection_evidence(hop),
            *where(hop, known),
        ]
    if known.public:
        text = f"{said}, and the catalogue knows it as a public site"
        return [forged(hop, known, "dns-bogon", text, 0.85)]
    return [unclear("dns-bogon-no-reference", f"{said}; nothing tells what it should be")]


def _unproved(hop: Hop, known: Known, answers: tuple[str, ...]) -> list[Finding]:
    """Public addresses where no server proved to be the host."""
    said = f"the resolver answered {listed(answers)} for {hop.host}"
    usual = frozenset(answers) <= frozenset(hop.surroundings.rewrite)
    withdrawn = not hop.trusted_answers and bool(_DENIALS & set(hop.trusted_failures))
    reference = frozenset(hop.trusted_answers) | (frozenset() if withdrawn else frozenset(known.addresses))
    if reference & frozenset(answers):
        return [fine("dns-consistent", f"the resolver's answer for {hop.host} is among the expected ones")]
    if not reference:
        return [_without_reference(known, said, nowhere=withdrawn, usual=usual)]
    said += f" where {listed(sorted(reference))} is expected"
    if usual:
        return [forged(hop, known, "dns-rewritten", f"{said}; it is the usual answer for names that do not exist", 0.8)]
    proof = proof_of_forgery(hop, known, answers)
    if proof is None:
        return [_differs(hop, said, frozenset(answers))]
    rule, why, confidence = proof
    found = forged(hop, known, rule, f"{said}; {why}", confidence)
    return [found, *injection_evidence(hop), *where(hop, known)]


def _differs(hop: Hop, said: str, told: frozenset[str]) -> Finding:
    """Harmless only for those whom it leads somewhere."""
    working = works_elsewhere(hop, told)
    if working is None:
        return note("dns-differs", f"{said}; different addresses alone prove nothing")
    text = f"{said}; nothing answers there, while {working} does: a dead node, or none at all"
    return unclear("dns-node-dead", text)


def _without_reference(known: Known, said: str, *, nowhere: bool, usual: bool) -> Finding:
    nowhere = nowhere or bool(known.expectation and known.expectation.dns_failure)
    if nowhere and usual:
        return down("dns-nxdomain-rewritten", f"{said}, its usual answer for names that do not exist")
    if nowhere:
        return unclear("dns-ghost", f"{said}; for trusted resolvers and controls the name does not exist")
    return note("dns-unchecked", f"{said}; no trusted resolver or control tells what it should be")
