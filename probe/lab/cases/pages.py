"""Interference with plain HTTP, and with what a connection carries once it stands."""

from probe.lab.cases.case import HTTP, NAME, SITE, Case, Expected, blocked
from probe.lab.interference import NOTICE, NOTICE_ADDRESS, Cutoff, NameFilter, NoticeInjection, Throttle
from probe.lab.model import Page, Site

_TO_NOTICE = Page(status=302, body="", headers=(("location", f"http://{NOTICE_ADDRESS}/landpage?ms={NAME}"),))
_NOTICE_SITE = Site(name=NOTICE_ADDRESS, addresses=(NOTICE_ADDRESS,), ports={80: "http"}, content=NOTICE)

PAGES = (
    Case(
        name="http-blockpage-injected",
        targets=(HTTP,),
        expected=blocked("http-blockpage"),
        interferences=(NoticeInjection(names=(NAME,)),),
    ),
    Case(
        name="http-redirect-to-notice",
        targets=(HTTP,),
        expected=blocked("http-blockpage"),
        interferences=(NoticeInjection(names=(NAME,), page=_TO_NOTICE),),
        sites=(SITE, _NOTICE_SITE),
    ),
    Case(
        name="http-reset",
        targets=(HTTP,),
        expected=blocked("http-reset"),
        interferences=(NameFilter(names=(NAME,), action="reset", layer="http"),),
    ),
    Case(
        name="http-close",
        targets=(HTTP,),
        expected=blocked("http-close"),
        interferences=(NameFilter(names=(NAME,), action="close", layer="http"),),
    ),
    Case(
        name="http-drop",
        targets=(HTTP,),
        expected=blocked("http-drop"),
        interferences=(NameFilter(names=(NAME,), action="drop", layer="http"),),
    ),
    Case(
        name="throttle-by-name",
        expected={"endpoint": Expected(outcomes=("degraded",), techniques=("throttling",))},
        interferences=(Throttle(names=(NAME,)),),
        waits="throttling",
    ),
    Case(
        name="throttle-taints-address",
        expected={"endpoint": Expected(outcomes=("degraded",), techniques=("throttling",))},
        interferences=(Throttle(names=(NAME,), taints=60),),
        waits="throttling",
    ),
    Case(
        name="cutoff-16k",
        expected=blocked("http-cutoff"),
        interferences=(Cutoff(names=(NAME,)),),
    ),
)
