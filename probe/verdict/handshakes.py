"""A handshake that somebody stopped: by the name, by the address, or not by a censor at all?

One that fails with this name and passes with an innocuous one at the same address is filtered by name (`sni-*`). Where
that test is impossible or does not isolate the name it is `tls-*`, which needs a control. What ends in the same way
whatever the name isolates nothing, and a loss of large packets looks like a filter until a small ClientHello passes.
"""

from collections.abc import Sequence

from probe.verdict.findings import Finding, blocks, down, note, unclear
from probe.verdict.known import Known
from probe.verdict.seen import TIMEOUTS, Hop
from probe.wire.steps import TlsStep
from probe.wire.vocabulary import Failure, Purpose, Technique

_CLOSES = frozenset({Failure.EOF_ERROR, Failure.CONNECTION_ALREADY_CLOSED, Failure.SSL_FAILED_HANDSHAKE})
_RESETS = frozenset({Failure.CONNECTION_RESET, Failure.CONNECTION_ABORTED, Failure.CONNECTION_REFUSED})
_BY_NAME = {"drop": Technique.SNI_DROP, "reset": Technique.SNI_RESET, "close": Technique.SNI_CLOSE}
_BY_ADDRESS = {"drop": Technique.TLS_DROP, "reset": Technique.TLS_RESET, "close": Technique.TLS_CLOSE}
_WITHOUT_CONTROL = 0.05  # less sure than with one
_NOT_ISOLATED = 0.7  # a server that refuses a country looks the same from inside it

Isolation = tuple[str, str, float]  # rule, sentence, confidence


def manner_of(failure: str | None) -> str | None:
    """How a handshake ended: drop, reset or close; None where the failure is none of these."""
    if failure in TIMEOUTS:
        return "drop"
    if failure in _RESETS:
        return "reset"
    return "close" if failure in _CLOSES else None


def answered(step: TlsStep) -> bool:
    """The server said something, be it an alert: the ClientHello reached it and the answer came back."""
    return step.failure is None or step.alert is not None or step.bytes_read > 0


def judge_interrupted(hop: Hop, known: Known, tries: Sequence[TlsStep]) -> list[Finding]:
    step = tries[0]
    manner = manner_of(step.failure)
    said = f"the TLS handshake with {hop.host} at {step.address} failed: {step.failure}"
    if manner is None:
        return [unclear("tls-unknown-failure", said)]
    expected = known.expectation.tls_ok if known.expectation else None
    if expected is False:
        return [down("tls-fails-for-control", f"{said}; the control's fails too")]
    if step.alert is not None and expected is None:
        return [
            unclear("tls-alert", f"{said}; the server itself said {step.alert}, and no control tells whether to all")
        ]
    if manner == "drop" and _large_packets_lost(hop):
        text = f"{said}; a smaller ClientHello is answered: large packets are lost on the way, whatever the name"
        return [unclear("tls-large-packets-lost", text)]
    isolated = _isolated(hop, tries, manner, controlled=expected is True)
    if isolated is not None:
        rule, why, confidence = isolated
        confidence -= 0 if expected else _WITHOUT_CONTROL
        return [blocks(_BY_NAME[manner], rule, f"{said}; {why}", confidence), *_split(hop)]
    if step.after_hit is not None:
        text = f"{said}; {step.after_hit} drew interference at this address before, which may last"
        return [unclear("tls-tainted", text)]
    if expected is None:
        return [unclear("tls-no-control", f"{said}; nothing isolates the name and no control tells whether it works")]
    return [_whatever_name(hop, manner, said)]


def _isolated(hop: Hop, tries: Sequence[TlsStep], manner: str, *, controlled: bool) -> Isolation | None:
    """What shows that the name, and nothing else, draws the interference. Where another name had drawn it at the
    address before, only what came afterwards can tell."""
    when = {tried.address: tried.t if tried.after_hit else 0.0 for tried in tries}
    innocuous = [step for step in _innocuous(hop) if step.t0 >= when.get(step.address, float("inf"))]
    ends = {(step.failure, step.alert) for step in tries}
    clean = [step for step in innocuous if answered(step) and (step.failure, step.alert) not in ends]
    if clean:
        return "sni-isolated", f"with the name {clean[0].sni} the same address answers", 0.97
    others = {manner_of(step.failure) for step in innocuous} - {None, manner}
    if others and (manner == "drop" or controlled):
        how = " and ".join(sorted(str(other) for other in others))
        return "sni-other-end", f"with the name {innocuous[0].sni} the same address ends it otherwise ({how})", 0.85
    unanswered = not any(answered(step) for step in innocuous) and ((controlled and manner == "close") or not innocuous)
    if unanswered and any(answered(step) for step in hop.tls if step.profile == "split"):
        return "sni-split-passes", "a ClientHello that splits the name over two segments is answered", 0.93
    elsewhere = [step for step in hop.tls if step.purpose is Purpose.ELSEWHERE and manner_of(step.failure) == manner]
    if elsewhere:
        return "sni-elsewhere", f"it draws the same at {elsewhere[0].address}, which has nothing to do with it", 0.93
    if manner != "drop" and _residual(hop, tries):
        return "sni-residual", "the address accepted connections until the name was sent, and none after it", 0.85
    return None


def _innocuous(hop: Hop) -> list[TlsStep]:
    return [step for step in hop.tls if step.purpose is Purpose.INNOCUOUS]


def _residual(hop: Hop, tries: Sequence[TlsStep]) -> bool:
    """What follows an active end: silence after silence may be a network that went away."""
    hit = {step.address: step.t for step in tries}
    before = {step.address for step in hop.tcp if step.failure is None and step.t <= hit.get(step.address, 0.0)}
    after = [step for step in hop.tcp if step.port == hop.port and step.t0 >= hit.get(step.address, float("inf"))]
    ends = {manner_of(step.failure) for step in after}
    return bool(after) and ends <= {"reset", "drop"} and all(step.address in before for step in after)


def _small(hop: Hop) -> list[TlsStep]:
    return [step for step in hop.tls if step.purpose is Purpose.SMALL_HELLO]


def _large_packets_lost(hop: Hop) -> bool:
    return any(answered(step) for step in _small(hop)) and not any(answered(step) for step in _innocuous(hop))


def _whatever_name(hop: Hop, manner: str, said: str) -> Finding:
    """The control's handshake succeeds, and the name was not isolated."""
    if manner == "drop" and not _small(hop):
        return unclear(
            "tls-drop-untested", f"{said}; no small ClientHello was tried, so packets may be lost by their size"
        )
    if manner == "drop" and not hop.neutral_sites_prove:
        return unclear("tls-neutral-fails", f"{said}; so do handshakes with neutral sites")
    tried = _innocuous(hop)
    other = f", and with the name {tried[0].sni}: {tried[0].failure}" if tried else ""
    text = f"{said}{other}; the control's succeeds. The server itself may do so to a whole country"
    technique = _BY_ADDRESS[manner]
    return blocks(technique, technique.value, text, _NOT_ISOLATED)


def _split(hop: Hop) -> list[Finding]:
    split = [step for step in hop.tls if step.profile == "split"]
    if any(answered(step) for step in split):
        text = "splitting the ClientHello in two segments passes: the filter does not reassemble"
        return [note("sni-splitting-passes", text)]
    return [note("sni-splitting-fails", "splitting the ClientHello in two segments does not help")] if split else []
