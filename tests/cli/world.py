"""The lab's sites and its censor."""

from probe.lab.interference import NameFilter, NoticeInjection
from probe.lab.model import Page, Site

GIB = 1 << 30
HEALTHY = "https://healthy.example.net/"
FILTERED = "https://filtered.example.net/"
TITLE = "Şifre ✓"
SITES = (
    Site(name="healthy.example.net", addresses=("151.101.200.1",), content=Page(title=TITLE)),
    Site(name="filtered.example.net", addresses=("151.101.200.2",)),
    Site(name="notice.example.net", addresses=("151.101.200.3",)),
    Site(name="big.example.net", addresses=("151.101.200.4",), content=Page(size=GIB)),
    Site(name="slow.example.net", addresses=("151.101.200.5",), rate=1),
    Site(name="chain.example.net", addresses=("151.101.200.6",), certificate="long-chain"),
    Site(name="noise.example.net", addresses=("151.101.200.7",), ports={443: "noise", 80: "noise"}),
    Site(name="silent.example.net", addresses=("151.101.200.8",), ports={443: "silent"}),
    Site(
        name="lure.example.net",
        addresses=("151.101.200.9",),
        pages={"/": Page(status=302, headers=(("location", "http://10.0.0.1/"),))},
    ),
)
HOSTILE = ["big", "slow", "chain", "noise", "silent", "lure"]
CENSOR = (
    NameFilter(names=("filtered.example.net",), action="reset"),
    NoticeInjection(names=("notice.example.net",), page=Page(title="[/b]", body="<title>[/b]</title>law nr. 5651")),
)
PLATFORM = """\
id: shop
name: Shop
domains: [example.net]
services:
  web:
    endpoints:
      - {url: "https://healthy.example.net/", source: made up, conf: M}
  media:
    endpoints:
      - {url: "https://filtered.example.net/", source: made up, conf: M}
"""
