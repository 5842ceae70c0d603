"""One plain sentence for each thing that is stopped, for people who are not of the field."""

from probe.wire.vocabulary import Outcome, Technique

_HOW: dict[Technique, str] = {
    Technique.DNS_NXDOMAIN: "the resolver says that the name does not exist",
    Technique.DNS_NO_ANSWER: "the resolver gives the name no address",
    Technique.DNS_REFUSED: "the resolver refuses to answer for the name",
    Technique.DNS_SERVFAIL: "the resolver fails for this name only",
    Technique.DNS_TIMEOUT: "the resolver stays silent for this name only",
    Technique.DNS_FORGED: "the name is answered with a wrong address",
    Technique.IP_DROP: "connections to its addresses vanish without an answer",
    Technique.IP_RESET: "connections to its addresses are refused",
    Technique.IP_UNREACHABLE: "a router calls its addresses unreachable",
    Technique.SNI_DROP: "connections vanish once the site's name is sent",
    Technique.SNI_RESET: "connections are reset once the site's name is sent",
    Technique.SNI_CLOSE: "connections are closed once the site's name is sent",
    Technique.TLS_DROP: "encrypted connections to its address vanish, whatever the name",
    Technique.TLS_RESET: "encrypted connections to its address are reset",
    Technique.TLS_CLOSE: "encrypted connections to its address are closed",
    Technique.TLS_INTERCEPTION: "somebody on the path poses as the site with a forged certificate",
    Technique.HTTP_BLOCKPAGE: "a notice is shown instead of the site",
    Technique.HTTP_RESET: "requests for the site are reset",
    Technique.HTTP_DROP: "requests for the site vanish without an answer",
    Technique.HTTP_CLOSE: "requests for the site are cut off",
    Technique.HTTP_CUTOFF: "the transfer stalls after some kilobytes",
    Technique.QUIC_DROP: "QUIC packets vanish without an answer",
    Technique.THROTTLING: "it is slowed down so far that it is of little use",
}
_STATE = {
    Outcome.OK: "reachable",
    Outcome.BLOCKED: "blocked",
    Outcome.PARTIAL: "partly blocked",
    Outcome.DEGRADED: "slowed down",
    Outcome.DOWN: "down for everybody",
    Outcome.INCONCLUSIVE: "not clear",
    Outcome.VOID: "not measured",
}


def state(outcome: Outcome) -> str:
    return _STATE[outcome]


def how(technique: Technique) -> str:
    return _HOW[technique]


_WHOSE = {
    "opt-in": " (a filter that the connection's owner chose)",
    "resolver": " (by the resolver in use, which is none of this network's)",
}


def sentence(what: str, outcome: Outcome, techniques: tuple[Technique, ...], *, scope: str | None = None) -> str:
    """`what` names the thing: `X web`, or a URL typed by hand."""
    means = ", and ".join(_HOW[technique] for technique in techniques[:2])
    own = _WHOSE.get(scope or "", "")
    return f"{what} is {_STATE[outcome]}{own}{f': {means}' if means else ''}."
