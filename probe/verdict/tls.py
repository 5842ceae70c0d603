"""The TLS layer: does a server that proves to be the host answer a ClientHello with its name?

A handshake that finished over a bad certificate is judged in `certificates`, one that somebody stopped in `handshakes`.
"""

from collections.abc import Sequence

from probe.verdict.certificates import judge_certificate
from probe.verdict.findings import Finding, fine, note, unclear
from probe.verdict.handshakes import judge_interrupted
from probe.verdict.known import Known
from probe.verdict.seen import USER_PATH, Hop
from probe.wire.steps import TlsStep
from probe.wire.vocabulary import Purpose


def judge_tls(hop: Hop, known: Known, honest: frozenset[str] | None) -> list[Finding]:
    if hop.scheme not in {"https", "tls"}:
        return []
    tries = [step for step in hop.handshakes(*USER_PATH) if hop.among(step, honest)]
    proved = [step for step in tries if step.trusted]
    if proved:
        return [_proved(hop, proved[0]), *_missed(tries)]
    again = [step for step in hop.handshakes(Purpose.REPEAT) if step.trusted and hop.among(step, honest)]
    if again:
        text = f"the handshake failed once and succeeded when repeated{_failures(tries)}"
        return [note("tls-transient", text), _proved(hop, again[0])]
    if not tries:
        return []
    finished = [step for step in tries if step.failure is None]
    if finished:
        return [judge_certificate(hop, known, finished[0])]
    counting = [step for step in tries if hop.counts(step)]
    if not counting:
        return [unclear("tls-no-ipv6", f"{hop.host} was tried over IPv6 only, which does not work here")]
    return judge_interrupted(hop, known, counting)


def _proved(hop: Hop, step: TlsStep) -> Finding:
    return fine("tls-certificate", f"{step.address} showed a valid certificate for {hop.host}", 0.97)


def _missed(tries: Sequence[TlsStep]) -> list[Finding]:
    failed = [step for step in tries if step.failure is not None]
    if not failed:
        return []
    return [note("tls-some-addresses", f"{len(failed)} of {len(tries)} handshakes failed{_failures(failed)}")]


def _failures(steps: Sequence[TlsStep]) -> str:
    return "".join(f" ({step.address}: {step.failure})" for step in steps[:2] if step.failure)
