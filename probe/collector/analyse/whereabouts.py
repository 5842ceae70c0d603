"""Whose network a measurement speaks of, and how far it may be believed.

First what the collector itself saw: the lease that held when the measurement was made. Without one there is only the
probe's own word. Every doubt is a mark that stays with the vote: what is marked supports, and never confirms.
"""

import enum
from collections.abc import Callable

import msgspec

from probe.collector.analyse.event_time import milliseconds
from probe.wire.measurement import Network
from probe.wire.reports import Report, Reported
from probe.wire.signed import Lease, Signed

_SLACK = 600_000  # ms: a lease's bounds and an event time are known by different clocks
_KEPT = 20_000  # leases remembered: one a probe and hour

Opener = Callable[[Signed], bytes | None]  # the payload; None where the signature does not hold


class Mark(enum.IntFlag):
    """Why a vote does not confirm. Kept and put together as plain numbers, which is many times as fast."""

    VPN = 1  # a VPN was suspected
    HOSTING = 2  # a network where servers live
    CLAIMED = 4  # the network is the probe's own word
    PROXIED = 8  # the request came through a proxy: no network facts
    OPT_IN = 16  # the filter was the owner's own choice
    SUSPENDED = 32  # no control reaches the endpoint


_VPN, _HOSTING, _CLAIMED, _PROXIED = int(Mark.VPN), int(Mark.HOSTING), int(Mark.CLAIMED), int(Mark.PROXIED)
FOREIGN = _VPN | _HOSTING  # not the ISP's users: no vote for it


class Whereabouts(msgspec.Struct, frozen=True):
    """`country` is empty and `asn` 0 where it is not known."""

    country: str
    asn: int
    name: str | None
    resolver_asn: int | None
    marks: int


class Held(msgspec.Struct, frozen=True):
    """A lease, and from when to when it speaks, in ms."""

    lease: Lease
    since: int
    until: int


class Locator:
    """Opens leases once each. `opener` checks the signature with the online keys that ever held here."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._leases: dict[tuple[str, str], Held | None] = {}

    def locate(self, reported: Reported, report: Report, at: int, probe: str) -> Whereabouts:
        """`probe` sent it: another's lease says nothing of it."""
        network = reported.measurement.network
        lease = self._lease(reported, report, at)
        if lease is not None and lease.probe not in {None, probe}:
            lease = None
        if lease is None or lease.proxied or _knows_nothing(lease):
            claim = _merged(network, report.network)
            marks = _CLAIMED | (_PROXIED if lease is not None and lease.proxied else 0)
            return _whereabouts(claim.country, claim.asn, claim.name, network, marks | _suspicions(reported))
        marks = (_CLAIMED if lease.claimed else 0) | (_HOSTING if lease.hosting else 0)
        return _whereabouts(lease.country, lease.asn, lease.name, network, marks | _suspicions(reported))

    def _lease(self, reported: Reported, report: Report, at: int) -> Lease | None:
        """The lease that the measurement names, where it is ours and held when it was made."""
        signed = report.leases.get(reported.lease) if reported.lease is not None else None
        if signed is None:
            return None
        key = (signed.signature, signed.payload)
        if key not in self._leases:
            if len(self._leases) >= _KEPT:
                self._leases.clear()
            self._leases[key] = self._opened(signed)
        held = self._leases[key]
        return held.lease if held is not None and held.since <= at <= held.until else None

    def _opened(self, signed: Signed) -> Held | None:
        payload = self._opener(signed)
        try:
            lease = msgspec.json.decode(payload, type=Lease) if payload is not None else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if lease is None:
            return None
        return Held(lease, milliseconds(lease.issued_at) - _SLACK, milliseconds(lease.expires_at) + _SLACK)


def _knows_nothing(lease: Lease) -> bool:
    """Of a collector without tables, given before the probe knew what to claim."""
    return lease.claimed and lease.asn is None and lease.country is None


def _suspicions(reported: Reported) -> int:
    network = reported.measurement.network
    return (_VPN if reported.vpn or network.vpn else 0) | (_HOSTING if network.hosting else 0)


def _merged(network: Network, of_report: Network) -> Network:
    return network if network.asn or network.country else of_report


def _whereabouts(country: str | None, asn: int | None, name: str | None, network: Network, marks: int) -> Whereabouts:
    return Whereabouts(_code(country), _number(asn), name, network.resolver_asn, marks)


def _code(country: str | None) -> str:
    """Two letters, or nothing: it becomes a label and a file's name."""
    known = country is not None and len(country) == 2 and country.isascii() and country.isalpha()
    return country.upper() if known and country else ""


def _number(asn: int | None) -> int:
    return asn if asn is not None and 0 < asn < 1 << 32 else 0
