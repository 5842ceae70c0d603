"""The form of a case, and the site that most of them are about."""

import os

import msgspec

from probe.lab.interference import Interference
from probe.lab.layout import Ipv6
from probe.lab.model import TURK_TELEKOM, Isp, Page, Resolver, Site
from probe.lab.nat64 import TUN

NAME = "www.open-gazette.org"  # which no catalogue knows
ADDRESSES = ("151.101.65.10", "151.101.129.10")
HTTPS = f"https://{NAME}/"
HTTP = f"http://{NAME}/"
QUIC = f"quic://{NAME}:443"
SITE = Site(name=NAME, addresses=ADDRESSES, content=Page(title="The Open Gazette", size=330_000))
TRUSTED_RESOLVERS = ("1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.10", "149.112.112.10")


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """Any of `outcomes`. One technique is the head of those found, several are all of them in order. What is not given
    is not asked. `evidence`: regular expressions, each to be found in a rule or its text."""

    outcomes: tuple[str, ...]
    techniques: tuple[str, ...] = ()
    injected: bool | None = None
    scope: str | None = None
    evidence: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = ["|".join(self.outcomes), *self.techniques, *(["injected"] if self.injected else [])]
        return " ".join([*words, *([f"scope={self.scope}"] if self.scope else [])])


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """`expected` by what it is said of: `endpoint` (each that is measured), a service as `platform.service`, or a
    platform. Every case is run with the expectations of a control and without; without, `inconclusive` is right as
    well. `control` False: there is none, and what is expected is exact. `sites` take the place of the world's own of
    the same name; `platforms` of the catalogue are in the world."""

    name: str
    expected: dict[str, Expected]
    targets: tuple[str, ...] = (HTTPS,)
    interferences: tuple[Interference, ...] = ()
    sites: tuple[Site, ...] = (SITE,)
    platforms: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    control: bool = True
    isp: Isp = TURK_TELEKOM
    resolver: Resolver | None = None  # the vantage point's, where it is not the ISP's
    ipv6: Ipv6 = "none"
    timeout: float = 120  # seconds, of one `probe measure`
    waits: str | None = None  # for what the product does not have yet

    def must_say(self) -> str:
        return "; ".join(
            str(said) if about == "endpoint" else f"{about}: {said}" for about, said in self.expected.items()
        )

    def skipped(self) -> str | None:
        """Why it is not run here and now; None where it is."""
        if self.waits is not None:
            return f"waits for {self.waits}"
        no_tun = self.ipv6 == "nat64" and not os.access(TUN, os.R_OK | os.W_OK)
        return f"this machine has no TUN device ({TUN})" if no_tun else None


def says(outcome: str, *evidence: str) -> dict[str, Expected]:
    return {"endpoint": Expected(outcomes=(outcome,), evidence=evidence)}


def blocked(
    *techniques: str, injected: bool | None = None, scope: str | None = None, evidence: tuple[str, ...] = ()
) -> dict[str, Expected]:
    """`techniques` in the order in which a connection meets them."""
    expected = Expected(outcomes=("blocked",), techniques=techniques, injected=injected, scope=scope, evidence=evidence)
    return {"endpoint": expected}
