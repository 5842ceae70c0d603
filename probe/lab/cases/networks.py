"""Networks in which nothing can be said about anybody else, and evidence that does not suffice."""

from probe.lab.cases.case import NAME, TRUSTED_RESOLVERS, Case, says
from probe.lab.interference import (
    AddressFilter,
    CaptivePortal,
    DomesticOnly,
    Offline,
    ResolverAnswers,
    TlsInterception,
)
from probe.lab.model import CHINA_TELECOM, Answer

NETWORKS = (
    Case(name="corporate-tls", expected=says("void"), interferences=(TlsInterception(issuer="Example Corp CA"),)),
    Case(name="domestic-only", expected=says("void"), interferences=(DomesticOnly(),), isp=CHINA_TELECOM),
    Case(name="offline", expected=says("void"), interferences=(Offline(),)),
    Case(name="captive-portal", expected=says("void"), interferences=(CaptivePortal(),)),
    Case(
        name="no-control-dns-fails",
        expected=says("inconclusive"),
        interferences=(
            AddressFilter(targets=TRUSTED_RESOLVERS, ports=()),
            ResolverAnswers(names=(NAME,), answer=Answer(kind="timeout")),
        ),
        control=False,
    ),
)
