"""The site's own faults and peculiarities, the same for everybody unless said otherwise."""

from probe.lab.cases.case import ADDRESSES, NAME, SITE, Case, says
from probe.lab.model import Certificate, Page, Protocol, Redirects, Site

_IDNA = "günlük-gazette.org"
_CAPTCHA = Page(
    status=403, title="Just a moment...", body="<html><head><title>Just a moment...</title></head><body></body></html>"
)


def _certified(certificate: Certificate) -> tuple[Site]:
    return (Site(name=NAME, addresses=ADDRESSES, certificate=certificate, content=SITE.content),)


def _listening(ports: dict[int, Protocol]) -> tuple[Site]:
    return (Site(name=NAME, addresses=ADDRESSES, ports=ports),)


SITES = (
    Case(name="server-expired-cert", expected=says("down"), sites=_certified("expired")),
    Case(name="server-wrong-name", expected=says("down"), sites=_certified("wrong-name")),
    Case(name="server-self-signed", expected=says("down"), sites=_certified("self-signed")),
    Case(name="server-refuses", expected=says("down"), sites=_listening({})),
    Case(name="server-nxdomain", expected=says("down"), sites=()),
    Case(name="server-silent", expected=says("down"), sites=_listening({443: "silent", 80: "silent"})),
    Case(
        name="server-500",
        expected=says("ok"),
        sites=(Site(name=NAME, addresses=ADDRESSES, content=SITE.content, to_isps=Page(status=500)),),
    ),
    Case(
        name="server-403-captcha",
        expected=says("ok"),
        sites=(Site(name=NAME, addresses=ADDRESSES, content=SITE.content, to_isps=_CAPTCHA),),
    ),
    Case(
        name="server-big-page",
        expected=says("ok"),
        sites=(Site(name=NAME, addresses=ADDRESSES, content=Page(size=32 << 20)),),
    ),
    Case(
        name="redirect-chain",
        expected=says("ok"),
        sites=(Site(name=NAME, addresses=ADDRESSES, content=Redirects(hops=5)),),
    ),
    Case(
        name="redirect-loop",
        expected=says("down"),
        sites=(Site(name=NAME, addresses=ADDRESSES, content=Redirects(hops=15)),),
    ),
    Case(
        name="idna-name",
        targets=(f"https://{_IDNA}/",),
        expected=says("ok"),
        sites=(Site(name=_IDNA.encode("idna").decode(), addresses=ADDRESSES),),
    ),
)
