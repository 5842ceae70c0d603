"""The TLS layer: does a server that proves to be the host answer a ClientHello with its name?

A handshake that fails with this name and passes with an innocuous one at the same address is filtered by name
(`sni-*`). Where that test is impossible or does not isolate the name it is `tls-*`. A certificate that the control
finds at fault too is the site's own.
"""

from collections.abc import Sequence

from probe.verdict.findings import Finding, blocks, down, fine, note, unclear
from probe.verdict.fingerprints import concludes, describe
from probe.verdict.known import Known
from probe.verdict.seen import TIMEOUTS, USER_PATH, Hop
from probe.wire.steps import TlsStep
from probe.wire.vocabulary import Failure, Purpose, Technique

_CLOSES = frozenset({Failure.EOF_ERROR, Failure.CONNECTION_ALREADY_CLOSED, Failure.SSL_FAILED_HANDSHAKE})
_RESETS = frozenset({Failure.CONNECTION_RESET, Failure.CONNECTION_ABORTED, Failure.CONNECTION_REFUSED})
_BY_NAME = {"drop": Technique.SNI_DROP, "reset": Technique.SNI_RESET, "close": Technique.SNI_CLOSE}
_BY_ADDRESS = {"drop": Technique.TLS_DROP, "reset": Technique.TLS_RESET, "close": Technique.TLS_CLOSE}
_SAID = {"drop": "is met with silence", "reset": "is reset", "close": "is closed"}


def judge_tls(hop: Hop, known: Known, honest: frozenset[str] | None) -> list[Finding]:
    if hop.scheme not in {"https", "tls"}:
        return []
    tries = [step for step in hop.handshakes(*USER_PATH) if honest is None or step.address in honest]
    proved = [step for step in tries if step.trusted]
    if proved:
        return [_proved(hop, proved[0]), *_missed(tries)]
    again = [step for step in hop.handshakes(Purpose.REPEAT) if step.trusted]
    if again:
        return [
            note("tls-transient", f"the handshake failed once and succeeded when repeated{_failures(tries)}"),
            _proved(hop, again[0]),
        ]
    if not tries:
        return []
    finished = [step for step in tries if step.failure is None]
    return _certificate(hop, known, finished[0]) if finished else _interrupted(hop, known, tries)


def _proved(hop: Hop, step: TlsStep) -> Finding:
    return fine("tls-certificate", f"{step.address} showed a valid certificate for {hop.host}", 0.97)


def _missed(tries: Sequence[TlsStep]) -> list[Finding]:
    failed = [step for step in tries if step.failure is not None]
    if not failed:
        return []
    return [note("tls-some-addresses", f"{len(failed)} of {len(tries)} handshakes failed{_failures(failed)}")]


def _failures(steps: Sequence[TlsStep]) -> str:
    return "".join(f" ({step.address}: {step.failure})" for step in steps[:2] if step.failure)


# --- a handshake that finished over a bad certificate ---


def _certificate(hop: Hop, known: Known, step: TlsStep) -> list[Finding]:
    fault = _fault(hop, step)
    expected = known.expectation
    if expected is not None and (expected.chain_valid is False or expected.host_match is False):
        return [_fault_for_control(step, fault, expected.chain_sha256, expected.chain_failure)]
    if step.chain_valid is None and step.host_match is None:
        return [unclear("tls-unverified", f"{fault}; nobody verified it")]
    if step.chain_valid and step.host_match is False:
        return [unclear("tls-other-host", f"{fault}: a public authority vouches for it, so no forgery")]
    if expected is not None and expected.chain_valid:
        return [_intercepted(hop, known, step, f"{fault}; the control gets a valid one", 0.97)]
    if step.chain_failure == Failure.SSL_INVALID_CERTIFICATE:
        return [unclear("tls-invalid-no-control", f"{fault}; no control tells whether that is the site's own fault")]
    if known.public and not _servers_own(hop, step):
        return [
            _intercepted(hop, known, step, f"{fault}; the catalogue knows the site to have a publicly valid one", 0.85)
        ]
    return [unclear("tls-unknown-no-control", f"{fault}; no control tells whether that is the site's own")]


def _fault(hop: Hop, step: TlsStep) -> str:
    issuer = f" issued by {step.issuer}" if step.issuer else ""
    if step.chain_valid is False:
        why = (
            "expired or malformed"
            if step.chain_failure == Failure.SSL_INVALID_CERTIFICATE
            else "of an unknown authority"
        )
        return f"{step.address} showed a certificate for {hop.host}{issuer}, {why}"
    return f"{step.address} showed a certificate{issuer} that is not for {hop.host}"


def _fault_for_control(step: TlsStep, fault: str, chains: Sequence[str], failure: str | None) -> Finding:
    same = step.chain_sha256 in chains or failure == step.chain_failure
    if same or not (chains and failure):
        return down("tls-fault-for-control", f"{fault}; the control sees that too", 0.9)
    return unclear("tls-other-fault", f"{fault}; the control sees another fault")


def _servers_own(hop: Hop, step: TlsStep) -> bool:
    """The same certificate whatever the name, and not made for this one: more like a server's than a forger's."""
    same = [
        other
        for other in hop.tls
        if other.purpose is Purpose.INNOCUOUS
        and other.address == step.address
        and other.chain_sha256 == step.chain_sha256
    ]
    return bool(same) and (step.host_match is False or len(step.chain) == 1)


def _intercepted(hop: Hop, known: Known, step: TlsStep, text: str, confidence: float) -> Finding:
    behind = [page for page in hop.http if page.address == step.address and not page.trusted]
    row = next((row for page in behind if concludes(row := known.fingerprints.of_page(page))), None)
    if row is not None:
        text += f"; behind it a known notice: fingerprint {describe(row)}"
        confidence = max(confidence, 0.98)
    return blocks(Technique.TLS_INTERCEPTION, "tls-interception", text, confidence)


# --- a handshake that somebody stopped ---


def _manner(failure: str | None) -> str | None:
    if failure in TIMEOUTS:
        return "drop"
    if failure in _RESETS:
        return "reset"
    return "close" if failure in _CLOSES else None


def _interrupted(hop: Hop, known: Known, tries: Sequence[TlsStep]) -> list[Finding]:
    step = next((step for step in tries if hop.counts(step)), tries[0])
    manner = _manner(step.failure)
    said = f"the TLS handshake with {hop.host} at {step.address} failed: {step.failure}"
    if manner is None:
        return [unclear("tls-unknown-failure", said)]
    expected = known.expectation.tls_ok if known.expectation else None
    if expected is False:
        return [down("tls-fails-for-control", f"{said}; the control's fails too")]
    isolated = _isolated(hop, tries, manner)
    if isolated is not None:
        return [_by_name(manner, said, isolated, sure=expected is True), *_split(hop)]
    if expected is None:
        return [unclear("tls-no-control", f"{said}; nothing isolates the name and no control tells whether it works")]
    return [_not_isolated(hop, manner, said)]


def _by_name(manner: str, said: str, isolated: tuple[str, str, float], *, sure: bool) -> Finding:
    rule, why, confidence = isolated
    confidence = confidence if sure else confidence - 0.05
    return blocks(_BY_NAME[manner], rule, f"{said}; {why}", confidence)


def _isolated(hop: Hop, tries: Sequence[TlsStep], manner: str) -> tuple[str, str, float] | None:
    """What shows that the name, and nothing else, draws the interference: (rule, sentence, confidence)."""
    failed = {step.address for step in tries}
    clean = [step for step in _innocuous(hop) if step.address in failed and answered(step)]
    if clean:
        return "sni-isolated", f"with the name {clean[0].sni} the same address answers", 0.97
    if any(answered(step) for step in hop.tls if step.profile == "split"):
        return "sni-split-passes", "a ClientHello that splits the name over two segments is answered", 0.93
    elsewhere = [step for step in hop.tls if step.purpose is Purpose.ELSEWHERE]
    if any(_manner(step.failure) == manner for step in elsewhere):
        return (
            "sni-elsewhere",
            f"the name draws the same at {elsewhere[0].address}, which has nothing to do with it",
            0.93,
        )
    if _residual(hop, tries):
        return "sni-residual", "the address accepted connections until the name was sent, and none after it", 0.85
    return None


def _innocuous(hop: Hop) -> list[TlsStep]:
    return [step for step in hop.tls if step.purpose is Purpose.INNOCUOUS]


def answered(step: TlsStep) -> bool:
    """The server said something, be it an alert: the ClientHello reached it and the answer came back."""
    return step.failure is None or step.alert is not None or step.bytes_read > 0


def _residual(hop: Hop, tries: Sequence[TlsStep]) -> bool:
    hit = {step.address: step.t for step in tries}
    before = {step.address for step in hop.tcp if step.failure is None and step.t <= hit.get(step.address, 0.0)}
    after = [step for step in hop.tcp if step.port == hop.port and step.t0 >= hit.get(step.address, float("inf"))]
    return bool(after) and all(step.failure is not None and step.address in before for step in after)


def _not_isolated(hop: Hop, manner: str, said: str) -> Finding:
    innocuous = [step for step in _innocuous(hop) if not answered(step)]
    small = [step for step in hop.tls if step.purpose is Purpose.SMALL_HELLO]
    if manner == "drop" and any(answered(step) for step in small):
        text = f"{said}; a smaller ClientHello is answered: large packets are lost on the way, whatever the name"
        return unclear("tls-large-packets-lost", text)
    whatever = f" and {_SAID[manner]} with the name {innocuous[0].sni} too" if innocuous else ""
    text = f"{said}{whatever}; the control's handshake succeeds"
    return blocks(_BY_ADDRESS[manner], _BY_ADDRESS[manner].value, text, 0.85 if innocuous else 0.75)


def _split(hop: Hop) -> list[Finding]:
    split = [step for step in hop.tls if step.profile == "split"]
    if any(answered(step) for step in split):
        return [
            note(
                "sni-splitting-passes",
                "splitting the ClientHello in two segments passes: the filter does not reassemble",
            )
        ]
    if split:
        return [note("sni-splitting-fails", "splitting the ClientHello in two segments does not help")]
    return []
