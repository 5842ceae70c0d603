"""The TCP layer: can any honest address of the host be connected to?"""

from collections.abc import Sequence

from probe.verdict.findings import Finding, blocks, down, fine, note, unclear
from probe.verdict.known import Known
from probe.verdict.seen import TIMEOUTS, USER_PATH, Hop
from probe.wire.steps import TcpStep
from probe.wire.vocabulary import Failure, Purpose, Technique

_RESETS = frozenset({Failure.CONNECTION_REFUSED, Failure.CONNECTION_RESET, Failure.CONNECTION_ABORTED})
_UNREACHABLE = frozenset({Failure.HOST_UNREACHABLE, Failure.NETWORK_UNREACHABLE, Failure.PERMISSION_DENIED})

_BY_ADDRESS = 0.75  # a server that refuses a country looks the same from inside it


def technique_of(failure: str) -> Technique | None:
    """How a connect was stopped; None where the failure is the probe's own (no socket left, no such family)."""
    if failure in TIMEOUTS:
        return Technique.IP_DROP
    if failure in _RESETS:
        return Technique.IP_RESET
    if failure in _UNREACHABLE:
        return Technique.IP_UNREACHABLE
    return None


def judge_tcp(hop: Hop, known: Known, honest: frozenset[str] | None) -> list[Finding]:
    tries = [step for step in hop.connects(*USER_PATH) if hop.among(step, honest)]
    if not tries:
        return []
    reached = [step for step in tries if step.failure is None]
    missed = [step for step in tries if step.failure is not None]
    if reached:
        return [_connected(hop, reached), *([_some(missed, tries)] if missed else [])]
    again = [step for step in hop.connects(Purpose.REPEAT) if step.failure is None and hop.among(step, honest)]
    if again:
        text = f"connecting to {_place(again[0])} failed once ({missed[0].failure}) and succeeded when repeated"
        return [note("tcp-transient", text), _connected(hop, again)]
    return [_unreached(hop, known, missed)]


def _connected(hop: Hop, reached: Sequence[TcpStep]) -> Finding:
    confidence = 0.8 if hop.scheme == "tcp" else 0.5
    return fine("tcp-connected", f"connected to {_place(reached[0])}", confidence)


def _some(missed: Sequence[TcpStep], tries: Sequence[TcpStep]) -> Finding:
    text = f"{len(missed)} of {len(tries)} addresses cannot be connected to ({_place(missed[0])}: {missed[0].failure})"
    return note("tcp-some-addresses", text)


def _unreached(hop: Hop, known: Known, missed: Sequence[TcpStep]) -> Finding:
    first = _most_telling(missed)
    failure = first.failure or ""
    times = len(missed) + len([step for step in hop.connects(Purpose.REPEAT) if step.failure])
    said = f"{times} attempts to connect to {_place(first)} failed: {failure}"
    technique = technique_of(failure)
    if technique is None:
        return unclear("tcp-own-fault", f"{said}, which is the probe's own trouble")
    expected = known.expectation.tcp_ok if known.expectation else None
    if expected is False:
        return down("tcp-fails-for-control", f"{said}; the control cannot connect either")
    if expected is True:
        text = f"{said}; the control connects{_ports(hop)}. The server itself may do so to a whole country"
        return blocks(technique, technique.value, text, _BY_ADDRESS)
    return unclear("tcp-no-control", f"{said}; no control tells whether the server is up{_ports(hop)}")


def _most_telling(missed: Sequence[TcpStep]) -> TcpStep:
    """An active refusal is somebody's act; silence may be anything."""
    active = [step for step in missed if step.failure not in TIMEOUTS]
    return (active or list(missed))[0]


def _ports(hop: Hop) -> str:
    open_ports = sorted({step.port for step in hop.tcp if step.purpose is Purpose.OTHER_PORT and step.failure is None})
    return f" (port {open_ports[0]} of the same address is open here)" if open_ports else ""


def _place(step: TcpStep) -> str:
    return f"[{step.address}]:{step.port}" if ":" in step.address else f"{step.address}:{step.port}"
