"""A handshake that finished over a bad certificate: a forger's, or the site's own fault?

A certificate that the control finds at fault too is the site's own. `ssl_invalid_certificate` says that a path to a
trusted authority exists and something else is wrong (mostly the date, which may be the probe's own clock): no forger
has such a path. What is left, an unknown authority where the site is known to have a public one, is interception.
"""

from probe.verdict.findings import Finding, blocks, down, unclear
from probe.verdict.fingerprints import concludes, describe
from probe.verdict.known import Known
from probe.verdict.seen import Hop
from probe.wire.expectations import Expectation
from probe.wire.steps import TlsStep
from probe.wire.vocabulary import Failure, Purpose, Technique


def judge_certificate(hop: Hop, known: Known, step: TlsStep) -> Finding:
    fault = _fault(hop, step)
    expected = known.expectation
    if expected is not None and (expected.chain_valid is False or expected.host_match is False):
        return _held_against(expected, step, fault)
    if step.chain_valid is None and step.host_match is None:
        return unclear("tls-unverified", f"{fault}; nobody verified it")
    if step.chain_valid and step.host_match is False:
        return unclear("tls-other-host", f"{fault}: a public authority vouches for it, so no forgery")
    if step.chain_failure == Failure.SSL_INVALID_CERTIFICATE:
        return unclear(
            "tls-not-valid-now", f"{fault}: a trusted authority made it, so the site or this clock is at fault"
        )
    if expected is not None and step.chain_sha256 in expected.chain_sha256:
        return unclear("tls-same-chain", f"{fault}; the control was shown the same")
    if not (hop.is_literal or hop.trusted_answers or known.addresses or not hop.system):
        return unclear("tls-unknown-address", f"{fault}; nothing tells whether that address is the host's")
    if not hop.neutral_sites_prove:
        return unclear("tls-everywhere", f"{fault}; no neutral site shows a valid one here either")
    if expected is not None and expected.chain_valid:
        return _intercepted(hop, known, step, f"{fault}; the control gets a valid one", 0.97)
    if known.public and not _servers_own(hop, step):
        text = f"{fault}; the catalogue knows the site to have a publicly valid one"
        return _intercepted(hop, known, step, text, 0.85)
    return unclear("tls-unknown-no-control", f"{fault}; no control tells whether that is the site's own")


def _fault(hop: Hop, step: TlsStep) -> str:
    issuer = f" issued by {step.issuer}" if step.issuer else ""
    if step.chain_valid is not False:
        return f"{step.address} showed a certificate{issuer} that is not for {hop.host}"
    why = "not valid now" if step.chain_failure == Failure.SSL_INVALID_CERTIFICATE else "of an unknown authority"
    return f"{step.address} showed a certificate for {hop.host}{issuer}, {why}"


def _held_against(expected: Expectation, step: TlsStep, fault: str) -> Finding:
    """The control saw a fault too: the same one?"""
    same_chain = step.chain_sha256 is not None and step.chain_sha256 in expected.chain_sha256
    same_fault = (expected.chain_failure, expected.host_match is False) == (
        step.chain_failure,
        step.host_match is False,
    )
    unknown = expected.chain_failure is None and expected.host_match is not False
    if same_chain or same_fault or unknown or (expected.chain_failure == step.chain_failure is not None):
        return down("tls-fault-for-control", f"{fault}; the control sees that too", 0.9)
    return unclear("tls-other-fault", f"{fault}; the control sees another fault")


def _servers_own(hop: Hop, step: TlsStep) -> bool:
    """The same certificate whatever the name, and not made for this one: more like a server's than a forger's."""
    same = [other for other in hop.tls if other.chain_sha256 == step.chain_sha256 and other.address == step.address]
    whatever_name = any(other.purpose is Purpose.INNOCUOUS for other in same)
    chain = next((other.chain for other in same if other.chain), ())
    return whatever_name and (step.host_match is False or len(chain) == 1)


def _intercepted(hop: Hop, known: Known, step: TlsStep, text: str, confidence: float) -> Finding:
    behind = [page for page in hop.http if page.address == step.address and not page.trusted]
    row = next((row for page in behind if concludes(row := known.fingerprints.of_page(page))), None)
    if row is not None:
        text += f"; behind it a known notice: fingerprint {describe(row)}"
        confidence = max(confidence, 0.98)
    return blocks(Technique.TLS_INTERCEPTION, "tls-interception", text, confidence)
