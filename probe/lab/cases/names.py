"""Interference with the resolution of names."""

from probe.lab.cases.case import HTTPS, NAME, SITE, Case, blocked, says
from probe.lab.interference import NOTICE, NOTICE_ADDRESS, DnsInjection, NameFilter, ResolverAnswers
from probe.lab.model import Answer, Resolver, Site

_AD_BLOCKER = "94.140.14.14"  # AS212772
_OPT_IN = "193.192.98.41"  # TurkNet's family filter
_PROXY = "185.88.181.5"
_FORGED = "31.13.94.37"
_NOTICE_SITE = Site(name=NOTICE_ADDRESS, addresses=(NOTICE_ADDRESS,), ports={80: "http"}, content=NOTICE)


def _isp_says(answer: Answer) -> tuple[ResolverAnswers]:
    return (ResolverAnswers(names=(NAME,), answer=answer),)


def _isp_sends_to(address: str) -> tuple[ResolverAnswers]:
    return _isp_says(Answer(addresses=(address,)))


NAMES = (
    Case(
        name="dns-nxdomain",
        expected=blocked("dns-nxdomain"),
        interferences=_isp_says(Answer(kind="nxdomain")),
    ),
    Case(
        name="dns-refused",
        expected=blocked("dns-refused"),
        interferences=_isp_says(Answer(kind="refused")),
    ),
    Case(
        name="dns-servfail",
        expected=blocked("dns-servfail"),
        interferences=_isp_says(Answer(kind="servfail")),
    ),
    Case(
        name="dns-no-answer",
        expected=blocked("dns-no-answer"),
        interferences=_isp_says(Answer(kind="no-answer")),
    ),
    Case(
        name="dns-timeout",
        expected=blocked("dns-timeout"),
        interferences=_isp_says(Answer(kind="timeout")),
    ),
    Case(
        name="dns-bogon",
        expected=blocked("dns-forged"),
        interferences=_isp_sends_to("10.10.34.35"),
    ),
    Case(
        name="dns-blockpage-address",
        expected=blocked("dns-forged", evidence=("fingerprint",)),
        interferences=_isp_sends_to(NOTICE_ADDRESS),
        sites=(SITE, _NOTICE_SITE),
    ),
    Case(
        name="dns-loopback",
        expected=blocked("dns-forged"),
        interferences=_isp_sends_to("127.0.0.1"),
    ),
    Case(
        name="dns-injected",
        expected=blocked("dns-forged", injected=True),
        interferences=(DnsInjection(names=(NAME,), answer=Answer(addresses=(_FORGED,))),),
    ),
    Case(
        name="dns-injected-nxdomain",
        expected=blocked("dns-nxdomain", injected=True),
        interferences=(DnsInjection(names=(NAME,), answer=Answer(kind="nxdomain")),),
    ),
    Case(
        name="dns-other-cdn-node",
        expected=says("ok"),
        interferences=_isp_sends_to("151.101.193.10"),
        sites=(
            Site(
                name=NAME,
                addresses=(*SITE.addresses, "151.101.193.10"),
                published=SITE.addresses,
                content=SITE.content,
            ),
        ),
    ),
    Case(
        name="dns-hijack-transparent",
        expected=says("ok", r"hijack|prox|differ|another address|other address"),
        interferences=_isp_sends_to(_PROXY),
        sites=(SITE, Site(name=_PROXY, addresses=(_PROXY,), ports={443: "sni-proxy", 80: "http"})),
    ),
    Case(
        name="dns-ad-blocker",
        expected=blocked("dns-forged", scope="resolver"),
        resolver=Resolver(addresses=(_AD_BLOCKER,), answers={NAME: Answer(addresses=("0.0.0.0",))}),
    ),
    Case(
        name="opt-in-filter",
        expected=blocked("dns-forged", scope="opt-in"),
        interferences=_isp_sends_to(_OPT_IN),
        sites=(SITE, Site(name=_OPT_IN, addresses=(_OPT_IN,), ports={80: "http"})),
    ),
    Case(
        name="dns-and-sni",
        targets=(HTTPS,),
        expected=blocked("dns-forged", "sni-reset"),
        interferences=(*_isp_sends_to("10.10.34.35"), NameFilter(names=(NAME,), action="reset")),
    ),
)
