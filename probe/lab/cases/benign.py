"""Nothing that a censor did: healthy networks, and ones with ordinary peculiarities."""

from probe.lab.cases.case import ADDRESSES, HTTP, NAME, QUIC, SITE, Case, says
from probe.lab.interference import Loss, ResolverDuplicates, ResolverRewrites, Throttle, TransparentDns
from probe.lab.model import Site

BENIGN = (
    Case(name="healthy-https", expected=says("ok")),
    Case(name="healthy-http", targets=(HTTP,), expected=says("ok")),
    Case(name="healthy-quic", targets=(QUIC,), expected=says("ok"), waits="QUIC"),
    Case(name="slow-for-everyone", expected=says("ok"), interferences=(Throttle(),)),
    Case(name="transparent-dns", expected=says("ok"), interferences=(TransparentDns(),)),
    Case(
        name="nxdomain-rewrite",
        expected=says("ok"),
        interferences=(ResolverRewrites(addresses=("195.175.254.77",)),),
    ),
    Case(name="duplicated-reply", expected=says("ok"), interferences=(ResolverDuplicates(),)),
    Case(
        name="ipv6-broken",
        expected=says("ok"),
        sites=(Site(name=NAME, addresses=(*ADDRESSES, "2a04:4e42:200::10"), content=SITE.content),),
        ipv6="broken",
    ),
    Case(name="lossy", expected=says("ok"), interferences=(Loss(),)),
)
