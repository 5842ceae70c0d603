"""Signs that a DNS answer was put on the wire by somebody on the path.

A query that draws incompatible replies raced an injector: other rcodes, or disjoint addresses of which one set is not
the server's. Order, TTL and duplicates never count (3-way rotation is ordinary). An address that runs no resolver and
yet answers for this name, and for this name only, has an injector before it.
"""

import itertools

from probe.verdict.findings import Finding, note
from probe.verdict.seen import Hop, all_bogus
from probe.wire.steps import DnsReply, DnsStep
from probe.wire.vocabulary import Purpose

_TEMPORARY = "SERVFAIL"  # a resolver may say so once and answer the retransmission


def injected_replies(hop: Hop) -> bool:
    """Whether any question about this host drew replies that cannot both be the resolver's."""
    return any(_incompatible(step, hop) for step in hop.queries(Purpose.TARGET, Purpose.TRUSTED_UDP, Purpose.REPEAT))


def _incompatible(step: DnsStep, hop: Hop) -> bool:
    replies = [reply for reply in step.replies if reply.matches and reply.rcode and not reply.truncated]
    return any(_contradict(first, second, step, hop) for first, second in itertools.combinations(replies, 2))


def _contradict(first: DnsReply, second: DnsReply, step: DnsStep, hop: Hop) -> bool:
    if first.rcode != second.rcode:
        return not (step.sent > 1 and _TEMPORARY in {first.rcode, second.rcode})
    left, right = frozenset(map(hop.real, first.addresses)), frozenset(map(hop.real, second.addresses))
    if not left or not right:
        return bool(left or right) and step.sent == 1
    if step.sent > 1 and not all_bogus(left) and not all_bogus(right):
        return False  # a content network may answer the retransmission otherwise
    return not left & right and _good(left, hop) != _good(right, hop)


def _good(addresses: frozenset[str], hop: Hop) -> bool:
    """Whether these are the server's: proved by certificate, or else told by trusted resolvers."""
    if all_bogus(addresses):
        return False
    if hop.proved:
        return bool(addresses & hop.proved) or bool(addresses & frozenset(hop.trusted_answers))
    return bool(addresses & frozenset(hop.trusted_answers))


def injection_evidence(hop: Hop) -> list[Finding]:
    """The test with an address that runs no resolver: answered for this name only."""
    named = [step for step in hop.queries(Purpose.SILENT_TARGET) if _answered(step)]
    neutral = [step for step in hop.dns if step.purpose is Purpose.SILENT_NEUTRAL]
    if not named or not neutral or any(_answered(step) for step in neutral):
        return []
    text = f"{named[0].resolver} runs no resolver, is silent for {neutral[0].name}, and yet answered for {hop.host}"
    return [note("dns-injection-on-path", text)]


def answered_for_everybody(hop: Hop) -> list[Finding]:
    """The same test, answered for a neutral name too: somebody takes every question, which by itself is harmless."""
    heard = [step for step in hop.dns if step.purpose is Purpose.SILENT_NEUTRAL and _answered(step)]
    if not heard:
        return []
    text = f"{heard[0].resolver}, a web server, answers for {heard[0].name} as well: somebody takes every DNS question"
    return [note("dns-transparent-interception", text)]


def _answered(step: DnsStep) -> bool:
    return any(reply.matches and reply.rcode for reply in step.replies)
