"""Healthy servers with manners that look like a censor's, and resolvers that are slow, old or lazy."""

from probe.lab.cases.case import ADDRESSES, HTTP, NAME, SITE, Case, blocked, says
from probe.lab.interference import AddressFilter, NameFilter, ResolverAnswers, ResolverHabits
from probe.lab.model import Answer, Page, Redirects, Site
from probe.lab.nat64 import PREFIX

_SIX = ("2a04:4e42:200::10", "2a04:4e42:400::10")
_FOUR = (*ADDRESSES, "151.101.193.10", "151.101.2.10")


def _site(**facts: object) -> tuple[Site]:
    return (Site(**{"name": NAME, "addresses": ADDRESSES, "content": SITE.content} | facts),)  # type: ignore[arg-type]


def _lone(**facts: object) -> tuple[Site]:
    return _site(**{"addresses": ADDRESSES[:1]} | facts)


SERVERS = (
    Case(name="server-closes-on-other-names", expected=says("ok"), sites=_lone(strangers="closed")),
    Case(name="server-resets-other-names", expected=says("ok"), sites=_lone(strangers="reset")),
    Case(name="server-alerts-other-names", expected=says("ok"), sites=_lone(strangers="alert")),
    Case(name="server-one-connection", expected=says("ok"), sites=_lone(at_once=1)),
    Case(
        name="server-resets-other-names-filtered",
        expected=blocked("sni-drop"),
        sites=_lone(strangers="reset"),
        interferences=(NameFilter(names=(NAME,), action="drop"),),
    ),
    Case(
        name="http-to-https",
        targets=(HTTP,),
        expected=says("ok"),
        sites=_site(content=Redirects(hops=1, page=Page(title="The Open Gazette"))),
    ),
)

RESOLVERS = (
    Case(name="resolver-slow", expected=says("ok"), interferences=(ResolverHabits(delay=2.6),)),
    Case(name="resolver-without-edns", expected=says("ok"), interferences=(ResolverHabits(edns="formerr"),)),
    Case(name="resolver-drops-edns", expected=says("ok"), interferences=(ResolverHabits(edns="dropped"),)),
    Case(name="resolver-ignores-ipv6", expected=says("ok"), interferences=(ResolverHabits(ignores=("AAAA",)),)),
)

FAMILIES = (
    Case(
        name="ipv6-works",
        expected=says("ok"),
        sites=_site(addresses=(*ADDRESSES, *_SIX)),
        ipv6="works",
    ),
    Case(
        name="ipv6-dropped-only",
        expected=says("ok", "address"),
        sites=_site(addresses=(*ADDRESSES, *_SIX)),
        interferences=(AddressFilter(targets=_SIX),),
        ipv6="works",
    ),
    Case(
        name="ipv6-alone-dropped",
        expected=blocked("ip-drop"),
        sites=_site(addresses=_SIX),
        interferences=(AddressFilter(targets=_SIX),),
        ipv6="works",
    ),
    Case(
        name="ipv6-alone-sni-reset",
        expected=blocked("sni-reset"),
        sites=_site(addresses=_SIX),
        interferences=(NameFilter(names=(NAME,), action="reset"),),
        ipv6="works",
    ),
    Case(
        name="nat64",
        expected=says("ok"),
        interferences=(ResolverHabits(dns64=PREFIX),),
        ipv6="nat64",
    ),
    Case(
        name="nat64-dns-forged",
        expected=blocked("dns-forged"),
        interferences=(
            ResolverHabits(dns64=PREFIX),
            ResolverAnswers(names=(NAME,), answer=Answer(addresses=("64:ff9b::10.10.34.35",))),
        ),
        ipv6="nat64",
    ),
    Case(
        name="nat64-sni-reset",
        expected=blocked("sni-reset"),
        interferences=(ResolverHabits(dns64=PREFIX), NameFilter(names=(NAME,), action="reset")),
        ipv6="nat64",
    ),
    Case(
        name="ip-drop-two-of-four",
        expected=says("ok", "address"),
        sites=_site(addresses=_FOUR),
        interferences=(AddressFilter(targets=_FOUR[:2]),),
    ),
)
