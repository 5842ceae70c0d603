"""What every release must judge right: each case is an interference or a fault, and what must be said of it.

`TARGET` is a site of two addresses that no catalogue knows; where the platform matters, its catalogue entry is
measured. Outcomes are exact; without expectations of a control, `inconclusive` is right as well.
"""

from typing import Literal

import msgspec

from probe.lab.interference import (
    NOTICE,
    NOTICE_ADDRESS,
    AddressFilter,
    CaptivePortal,
    Cutoff,
    DataFilter,
    DnsInjection,
    DomesticOnly,
    Interference,
    Loss,
    NameFilter,
    NoticeInjection,
    Offline,
    ResolverAnswers,
    ResolverDuplicates,
    ResolverRewrites,
    TlsInterception,
    TransparentDns,
)
from probe.lab.layout import Ipv6
from probe.lab.model import CHINA_TELECOM, TURK_TELEKOM, Answer, Isp, Page, Redirects, Resolver, Site

NAME = "www.open-gazette.org"
ADDRESSES = ("151.101.65.10", "151.101.129.10")
HTTPS = f"https://{NAME}/"
HTTP = f"http://{NAME}/"
SITE = Site(name=NAME, addresses=ADDRESSES, content=Page(title="The Open Gazette", size=330_000))

AD_BLOCKER = "94.140.14.14"  # AS212772
OTHER_NODE = "151.101.193.10"
OPT_IN = "193.192.98.41"  # TurkNet's family filter
TLS_PROXY = "185.88.181.5"
REWRITTEN = "195.175.254.77"
TRUSTED = ("1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.10", "149.112.112.10")
_IDNA = "günlük-gazette.org"
_BACKENDS = tuple(f"e{number}.whatsapp.net" for number in range(1, 17))

Outcomes = tuple[Literal["ok", "blocked", "partial", "degraded", "down", "inconclusive", "void"], ...]


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """Any of `outcomes`; `techniques` all and in order, the others only where they are given. `evidence`: regular
    expressions, each to be found in a rule or its text."""

    outcomes: Outcomes
    techniques: tuple[str, ...] = ()
    injected: bool | None = None
    scope: str | None = None
    evidence: tuple[str, ...] = ()


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """`expected` by what it is said of: `endpoint` (each that is measured), a service as `platform.service`, or a
    platform. `sites` are added to the world, and take the place of those of the same name. `control` False: there is
    none, and the expected is exact."""

    name: str
    targets: tuple[str, ...]
    expected: dict[str, Expected]
    interferences: tuple[Interference, ...] = ()
    sites: tuple[Site, ...] = (SITE,)
    options: tuple[str, ...] = ()
    control: bool = True
    isp: Isp = TURK_TELEKOM
    resolver: Resolver | None = None  # the vantage point's, where it is not the ISP's
    ipv6: Ipv6 = "none"
    timeout: float = 120


def _endpoint(name: str, target: str, expected: Expected, *interferences: Interference, **more: object) -> Case:
    return Case(name=name, targets=(target,), expected={"endpoint": expected}, interferences=interferences, **more)  # type: ignore[arg-type]
