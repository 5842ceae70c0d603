"""More ways of the same interference: other packets, other moments, other answers."""

import msgspec

from probe.lab.cases.case import HTTP, NAME, SITE, TRUSTED_RESOLVERS, Case, blocked, says
from probe.lab.interference import (
    NOTICE,
    NOTICE_ADDRESS,
    AddressFilter,
    CaptivePortal,
    DataFilter,
    DnsInjection,
    NameFilter,
    NoticeInjection,
    Offline,
    ResolverAnswers,
    SharedAddress,
    TlsInterception,
)
from probe.lab.model import TURK_TELEKOM, Answer, Page, Site

_HOME = msgspec.structs.replace(TURK_TELEKOM, subnet="100.64.1.0/24")  # behind a carrier's translator: RFC 6598
_FORGED = "31.13.94.37"
_TTL_OF_SERVER = 63  # one router before the resolver
_STRANGER = Site(name="www.elsewhere.example", addresses=("151.101.77.7",))
_BARE = Page(status=403, title="403 Forbidden", body="<html><title>403 Forbidden</title><h1>Forbidden</h1></html>")
_NOTICE_SITE = Site(name=NOTICE_ADDRESS, addresses=(NOTICE_ADDRESS,), ports={80: "http"}, content=NOTICE)


def _isp_says(answer: Answer) -> ResolverAnswers:
    return ResolverAnswers(names=(NAME,), answer=answer)


def _injected(late: float = 0, **answer: object) -> DnsInjection:
    made = Answer(**answer)  # type: ignore[arg-type]
    return DnsInjection(names=(NAME,), answer=made, ip_ttl=_TTL_OF_SERVER, late=late)


FURTHER = (
    Case(
        name="dns-injected-same-ttl",
        expected=blocked("dns-forged", injected=True),
        interferences=(_injected(addresses=(_FORGED,)),),
    ),
    Case(name="dns-injected-late", expected=says("ok"), interferences=(_injected(late=0.15, addresses=(_FORGED,)),)),
    Case(
        name="dns-injected-bogon",
        expected=blocked("dns-forged", injected=True),
        interferences=(_injected(addresses=("127.0.0.1",)),),
    ),
    Case(
        name="dns-alias-to-notice",
        expected=blocked("dns-forged"),
        interferences=(_isp_says(Answer(alias="warning.or.example", addresses=(NOTICE_ADDRESS,))),),
        sites=(SITE, _NOTICE_SITE),
    ),
    Case(
        name="dns-to-another-site",
        expected=blocked("dns-forged"),
        interferences=(_isp_says(Answer(addresses=_STRANGER.addresses)),),
        sites=(SITE, _STRANGER),
    ),
    Case(
        name="dns-to-nowhere",
        expected=blocked("dns-forged"),
        interferences=(_isp_says(Answer(addresses=("31.13.94.37",))),),
    ),
    Case(
        name="dns-to-dead-neighbour",
        expected=says("inconclusive"),
        interferences=(_isp_says(Answer(addresses=("151.101.250.250",))),),
    ),
    Case(
        name="dns-forged-without-trusted-resolvers",
        expected=blocked("dns-forged"),
        interferences=(
            AddressFilter(targets=TRUSTED_RESOLVERS, ports=()),
            _isp_says(Answer(addresses=_STRANGER.addresses)),
        ),
        sites=(SITE, _STRANGER),
    ),
    Case(
        name="ip-prohibited",
        expected=blocked("ip-unreachable"),
        interferences=(AddressFilter(targets=(NAME,), action="prohibited"),),
    ),
    Case(
        name="ip-reset-everything",
        expected=blocked("ip-reset"),
        interferences=(AddressFilter(targets=(NAME,), action="reset", ports=()),),
    ),
    Case(
        name="sni-reset-by-suffix",
        expected=blocked("sni-reset"),
        interferences=(NameFilter(names=(".open-gazette.org",), action="reset", inspects="stream"),),
    ),
    Case(
        name="sni-reset-after-answer",
        expected=blocked("sni-reset"),
        interferences=(NameFilter(names=(NAME,), action="reset", answered=True),),
    ),
    Case(
        name="sni-drop-after-answer",
        expected=blocked("sni-drop"),
        interferences=(NameFilter(names=(NAME,), action="drop", answered=True),),
    ),
    Case(
        name="sni-drop-residual",
        expected=blocked("sni-drop"),
        interferences=(NameFilter(names=(NAME,), action="drop", residual=60, afterwards="drop"),),
    ),
    Case(
        name="tls-reset-all-names",
        expected=blocked("tls-reset"),
        interferences=(DataFilter(targets=(NAME,), action="reset"),),
    ),
    Case(
        name="tls-interception-bare-page",
        expected=blocked("tls-interception"),
        interferences=(TlsInterception(names=(NAME,), page=_BARE, issuer="DigiCert Global Root G2"),),
    ),
    Case(
        name="http-bare-403-injected",
        targets=(HTTP,),
        expected=blocked("http-blockpage"),
        interferences=(NoticeInjection(names=(NAME,), page=_BARE),),
    ),
    Case(
        name="http-redirect-elsewhere",
        targets=(HTTP,),
        expected=blocked("http-blockpage"),
        interferences=(
            NoticeInjection(
                names=(NAME,), page=Page(status=302, body="", headers=(("location", "http://blocked.example.net/"),))
            ),
        ),
    ),
    Case(name="portal-with-honest-names", expected=says("void"), interferences=(CaptivePortal(names=False),)),
    Case(name="unplugged", expected=says("void"), interferences=(Offline(how="unplugged"),)),
    Case(name="shared-address", expected=says("ok"), interferences=(SharedAddress(),), isp=_HOME),
)
