"""Leases: what the collector saw of the network that a check-in came from, signed, and never its address."""

import datetime as dt
from collections.abc import Iterable

import msgspec

from probe.catalogue.signatures import Keypair, SignatureFault, opened, sign
from probe.collector.log import Origin
from probe.wire.signed import Lease, Signed

_LEASES = msgspec.json.Decoder(Lease)


def lease(origin: Origin, probe: str, key: Keypair, now: dt.datetime, seconds: float) -> Signed:
    """For this probe and no other. `seconds` is how long it holds."""
    facts = {name: getattr(origin, name) for name in Origin.__struct_fields__}
    issued = now.astimezone(dt.UTC).replace(microsecond=0)
    expires = issued + dt.timedelta(seconds=seconds)
    return sign(msgspec.json.encode(Lease(issued_at=issued, expires_at=expires, probe=probe, **facts)), key)


def opened_lease(signed: Signed, publics: Iterable[bytes]) -> Lease | None:
    """The lease, if one of these keys signed it; None for a forged or broken one. Its dates are the caller's to judge:
    a report may carry leases that held weeks ago."""
    try:
        return _LEASES.decode(opened(signed, publics))
    except (SignatureFault, msgspec.DecodeError):
        return None
